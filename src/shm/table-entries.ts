/**
 * The entries of shared data as they lie in memory: chains of blocks, one chain for each bucket.
 * Whoever calls a method here holds the lock of the stripe that it is about.
 * @hot per-hostcall
 */
import type { Clock } from "../base/clock.ts";
import { STRIPE, STRIPES } from "./heap-layout.ts";
import { attachSharedData, ENTRY } from "./shared-data-layout.ts";
import { StripedHeap } from "./striped-heap.ts";

/** Namespaces are numbers below this; the bits above are flags of the entry. */
export const SPACES_MAX = 0xffffff;
/** The entry was used since the eviction's hand passed it. */
export const USED_FLAG = 1 << 24;

/** Thread: any; one object per thread. */
export class TableEntries {
  readonly heap: StripedHeap;
  readonly words: Int32Array;
  readonly bucketCount: number;
  /** Word of the first bucket. */
  readonly buckets: number;
  readonly #floats: Float64Array;
  readonly #clock: Clock;

  constructor(region: SharedArrayBuffer, clock: Clock) {
    const { fields } = attachSharedData(region);
    this.heap = new StripedHeap(region, fields);
    this.words = this.heap.words;
    this.buckets = fields.buckets.offset >> 2;
    this.bucketCount = fields.buckets.count;
    this.#floats = new Float64Array(region);
    this.#clock = clock;
  }

  /** Whether the entry whose first word is `at` has this key. */
  isKey(at: number, space: number, key: Uint8Array): boolean {
    const { words } = this;
    if (((words[at + ENTRY.space] as number) & SPACES_MAX) !== space) return false;
    const length = key.length;
    if (words[at + ENTRY.keyBytes] !== length) return false;
    const bytes = this.heap.bytes;
    const start = at * 4 + ENTRY.headerBytes;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  /** Milliseconds since the Unix epoch; 0 = never. */
  expiry(ref: number): number {
    return this.#floats[(this.heap.wordOf(ref) + ENTRY.expiry) >> 1] as number;
  }

  setExpiry(ref: number, wallMs: number): void {
    this.#floats[(this.heap.wordOf(ref) + ENTRY.expiry) >> 1] = wallMs;
  }

  isExpired(ref: number): boolean {
    const expiry = this.expiry(ref);
    return expiry > 0 && expiry <= this.#clock.wallMs();
  }

  /** Takes the entry out that the word `link` leads to. */
  remove(stripe: number, link: number, ref: number): void {
    const { words, heap } = this;
    if (this.expiry(ref) > 0) this.count(stripe, STRIPE.timed, -1);
    // One store takes the entry out; only then is its block free.
    Atomics.store(words, link, words[heap.wordOf(ref) + ENTRY.next] as number);
    heap.release(stripe, ref);
    this.count(stripe, STRIPE.entries, -1);
  }

  /** Calls `visit` with each key of `space` in the bucket; false when `visit` answered false. */
  visit(bucket: number, space: number, visit: (key: Buffer) => boolean): boolean {
    const { words, heap } = this;
    let ref = words[this.buckets + bucket] as number;
    for (; ref !== 0; ref = words[heap.wordOf(ref) + ENTRY.next] as number) {
      const at = heap.wordOf(ref);
      if (((words[at + ENTRY.space] as number) & SPACES_MAX) !== space) continue;
      if (this.isExpired(ref)) continue;
      const start = at * 4 + ENTRY.headerBytes;
      const end = start + (words[at + ENTRY.keyBytes] as number);
      if (!visit(heap.bytes.subarray(start, end))) return false;
    }
    return true;
  }

  /** The holder died: everything that chains do not reach is free, and the counts are made anew. */
  repair(stripe: number): void {
    const { words, heap } = this;
    const reachable = new Set<number>();
    let timed = 0;
    for (let bucket = stripe; bucket < this.bucketCount; bucket += STRIPES) {
      let ref = words[this.buckets + bucket] as number;
      for (; ref !== 0; ref = words[heap.wordOf(ref) + ENTRY.next] as number) {
        reachable.add(ref);
        if (this.expiry(ref) > 0) timed++;
      }
    }
    heap.repair(stripe, reachable);
    words[heap.stripeWord(stripe, STRIPE.entries)] = reachable.size;
    words[heap.stripeWord(stripe, STRIPE.timed)] = timed;
    this.count(stripe, STRIPE.repaired, 1);
  }

  /** Adds to a word of the stripe (see STRIPE). */
  count(stripe: number, word: number, change: number): void {
    const at = this.heap.stripeWord(stripe, word);
    this.words[at] = (this.words[at] as number) + change;
  }
}
