/**
 * Weighted round robin by earliest deadline first: each entry is due every 1/weight, the one that
 * is due first is taken and put back. A binary heap over typed arrays, O(log n) per pick, no
 * allocation. Source: Envoy, edf_scheduler.h.
 * @hot per-request
 */
export class WeightedQueue {
  /** By heap position: index of the entry. */
  readonly #entries: Uint32Array;
  /** By entry: when it is due next. */
  readonly #due: Float64Array;
  /** By entry: 1/weight. */
  readonly #period: Float64Array;

  /** @param weights at least one, each 1 or more */
  constructor(weights: readonly number[]) {
    this.#entries = Uint32Array.from(weights, (_, i) => i);
    this.#period = Float64Array.from(weights, (weight) => 1 / weight);
    this.#due = this.#period.slice();
    for (let i = (weights.length >>> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** Index of the entry whose turn it is. */
  next(): number {
    const index = this.#entries[0] as number;
    this.#due[index] = (this.#due[index] as number) + (this.#period[index] as number);
    this.#sink(0);
    return index;
  }

  #sink(from: number): void {
    const entries = this.#entries;
    const count = entries.length;
    let at = from;
    for (;;) {
      let least = at;
      const left = 2 * at + 1;
      if (left < count && this.#before(left, least)) least = left;
      if (left + 1 < count && this.#before(left + 1, least)) least = left + 1;
      if (least === at) return;
      const moved = entries[at] as number;
      entries[at] = entries[least] as number;
      entries[least] = moved;
      at = least;
    }
  }

  /** Entries due at the same time go in their order in the list. */
  #before(a: number, b: number): boolean {
    const first = this.#entries[a] as number;
    const second = this.#entries[b] as number;
    const firstDue = this.#due[first] as number;
    const secondDue = this.#due[second] as number;
    return firstDue < secondDue || (firstDue === secondDue && first < second);
  }
}
