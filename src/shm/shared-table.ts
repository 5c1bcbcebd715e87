/**
 * The hash table of shared data as its lock holder sees it: finds, publishes and removes entries.
 * Every operation on one key is `enter`, some of the other methods, `leave`; nothing else is called
 * between them, so a lock is held for one bounded piece of work. `enter` repairs a stripe whose
 * holder was killed.
 * @hot per-hostcall
 */
import type { Clock } from "../base/clock.ts";
import { LOCK_STRIDE, STRIPE, STRIPES } from "./heap-layout.ts";
import { type HashKey, keyedHash } from "./keyed-hash.ts";
import type { OwnerId } from "./owners.ts";
import { attachSharedData, ENTRY, INTERNAL_SPACE } from "./shared-data-layout.ts";
import { LOCK, type LockParty, StripeLocks } from "./stripe-locks.ts";
import type { StripedHeap } from "./striped-heap.ts";
import { TableEntries, USED_FLAG } from "./table-entries.ts";
import { TableSweeper } from "./table-sweeper.ts";

/** Up to so many bytes are copied one by one: a view costs more than they do. */
const SMALL_COPY = 24;

/** What happens when there is no room: the call is refused, or entries that nobody reads go. */
export type FullPolicy = "refuse" | "lru";

export interface TableOptions extends LockParty {
  readonly region: SharedArrayBuffer;
  readonly clock: Clock;
  readonly policy: FullPolicy;
}

/** Where the value of an entry begins: behind the key, at a multiple of 8. */
function valueOffset(keyBytes: number): number {
  return ENTRY.headerBytes + ((keyBytes + 7) & ~7);
}

/** Thread: any; one object per thread. */
export class SharedTable {
  readonly heap: StripedHeap;
  readonly words: Int32Array;
  /** Reference of the entry that `enter` found; 0 = there is none. */
  found = 0;
  readonly #entries: TableEntries;
  readonly #sweeper: TableSweeper;
  readonly #bigs: BigInt64Array;
  readonly #locks: StripeLocks;
  readonly #hashKey: HashKey;
  readonly #policy: FullPolicy;
  readonly #busy: number;
  readonly #casCounter: number;
  /** The key of the running operation: hash, stripe, and the word that links to what was found. */
  #hash = 0;
  #stripe = 0;
  #link = 0;

  constructor(options: TableOptions) {
    const { region } = options;
    const { fields } = attachSharedData(region);
    this.#entries = new TableEntries(region, options.clock);
    this.#sweeper = new TableSweeper(this.#entries);
    this.heap = this.#entries.heap;
    this.words = this.heap.words;
    this.#bigs = new BigInt64Array(region);
    const locks = new Int32Array(region, fields.locks.offset, fields.locks.count);
    this.#locks = new StripeLocks(locks, LOCK_STRIDE, options);
    const [k0 = 0, k1 = 0] = new Uint32Array(region, fields.hashKey.offset, 2);
    this.#hashKey = { k0, k1 };
    this.#policy = options.policy;
    this.#busy = fields.busy.offset >> 2;
    this.#casCounter = fields.casCounter.offset >> 2;
  }

  /** Takes the lock of the key's stripe and looks the key up. False: the lock is not to be had. */
  enter(space: number, key: Uint8Array): boolean {
    const hash = keyedHash(this.#hashKey, space, key);
    const bucket = hash & (this.#entries.bucketCount - 1);
    const stripe = bucket & (STRIPES - 1);
    if (!this.#take(stripe)) return false;
    this.#hash = hash | 0;
    this.#stripe = stripe;
    this.#find(bucket, space, key);
    if (this.found !== 0 && this.#entries.isExpired(this.found)) {
      this.#entries.count(stripe, STRIPE.expired, 1);
      this.drop();
    }
    return true;
  }

  leave(): void {
    this.#locks.give(this.#stripe);
  }

  /** Word `word` (see ENTRY) of what was found. */
  get(word: number): number {
    return this.words[this.heap.wordOf(this.found) + word] as number;
  }

  /** First byte of the found value, from the start of the region. */
  valueAt(): number {
    return this.heap.wordOf(this.found) * 4 + valueOffset(this.get(ENTRY.keyBytes));
  }

  /** Tells the second-chance policy that the found entry is wanted. */
  touch(): void {
    if (this.#policy === "refuse") return;
    const at = this.heap.wordOf(this.found) + ENTRY.space;
    this.words[at] = (this.words[at] as number) | USED_FLAG;
  }

  /**
   * Puts a new entry in the place of the found one, or adds it; an expiry stays. False: no room.
   * @param key the key that was given to `enter`
   */
  put(space: number, key: Uint8Array, value: Uint8Array): boolean {
    const size = valueOffset(key.length) + value.length;
    const ref = this.#allocate(size, space, key);
    if (ref === 0) {
      this.#entries.count(this.#stripe, STRIPE.refused, 1);
      return false;
    }
    const { words, heap, found } = this;
    const at = heap.wordOf(ref);
    const old = heap.wordOf(found);
    words[at + ENTRY.next] = (found === 0 ? words[this.#link] : words[old + ENTRY.next]) as number;
    words[at + ENTRY.hash] = this.#hash;
    words[at + ENTRY.cas] = space < INTERNAL_SPACE.count ? 0 : this.nextCas();
    words[at + ENTRY.space] = space | USED_FLAG;
    words[at + ENTRY.keyBytes] = key.length;
    words[at + ENTRY.valueBytes] = value.length;
    this.#entries.setExpiry(ref, found === 0 ? 0 : this.#entries.expiry(found));
    this.#copy(key, at * 4 + ENTRY.headerBytes);
    this.#copy(value, at * 4 + valueOffset(key.length));
    // Publishes the whole entry to the next holder of the lock, in place of the old one.
    Atomics.store(words, this.#link, ref);
    if (found === 0) this.#entries.count(this.#stripe, STRIPE.entries, 1);
    else heap.release(this.#stripe, found);
    this.found = ref;
    return true;
  }

  /** Removes the found entry. */
  drop(): void {
    this.#entries.remove(this.#stripe, this.#link, this.found);
    this.found = 0;
  }

  /** Sets or takes away the expiry of the found entry, in milliseconds since the Unix epoch. */
  setExpiry(wallMs: number): void {
    const entries = this.#entries;
    const change = (wallMs > 0 ? 1 : 0) - (entries.expiry(this.found) > 0 ? 1 : 0);
    entries.setExpiry(this.found, wallMs);
    entries.count(this.#stripe, STRIPE.timed, change);
  }

  /**
   * Adds to the found value, which has 8 bytes. The CAS number changes first: if this thread is
   * killed in between, a writer with the old number is refused and nothing is lost.
   */
  addToValue(delta: bigint): bigint {
    const sum = BigInt.asIntN(64, (this.#bigs[this.valueAt() / 8] as bigint) + delta);
    Atomics.store(this.words, this.heap.wordOf(this.found) + ENTRY.cas, this.nextCas());
    this.#bigs[this.valueAt() / 8] = sum;
    return sum;
  }

  /** A CAS number that no value has had for 2^32 changes; never 0. */
  nextCas(): number {
    const cas = (Atomics.add(this.words, this.#casCounter, 1) + 1) | 0;
    return cas !== 0 ? cas : (Atomics.add(this.words, this.#casCounter, 1) + 1) | 0;
  }

  /**
   * Calls `visit` with the key of each live entry of `space`; stripe by stripe, so entries that
   * come or go meanwhile may be seen or not. It ends when `visit` answers false.
   */
  scan(space: number, visit: (key: Buffer) => boolean): void {
    const { buckets, bucketCount } = this.#entries;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      // Empty buckets need no lock: what is added meanwhile may be missed anyway.
      if (Atomics.load(this.words, buckets + bucket) === 0) continue;
      if (!this.#take(bucket & (STRIPES - 1))) return;
      const going = this.#entries.visit(bucket, space, visit);
      this.#locks.give(bucket & (STRIPES - 1));
      if (!going) return;
    }
  }

  /** Removes the expired entries of all stripes, one after the other; how many there were. */
  reclaim(): number {
    let removed = 0;
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      if (!this.#take(stripe)) continue;
      removed += this.#sweeper.sweepStripe(stripe);
      this.#locks.give(stripe);
    }
    return removed;
  }

  /** The thread `owner` is gone: repairs the stripes whose locks it held. Thread: main. */
  recover(owner: OwnerId): number {
    let count = 0;
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      if (!this.#locks.takeFrom(stripe, owner)) continue;
      this.#entries.repair(stripe);
      this.#locks.give(stripe);
      count++;
    }
    return count;
  }

  #take(stripe: number): boolean {
    const lock = this.#locks.take(stripe);
    if (lock === LOCK.busy) {
      Atomics.add(this.words, this.#busy, 1);
      return false;
    }
    if (lock === LOCK.inherited) this.#entries.repair(stripe);
    return true;
  }

  #find(bucket: number, space: number, key: Uint8Array): void {
    const { words, heap } = this;
    const entries = this.#entries;
    let link = entries.buckets + bucket;
    let ref = words[link] as number;
    while (ref !== 0) {
      const at = heap.wordOf(ref);
      if (words[at + ENTRY.hash] === this.#hash && entries.isKey(at, space, key)) break;
      link = at + ENTRY.next;
      ref = words[link] as number;
    }
    // A new entry goes to the head of its chain.
    this.#link = ref === 0 ? entries.buckets + bucket : link;
    this.found = ref;
  }

  #copy(source: Uint8Array, at: number): void {
    const length = source.length;
    const target = this.heap.bytes;
    if (length > SMALL_COPY) target.set(source, at);
    else for (let i = 0; i < length; i++) target[at + i] = source[i] as number;
  }

  #allocate(size: number, space: number, key: Uint8Array): number {
    const stripe = this.#stripe;
    // A little of the work of forgetting is done by each write, so expired entries never pile up.
    if (this.#sweeper.hasTimed(stripe)) {
      this.#sweeper.sweepBucket(stripe, "expired");
      this.#findAgain(space, key);
    }
    const first = this.heap.allocate(stripe, size);
    if (first !== 0) return first;
    let ref = this.#sweeper.allocate(stripe, size, "expired");
    if (ref === 0 && this.#policy === "lru") ref = this.#sweeper.allocate(stripe, size, "unused");
    this.#findAgain(space, key);
    return ref;
  }

  #findAgain(space: number, key: Uint8Array): void {
    this.#find((this.#hash >>> 0) & (this.#entries.bucketCount - 1), space, key);
  }
}
