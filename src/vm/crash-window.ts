/** Counts the failures of a VM, and says when one fails too often to be made anew for a while. */

export class CrashWindow {
  readonly #crashesMax: number;
  readonly #windowMs: number;
  /** When the last failures were, oldest first. */
  #timesMs: number[] = [];
  #cutOffUntilMs = Number.NEGATIVE_INFINITY;

  /** @param crashesMax failures within `windowMs` that cut a VM off for as long. */
  constructor(crashesMax: number, windowMs: number) {
    this.#crashesMax = crashesMax;
    this.#windowMs = windowMs;
  }

  /** A failure at `nowMs`; true when it is the one too many. */
  record(nowMs: number): boolean {
    this.#timesMs = this.#timesMs.filter((timeMs) => nowMs - timeMs < this.#windowMs);
    this.#timesMs.push(nowMs);
    if (this.#timesMs.length < this.#crashesMax) return false;
    this.#timesMs = [];
    this.#cutOffUntilMs = nowMs + this.#windowMs;
    return true;
  }

  /** Milliseconds for which no VM may be made; 0 or less = it may. */
  waitMs(nowMs: number): number {
    return this.#cutOffUntilMs - nowMs;
  }
}
