/**
 * Makes room in shared data: entries that have expired go, and by choice those that nobody reads.
 * Each stripe has a hand that goes round its buckets; what was used since the hand passed has a
 * second chance. Whoever calls a method here holds the stripe's lock.
 * @hot per-hostcall
 */
import { STRIPE, STRIPES } from "./heap-layout.ts";
import { ENTRY, INTERNAL_SPACE } from "./shared-data-layout.ts";
import { SPACES_MAX, type TableEntries, USED_FLAG } from "./table-entries.ts";

/** Entries that one allocation may evict: what it costs at most while the lock is held. */
const EVICTIONS_MAX = 512;

/** What may go. */
type Victims = "expired" | "unused";

/** Thread: any; one object per thread. */
export class TableSweeper {
  readonly #entries: TableEntries;
  readonly #bucketsOfStripe: number;

  constructor(entries: TableEntries) {
    this.#entries = entries;
    this.#bucketsOfStripe = entries.bucketCount / STRIPES;
  }

  /** Some entries of the stripe have an expiry. */
  hasTimed(stripe: number): boolean {
    const { heap, words } = this.#entries;
    return (words[heap.stripeWord(stripe, STRIPE.timed)] as number) > 0;
  }

  /** Removes all that has expired in the stripe; how many there were. */
  sweepStripe(stripe: number): number {
    if (!this.hasTimed(stripe)) return 0;
    let removed = 0;
    for (let i = 0; i < this.#bucketsOfStripe; i++) removed += this.sweepBucket(stripe, "expired");
    return removed;
  }

  /** Removes entries until `size` bytes fit: their block, or 0. */
  allocate(stripe: number, size: number, which: Victims): number {
    const rounds = (which === "expired" ? 1 : 2) * this.#bucketsOfStripe;
    let removed = 0;
    for (let i = 0; i < rounds && removed < EVICTIONS_MAX; i++) {
      const count = this.sweepBucket(stripe, which);
      removed += count;
      const ref = count === 0 ? 0 : this.#entries.heap.allocate(stripe, size);
      if (ref !== 0) return ref;
    }
    return 0;
  }

  /** Removes what may go from the bucket under the stripe's hand, and moves the hand on. */
  sweepBucket(stripe: number, which: Victims): number {
    const { words, heap, buckets } = this.#entries;
    const hand = heap.stripeWord(stripe, STRIPE.hand);
    const index = words[hand] as number;
    words[hand] = (index + 1) % this.#bucketsOfStripe;
    let link = buckets + index * STRIPES + stripe;
    let removed = 0;
    for (let ref = words[link] as number; ref !== 0; ref = words[link] as number) {
      if (!this.#mayGo(ref, which)) {
        link = heap.wordOf(ref) + ENTRY.next;
        continue;
      }
      this.#entries.count(stripe, which === "expired" ? STRIPE.expired : STRIPE.evicted, 1);
      this.#entries.remove(stripe, link, ref);
      removed++;
    }
    return removed;
  }

  #mayGo(ref: number, which: Victims): boolean {
    const { words, heap } = this.#entries;
    if (which === "expired") return this.#entries.isExpired(ref);
    const at = heap.wordOf(ref) + ENTRY.space;
    const space = words[at] as number;
    if ((space & SPACES_MAX) < INTERNAL_SPACE.count) return false;
    if ((space & USED_FLAG) === 0) return true;
    words[at] = space & SPACES_MAX;
    return false;
  }
}
