/**
 * A thread that has loaded the silo's code and waits to be told which silo it is, so that the place
 * of one that died is filled without the time that loading takes. Thread: main.
 */
import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import { RESERVE } from "../silo/messages.ts";

const log = new Logger("main");

/** Silos that have just started have the processors first. */
const FILL_DELAY_MS = 2_000;

export class SiloReserve {
  readonly #entry: URL;
  readonly #clock: Clock;
  #worker: Worker | null = null;
  #timer: Timer | null = null;

  constructor(entry: URL, clock: Clock) {
    this.#entry = entry;
    this.#clock = clock;
  }

  /** Whether a thread waits. */
  get isFilled(): boolean {
    return this.#worker !== null;
  }

  /** Makes the next thread, in a while. */
  fillLater(): void {
    if (this.#worker !== null || this.#timer !== null) return;
    this.#timer = this.#clock.after(FILL_DELAY_MS, () => {
      this.#timer = null;
      this.#fill();
    });
  }

  /** The thread that waits, which is the caller's from now on; null = there is none. */
  take(): Worker | null {
    const worker = this.#worker;
    this.#worker = null;
    worker?.removeAllListeners();
    return worker;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.take()?.terminate();
  }

  #fill(): void {
    const worker = new Worker(this.#entry, { name: "silo-reserve", workerData: RESERVE });
    const gone = (reason: string): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      log.warn(`the silo in reserve ended: ${reason}`);
    };
    worker.on("error", (error: unknown) => gone(String(error)));
    worker.on("exit", (code) => gone(`exit code ${code}`));
    // Alone it keeps no process alive.
    worker.unref();
    this.#worker = worker;
  }
}
