/**
 * Work that must wait until the caller's stack has unwound: watermark reports, resets found inside
 * a call, a request head that waits for the first body bytes to share its write. One queue per
 * silo.
 * @hot per-request
 */

export interface Deferred {
  /** Called once for each time the object was scheduled since its last run. */
  runDeferred(): void;
}

export class Deferral {
  #due: Deferred[] = [];
  #running: Deferred[] = [];
  readonly #run = (): void => this.#runAll();

  /** Runs `deferred` after the current callback of the event loop, in the order of the calls. */
  schedule(deferred: Deferred): void {
    // One tick serves everybody who comes before it runs.
    if (this.#due.push(deferred) === 1) process.nextTick(this.#run);
  }

  #runAll(): void {
    const batch = this.#due;
    this.#due = this.#running;
    this.#running = batch;
    for (let i = 0; i < batch.length; i++) (batch[i] as Deferred).runDeferred();
    batch.length = 0;
  }
}
