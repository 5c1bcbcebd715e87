/**
 * Time that a plugin takes, by samples: reading the clock around each callback would cost more than
 * many callbacks do.
 * @hot per-callback
 */

/** A prime: a filter whose callbacks come in turn is measured in all of them. */
const SAMPLE_EVERY = 61;

export class CallCost {
  calls = 0;
  #sampledNs = 0;

  /** Counts a callback; true when it is to be measured. */
  begin(): boolean {
    this.calls++;
    return this.calls % SAMPLE_EVERY === 0;
  }

  /** A measured callback is over. */
  measured(ns: number): void {
    this.#sampledNs += ns;
  }

  /** Milliseconds of all callbacks, extrapolated. */
  get timeMs(): number {
    return (this.#sampledNs * SAMPLE_EVERY) / 1e6;
  }
}
