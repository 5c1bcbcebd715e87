/**
 * Reads the counts of a striped heap for whoever reports them: sums over the stripes, each a moment
 * old. Thread: any.
 */
import { HEAP_PAGE_BYTES, STRIPE, STRIPES, UNIT_BYTES } from "./heap-layout.ts";
import type { Field } from "./layout.ts";
import { type HeapFields, StripedHeap } from "./striped-heap.ts";

export interface HeapStats {
  readonly entries: number;
  /** In blocks that are in use. */
  readonly bytesUsed: number;
  /** In pages that stripes have claimed. */
  readonly bytesClaimed: number;
  readonly evicted: number;
  readonly expired: number;
  readonly refused: number;
  /** Stripes made whole after their lock's holder died. */
  readonly repaired: number;
  /** Operations given up because a living thread kept the lock. */
  readonly busy: number;
}

export class HeapStatsReader {
  readonly #heap: StripedHeap;
  readonly #busy: number;

  constructor(region: SharedArrayBuffer, fields: HeapFields & { readonly busy: Field }) {
    this.#heap = new StripedHeap(region, fields);
    this.#busy = fields.busy.offset >> 2;
  }

  read(): HeapStats {
    return {
      entries: this.#sum(STRIPE.entries),
      bytesUsed: this.#sum(STRIPE.units) * UNIT_BYTES,
      bytesClaimed: this.#heap.pagesInUse() * HEAP_PAGE_BYTES,
      evicted: this.#sum(STRIPE.evicted),
      expired: this.#sum(STRIPE.expired),
      refused: this.#sum(STRIPE.refused),
      repaired: this.#sum(STRIPE.repaired),
      busy: Atomics.load(this.#heap.words, this.#busy),
    };
  }

  #sum(word: number): number {
    let sum = 0;
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      sum += Atomics.load(this.#heap.words, this.#heap.stripeWord(stripe, word));
    }
    return sum;
  }
}
