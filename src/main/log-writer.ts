/**
 * Main's side of access logs: a ring for each silo, and one thread that writes what they bring
 * (ring-writer.ts). Thread: main.
 */
import { createBell } from "../shm/bell-layout.ts";
import { RingSet } from "../shm/ring.ts";
import { createRing } from "../shm/ring-layout.ts";
import { type LogFullPolicy, type LogRingBoot, WRITER_BELL } from "../silo/log-ring.ts";
import { LogSinks } from "../silo/log-sinks.ts";
import { LogRecords } from "./log-records.ts";
import { RingWriter } from "./ring-writer.ts";

/** Compiled file of the thread. */
const ENTRY = new URL("./log-writer-thread.js", import.meta.url);

export interface LogWriterBoot {
  readonly rings: readonly SharedArrayBuffer[];
  readonly bell: SharedArrayBuffer;
}

/** main -> the writer. */
export type ToLogWriter = "reopen" | "stop";

export class LogWriter {
  readonly #boot: LogWriterBoot;
  readonly #policy: LogFullPolicy;
  readonly #writer: RingWriter;

  constructor(silos: number, policy: LogFullPolicy) {
    const boot = { rings: Array.from({ length: silos }, createRing), bell: createBell() };
    this.#boot = boot;
    this.#policy = policy;
    this.#writer = new RingWriter({
      name: "log writer",
      entry: ENTRY,
      boot,
      bellIndex: WRITER_BELL,
    });
  }

  /** What silo `index` logs to. */
  boot(index: number): LogRingBoot {
    const { rings, bell } = this.#boot;
    return { ring: rings[index] as SharedArrayBuffer, bell, policy: this.#policy };
  }

  /** Lines from now on go to new files of the same names. */
  reopen(): void {
    this.#writer.post("reopen" satisfies ToLogWriter);
  }

  /** Writes everything that silos, which are gone by now, have left. */
  async stop(): Promise<void> {
    await this.#writer.stop();
    new LogRecords(new RingSet(this.#boot.rings), new LogSinks()).write();
  }
}
