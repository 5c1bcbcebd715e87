/**
 * Main's side of taps: a ring for each silo, and one thread that writes files of what they bring.
 * The thread starts with the first record, so a configuration without taps has none. Rings and body
 * slabs outlive silos and the writer: who comes after reads on. Thread: main.
 */
import { Worker } from "node:worker_threads";
import { Logger } from "../base/log.ts";
import { attachBell, createBell } from "../shm/bell-layout.ts";
import type { Bells } from "../shm/bells.ts";
import { RingSet } from "../shm/ring.ts";
import { createRing } from "../shm/ring-layout.ts";
import { TAP_WRITER_BELL, type TapRingBoot } from "../silo/tap/tap-ring.ts";
import { TapFiles } from "./tap-files.ts";

const log = new Logger("main");

/** Compiled file of the thread. */
const ENTRY = new URL("./tap-writer-thread.js", import.meta.url);

export interface TapWriterBoot {
  readonly rings: readonly SharedArrayBuffer[];
  /** Beside the rings: the body slab of each silo. */
  readonly slabs: readonly SharedArrayBuffer[];
  readonly bell: SharedArrayBuffer;
}

export class TapWriter {
  readonly #boot: TapWriterBoot;
  #bells: Bells;
  #worker: Worker | null = null;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;

  /** @param slabs of the silos, by index */
  constructor(slabs: readonly SharedArrayBuffer[]) {
    this.#boot = { rings: slabs.map(createRing), slabs, bell: createBell() };
    this.#bells = this.#await();
  }

  /** Where silo `index` sends what it taps. */
  boot(index: number): TapRingBoot {
    const { rings, bell } = this.#boot;
    return { ring: rings[index] as SharedArrayBuffer, bell };
  }

  /** Writes everything that silos, which are gone by now, have left. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#bells.close();
    this.#worker?.ref();
    this.#worker?.postMessage("stop");
    await this.#ended;
    const { rings, slabs } = this.#boot;
    new TapFiles(new RingSet(rings), slabs).write();
  }

  /** Starts the thread when the first record is there. */
  #await(): Bells {
    const bells = attachBell(this.#boot.bell);
    bells.listen(TAP_WRITER_BELL, () => {
      bells.close();
      this.#start();
    });
    return bells;
  }

  #start(): void {
    const worker = new Worker(ENTRY, { name: "tap-writer", workerData: this.#boot });
    // It ends when it is told to, or with the process.
    worker.unref();
    this.#worker = worker;
    worker.on("error", (error) => log.error(`the tap writer failed: ${error.stack ?? error}`));
    this.#ended = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#worker = null;
        resolve();
        // Its successor comes with the next record.
        if (!this.#stopping) this.#bells = this.#await();
      });
    });
  }
}
