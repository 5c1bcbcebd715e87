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
import { StripedHeap } from "./striped-heap.ts";

/** Namespaces are numbers below this; the bits above are flags of the entry. */
export const SPACES_MAX = 0xffffff;
const USED_FLAG = 1 << 24;
/** Entries that one allocation may evict: what it costs at most while the lock is held. */
const EVICTIONS_MAX = 512;
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
  readonly #floats: Float64Array;
  readonly #bigs: BigInt64Array;
  readonly #locks: StripeLocks;
  readonly #hashKey: HashKey;
  readonly #clock: Clock;
  readonly #policy: FullPolicy;
  readonly #buckets: number;
  readonly #bucketCount: number;
  readonly #busy: number;
  readonly #casCounter: number;
  /** The key of the running operation: hash, stripe, and the word that links to what was found. */
  #hash = 0;
  #stripe = 0;
  #link = 0;

  constructor(options: TableOptions) {
    const { region } = options;
    const { fields } = attachSharedData(region);
    this.heap = new StripedHeap(region, fields);
    this.words = this.heap.words;
    this.#floats = new Float64Array(region);
    this.#bigs = new BigInt64Array(region);
    const locks = new Int32Array(region, fields.locks.offset, fields.locks.count);
    this.#locks = new StripeLocks(locks, LOCK_STRIDE, options);
    const [k0 = 0, k1 = 0] = new Uint32Array(region, fields.hashKey.offset, 2);
    this.#hashKey = { k0, k1 };
    this.#clock = options.clock;
    this.#policy = options.policy;
    this.#buckets = fields.buckets.offset >> 2;
    this.#bucketCount = fields.buckets.count;
    this.#busy = fields.busy.offset >> 2;
    this.#casCounter = fields.casCounter.offset >> 2;
  }

  /** Takes the lock of the key's stripe and looks the key up. False: the lock is not to be had. */
  enter(space: number, key: Uint8Array): boolean {
    const hash = keyedHash(this.#hashKey, space, key);
    const bucket = hash & (this.#bucketCount - 1);
    const stripe = bucket & (STRIPES - 1);
    if (!this.#take(stripe)) return false;
    this.#hash = hash | 0;
    this.#stripe = stripe;
    this.#find(bucket, space, key);
    if (this.found !== 0 && this.#isExpired(this.found)) {
      this.#bump(STRIPE.expired);
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
    const size = valueOffset(key.byteLength) + value.byteLength;
    const ref = this.#allocate(size, space, key);
    if (ref === 0) {
      this.#bump(STRIPE.refused);
      return false;
    }
    const { words, heap, found } = this;
    const at = heap.wordOf(ref);
    const old = heap.wordOf(found);
    words[at + ENTRY.next] = (found === 0 ? words[this.#link] : words[old + ENTRY.next]) as number;
    words[at + ENTRY.hash] = this.#hash;
    words[at + ENTRY.cas] = space < INTERNAL_SPACE.count ? 0 : this.nextCas();
    words[at + ENTRY.space] = space | USED_FLAG;
    words[at + ENTRY.keyBytes] = key.byteLength;
    words[at + ENTRY.valueBytes] = value.byteLength;
    const expiry = (at + ENTRY.expiry) >> 1;
    this.#floats[expiry] = found === 0 ? 0 : (this.#floats[(old + ENTRY.expiry) >> 1] as number);
    this.#copy(key, at * 4 + ENTRY.headerBytes);
    this.#copy(value, at * 4 + valueOffset(key.byteLength));
    // Publishes the whole entry to the next holder of the lock, in place of the old one.
    Atomics.store(words, this.#link, ref);
    if (found === 0) this.#add(STRIPE.entries, 1);
    else heap.release(this.#stripe, found);
    this.found = ref;
    return true;
  }

  /** Removes the found entry. */
  drop(): void {
    this.#remove(this.#stripe, this.#link, this.found);
    this.found = 0;
  }

  /** Sets or takes away the expiry of the found entry, in milliseconds since the Unix epoch. */
  setExpiry(wallMs: number): void {
    const at = (this.heap.wordOf(this.found) + ENTRY.expiry) >> 1;
    const change = (wallMs > 0 ? 1 : 0) - ((this.#floats[at] as number) > 0 ? 1 : 0);
    this.#floats[at] = wallMs;
    this.#add(STRIPE.timed, change);
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
    for (let bucket = 0; bucket < this.#bucketCount; bucket++) {
      // Empty buckets need no lock: what is added meanwhile may be missed anyway.
      if (Atomics.load(this.words, this.#buckets + bucket) === 0) continue;
      if (!this.#take(bucket & (STRIPES - 1))) return;
      const going = this.#scanBucket(bucket, space, visit);
      this.#locks.give(bucket & (STRIPES - 1));
      if (!going) return;
    }
  }

  /** Removes the expired entries of all stripes, one after the other; how many there were. */
  reclaim(): number {
    let removed = 0;
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      if (!this.#take(stripe)) continue;
      this.#stripe = stripe;
      const timed = this.words[this.heap.stripeWord(stripe, STRIPE.timed)] as number;
      const buckets = timed === 0 ? 0 : this.#bucketCount / STRIPES;
      for (let i = 0; i < buckets; i++) removed += this.#sweepBucket("expired");
      this.#locks.give(stripe);
    }
    return removed;
  }

  /** The thread `owner` is gone: repairs the stripes whose locks it held. Thread: main. */
  recover(owner: OwnerId): number {
    let count = 0;
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      if (!this.#locks.takeFrom(stripe, owner)) continue;
      this.#repair(stripe);
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
    if (lock === LOCK.inherited) this.#repair(stripe);
    return true;
  }

  #find(bucket: number, space: number, key: Uint8Array): void {
    const { words, heap } = this;
    let link = this.#buckets + bucket;
    let ref = words[link] as number;
    while (ref !== 0) {
      const at = heap.wordOf(ref);
      if (words[at + ENTRY.hash] === this.#hash && this.#isKey(at, space, key)) break;
      link = at + ENTRY.next;
      ref = words[link] as number;
    }
    // A new entry goes to the head of its chain.
    this.#link = ref === 0 ? this.#buckets + bucket : link;
    this.found = ref;
  }

  #isKey(at: number, space: number, key: Uint8Array): boolean {
    const { words } = this;
    if (((words[at + ENTRY.space] as number) & SPACES_MAX) !== space) return false;
    const length = key.byteLength;
    if (words[at + ENTRY.keyBytes] !== length) return false;
    const bytes = this.heap.bytes;
    const start = at * 4 + ENTRY.headerBytes;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  #isExpired(ref: number): boolean {
    const expiry = this.#floats[(this.heap.wordOf(ref) + ENTRY.expiry) >> 1] as number;
    return expiry > 0 && expiry <= this.#clock.wallMs();
  }

  #copy(source: Uint8Array, at: number): void {
    const length = source.byteLength;
    const target = this.heap.bytes;
    if (length > SMALL_COPY) target.set(source, at);
    else for (let i = 0; i < length; i++) target[at + i] = source[i] as number;
  }

  #allocate(size: number, space: number, key: Uint8Array): number {
    // A little of the work of forgetting is done by each write, so expired entries never pile up.
    if ((this.words[this.heap.stripeWord(this.#stripe, STRIPE.timed)] as number) > 0) {
      this.#sweepBucket("expired");
      this.#findAgain(space, key);
    }
    const first = this.heap.allocate(this.#stripe, size);
    if (first !== 0) return first;
    let ref = this.#makeRoom(size, "expired");
    if (ref === 0 && this.#policy === "lru") ref = this.#makeRoom(size, "unused");
    this.#findAgain(space, key);
    return ref;
  }

  #findAgain(space: number, key: Uint8Array): void {
    this.#find((this.#hash >>> 0) & (this.#bucketCount - 1), space, key);
  }

  /** Removes entries of the stripe until there is room; the used ones have a second chance. */
  #makeRoom(size: number, which: "expired" | "unused"): number {
    const rounds = (which === "expired" ? 1 : 2) * (this.#bucketCount / STRIPES);
    let removed = 0;
    for (let i = 0; i < rounds && removed < EVICTIONS_MAX; i++) {
      const count = this.#sweepBucket(which);
      removed += count;
      const ref = count === 0 ? 0 : this.heap.allocate(this.#stripe, size);
      if (ref !== 0) return ref;
    }
    return 0;
  }

  /** Removes what may go from the bucket under the stripe's hand, and moves the hand on. */
  #sweepBucket(which: "expired" | "unused"): number {
    const { words } = this;
    const hand = this.heap.stripeWord(this.#stripe, STRIPE.hand);
    const index = words[hand] as number;
    words[hand] = (index + 1) % (this.#bucketCount / STRIPES);
    let link = this.#buckets + index * STRIPES + this.#stripe;
    let removed = 0;
    for (let ref = words[link] as number; ref !== 0; ref = words[link] as number) {
      if (!this.#mayGo(ref, which)) {
        link = this.heap.wordOf(ref) + ENTRY.next;
        continue;
      }
      this.#bump(which === "expired" ? STRIPE.expired : STRIPE.evicted);
      this.#remove(this.#stripe, link, ref);
      removed++;
    }
    return removed;
  }

  #mayGo(ref: number, which: "expired" | "unused"): boolean {
    if (which === "expired") return this.#isExpired(ref);
    const at = this.heap.wordOf(ref) + ENTRY.space;
    const space = this.words[at] as number;
    if ((space & SPACES_MAX) < INTERNAL_SPACE.count) return false;
    if ((space & USED_FLAG) === 0) return true;
    this.words[at] = space & SPACES_MAX;
    return false;
  }

  #remove(stripe: number, link: number, ref: number): void {
    const { words, heap } = this;
    const at = heap.wordOf(ref);
    if ((this.#floats[(at + ENTRY.expiry) >> 1] as number) > 0) this.#add(STRIPE.timed, -1);
    // One store takes the entry out; only then is its block free.
    Atomics.store(words, link, words[at + ENTRY.next] as number);
    heap.release(stripe, ref);
    this.#add(STRIPE.entries, -1);
  }

  #scanBucket(bucket: number, space: number, visit: (key: Buffer) => boolean): boolean {
    const { words, heap } = this;
    let ref = words[this.#buckets + bucket] as number;
    for (; ref !== 0; ref = words[heap.wordOf(ref) + ENTRY.next] as number) {
      const at = heap.wordOf(ref);
      if (((words[at + ENTRY.space] as number) & SPACES_MAX) !== space) continue;
      if (this.#isExpired(ref)) continue;
      const start = at * 4 + ENTRY.headerBytes;
      const end = start + (words[at + ENTRY.keyBytes] as number);
      if (!visit(heap.bytes.subarray(start, end))) return false;
    }
    return true;
  }

  /** The holder died: everything that chains do not reach is free, and the counts are made anew. */
  #repair(stripe: number): void {
    const { words, heap } = this;
    const reachable = new Set<number>();
    let timed = 0;
    for (let bucket = stripe; bucket < this.#bucketCount; bucket += STRIPES) {
      let ref = words[this.#buckets + bucket] as number;
      for (; ref !== 0; ref = words[heap.wordOf(ref) + ENTRY.next] as number) {
        reachable.add(ref);
        if ((this.#floats[(heap.wordOf(ref) + ENTRY.expiry) >> 1] as number) > 0) timed++;
      }
    }
    heap.repair(stripe, reachable);
    words[heap.stripeWord(stripe, STRIPE.entries)] = reachable.size;
    words[heap.stripeWord(stripe, STRIPE.timed)] = timed;
    const repaired = heap.stripeWord(stripe, STRIPE.repaired);
    words[repaired] = (words[repaired] as number) + 1;
  }

  #bump(word: number): void {
    this.#add(word, 1);
  }

  #add(word: number, change: number): void {
    const at = this.heap.stripeWord(this.#stripe, word);
    this.words[at] = (this.words[at] as number) + change;
  }
}
