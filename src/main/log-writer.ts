/**
 * Main's side of access logs: a ring for each silo, and one thread that writes what they bring. The
 * thread starts with the first record, so a configuration without access logs has none. Rings
 * outlive silos and the writer: who comes after reads on. Thread: main.
 */
import { Worker } from "node:worker_threads";
import { Logger } from "../base/log.ts";
import { attachBell, createBell } from "../shm/bell-layout.ts";
import { RingSet } from "../shm/ring.ts";
import { createRing } from "../shm/ring-layout.ts";
import { type LogFullPolicy, type LogRingBoot, WRITER_BELL } from "../silo/log-ring.ts";
import { LogSinks } from "../silo/log-sinks.ts";
import { LogRecords } from "./log-records.ts";

const log = new Logger("main");

/** Compiled file of the thread. */
const ENTRY = new URL("./log-writer-thread.js", import.meta.url);

export interface LogWriterBoot {
  readonly rings: readonly SharedArrayBuffer[];
  readonly bell: SharedArrayBuffer;
}

/** main -> the writer. */
export type ToLogWriter = "reopen" | "stop";

export class LogWriter {
  readonly #rings: readonly SharedArrayBuffer[];
  readonly #bell = createBell();
  readonly #policy: LogFullPolicy;
  #bells = attachBell(this.#bell);
  #worker: Worker | null = null;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(silos: number, policy: LogFullPolicy) {
    this.#rings = Array.from({ length: silos }, createRing);
    this.#policy = policy;
    this.#await();
  }

  /** What silo `index` logs to. */
  boot(index: number): LogRingBoot {
    const ring = this.#rings[index] as SharedArrayBuffer;
    return { ring, bell: this.#bell, policy: this.#policy };
  }

  /** Lines from now on go to new files of the same names. */
  reopen(): void {
    this.#worker?.postMessage("reopen" satisfies ToLogWriter);
  }

  /** Writes everything that silos, which are gone by now, have left. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#bells.close();
    this.#worker?.ref();
    this.#worker?.postMessage("stop" satisfies ToLogWriter);
    await this.#ended;
    new LogRecords(new RingSet(this.#rings), new LogSinks()).write();
  }

  /** Starts the thread when the first record is there. */
  #await(): void {
    this.#bells = attachBell(this.#bell);
    this.#bells.listen(WRITER_BELL, () => {
      this.#bells.close();
      this.#start();
    });
  }

  #start(): void {
    const workerData: LogWriterBoot = { rings: this.#rings, bell: this.#bell };
    const worker = new Worker(ENTRY, { name: "log-writer", workerData });
    // It ends when it is told to, or with the process.
    worker.unref();
    this.#worker = worker;
    worker.on("error", (error) => log.error(`the log writer failed: ${error.stack ?? error}`));
    this.#ended = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#worker = null;
        resolve();
        // Its successor comes with the next record.
        if (!this.#stopping) this.#await();
      });
    });
  }
}
