/**
 * Shared queues of plugins: first in, first out, seen by every thread. An item that is enqueued
 * is counted for one thread that registered the queue, and that thread is woken; see
 * `queue-notices.ts` for its side. Source: ABI 3.9.
 * @hot per-hostcall
 */
import { LIMITS } from "../base/limits.ts";
import { Bells } from "./bells.ts";
import { LOCK_STRIDE, STRIPE, STRIPES } from "./heap-layout.ts";
import type { OwnerId } from "./owners.ts";
import { attachSharedQueues, ITEM, QUEUE, QUEUE_ROWS, SEATS } from "./shared-queues-layout.ts";
import { LOCK, type LockParty, StripeLocks } from "./stripe-locks.ts";
import { StripedHeap } from "./striped-heap.ts";

/** What an operation came to. */
export const QUEUED = {
  done: 0,
  /** No such queue. */
  unknown: 1,
  empty: 2,
  /** Over a limit. Counted. */
  full: 3,
  /** The lock was not to be had within its bound. Counted. */
  busy: 4,
} as const;

export interface QueueOptions {
  /** Each registrant in turn is told of an item, not the last one of all. */
  readonly inTurn: boolean;
  /** A full queue refuses the new item, and does not drop the oldest. */
  readonly refuses: boolean;
  /** 0 = LIMITS.sharedQueueItems. */
  readonly itemsMax: number;
}

const NOBODY = -1;

/** Thread: any; one object per thread. */
export class SharedQueues {
  /** What `dequeue` took out is the first `length` bytes, until the next call. */
  bytes: Buffer = Buffer.alloc(1_024);
  length = 0;
  readonly #heap: StripedHeap;
  readonly #words: Int32Array;
  readonly #locks: StripeLocks;
  readonly #bells: Bells;
  readonly #queues: number;
  readonly #registered: number;
  readonly #ready: number;
  readonly #busy: number;

  constructor(region: SharedArrayBuffer, party: LockParty) {
    const { fields } = attachSharedQueues(region);
    this.#heap = new StripedHeap(region, fields);
    this.#words = this.#heap.words;
    const locks = new Int32Array(region, fields.locks.offset, fields.locks.count);
    this.#locks = new StripeLocks(locks, LOCK_STRIDE, party);
    this.#bells = new Bells(new Int32Array(region, fields.bells.offset, fields.bells.count));
    this.#queues = fields.queues.offset >> 2;
    this.#registered = fields.registered.offset >> 2;
    this.#ready = fields.ready.offset >> 2;
    this.#busy = fields.busy.offset >> 2;
  }

  /**
   * The queue exists from now on, and thread `seat` is told of what comes. It is told at once of
   * what lies there: the items of a plugin that died wait for its successor.
   */
  register(queue: number, seat: number): number {
    if (!this.#take(queue)) return QUEUED.busy;
    const words = this.#words;
    const at = this.#rowOf(queue);
    words[at + QUEUE.lastSeat] = seat + 1;
    Atomics.store(words, this.#registered + queue * SEATS + seat, 1);
    Atomics.store(words, at + QUEUE.exists, 1);
    const waiting = words[at + QUEUE.count] as number;
    this.#give(queue);
    if (waiting > 0) this.#tell(queue, seat, waiting);
    return QUEUED.done;
  }

  exists(queue: number): boolean {
    if (queue < 1 || queue >= QUEUE_ROWS) return false;
    return Atomics.load(this.#words, this.#rowOf(queue) + QUEUE.exists) === 1;
  }

  setOptions(queue: number, options: QueueOptions): number {
    if (!this.exists(queue)) return QUEUED.unknown;
    if (!this.#take(queue)) return QUEUED.busy;
    const at = this.#rowOf(queue);
    this.#words[at + QUEUE.inTurn] = options.inTurn ? 1 : 0;
    this.#words[at + QUEUE.refuses] = options.refuses ? 1 : 0;
    this.#words[at + QUEUE.itemsMax] = Math.min(options.itemsMax, LIMITS.sharedQueueItems);
    this.#give(queue);
    return QUEUED.done;
  }

  /** Appends a copy of `data`, then tells one registrant. */
  enqueue(queue: number, data: Uint8Array): number {
    if (!this.exists(queue)) return QUEUED.unknown;
    if (data.length > LIMITS.sharedQueueItemBytes) return QUEUED.full;
    if (!this.#take(queue)) return QUEUED.busy;
    const ref = this.#makeRoom(queue, data.length);
    if (ref !== 0) this.#append(queue, ref, data);
    else this.#count(queue, STRIPE.refused);
    const seat = ref === 0 ? NOBODY : this.#nextSeat(queue);
    this.#give(queue);
    if (ref === 0) return QUEUED.full;
    if (seat !== NOBODY) this.#tell(queue, seat, 1);
    return QUEUED.done;
  }

  /** Takes the first item out, to `bytes`. */
  dequeue(queue: number): number {
    if (!this.exists(queue)) return QUEUED.unknown;
    if (!this.#take(queue)) return QUEUED.busy;
    const ref = this.#words[this.#rowOf(queue) + QUEUE.head] as number;
    if (ref !== 0) {
      this.#copyOut(ref);
      this.#dropFirst(queue, ref);
    }
    this.#give(queue);
    return ref === 0 ? QUEUED.empty : QUEUED.done;
  }

  /** The thread of `seat` is gone: others are told what it was to be told. Thread: main. */
  unseat(seat: number): void {
    for (let queue = 1; queue < QUEUE_ROWS; queue++) {
      const at = this.#registered + queue * SEATS + seat;
      if (Atomics.exchange(this.#words, at, 0) === 0 || !this.#take(queue)) continue;
      const next = this.#nextSeat(queue);
      this.#give(queue);
      if (next === NOBODY || next === seat) continue;
      const ready = Atomics.exchange(this.#words, this.#ready + queue * SEATS + seat, 0);
      if (ready > 0) this.#tell(queue, next, ready);
    }
  }

  /** Repairs the stripes whose locks the dead thread `owner` held. Thread: main. */
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

  #rowOf(queue: number): number {
    return this.#queues + queue * QUEUE.words;
  }

  #take(queue: number): boolean {
    const stripe = queue & (STRIPES - 1);
    const lock = this.#locks.take(stripe);
    if (lock === LOCK.busy) {
      Atomics.add(this.#words, this.#busy, 1);
      return false;
    }
    if (lock === LOCK.inherited) this.#repair(stripe);
    return true;
  }

  #give(queue: number): void {
    this.#locks.give(queue & (STRIPES - 1));
  }

  #tell(queue: number, seat: number, count: number): void {
    // Counted before the bell: who wakes finds the count.
    Atomics.add(this.#words, this.#ready + queue * SEATS + seat, count);
    this.#bells.ring(seat);
  }

  /** The seat to tell of the next item, or NOBODY. */
  #nextSeat(queue: number): number {
    const words = this.#words;
    const at = this.#rowOf(queue);
    const row = this.#registered + queue * SEATS;
    const last = (words[at + QUEUE.lastSeat] as number) - 1;
    const isLastThere = last >= 0 && Atomics.load(words, row + last) === 1;
    if (words[at + QUEUE.inTurn] === 0 && isLastThere) return last;
    const turn = words[at + QUEUE.turn] as number;
    for (let step = 1; step <= SEATS; step++) {
      const seat = (turn + step) % SEATS;
      if (Atomics.load(words, row + seat) !== 1) continue;
      words[at + QUEUE.turn] = seat;
      return seat;
    }
    // Its thread is being replaced: the count waits for the next one on the seat.
    return last;
  }

  /** A block for an item of `length` bytes; by the policy of the queue older ones go for it. */
  #makeRoom(queue: number, length: number): number {
    const words = this.#words;
    const at = this.#rowOf(queue);
    const stripe = queue & (STRIPES - 1);
    const itemsMax = (words[at + QUEUE.itemsMax] as number) || LIMITS.sharedQueueItems;
    const drops = words[at + QUEUE.refuses] === 0;
    for (;;) {
      const hasRoom = (words[at + QUEUE.count] as number) < itemsMax;
      const ref = hasRoom ? this.#heap.allocate(stripe, ITEM.headerBytes + length) : 0;
      const first = words[at + QUEUE.head] as number;
      if (ref !== 0 || !drops || first === 0) return ref;
      this.#dropFirst(queue, first);
      this.#count(queue, STRIPE.evicted);
    }
  }

  #append(queue: number, ref: number, data: Uint8Array): void {
    const words = this.#words;
    const at = this.#rowOf(queue);
    const item = this.#heap.wordOf(ref);
    words[item + ITEM.next] = 0;
    words[item + ITEM.dataBytes] = data.length;
    this.#heap.bytes.set(data, item * 4 + ITEM.headerBytes);
    const tail = words[at + QUEUE.tail] as number;
    const link = tail === 0 ? at + QUEUE.head : this.#heap.wordOf(tail) + ITEM.next;
    // Publishes the whole item to the next holder of the lock.
    Atomics.store(words, link, ref);
    words[at + QUEUE.tail] = ref;
    words[at + QUEUE.count] = (words[at + QUEUE.count] as number) + 1;
    words[at + QUEUE.bytes] = (words[at + QUEUE.bytes] as number) + data.length;
    this.#count(queue, STRIPE.entries);
  }

  #dropFirst(queue: number, ref: number): void {
    const words = this.#words;
    const at = this.#rowOf(queue);
    const item = this.#heap.wordOf(ref);
    const next = words[item + ITEM.next] as number;
    const dataBytes = words[item + ITEM.dataBytes] as number;
    // One store takes the item out; only then is its block free.
    Atomics.store(words, at + QUEUE.head, next);
    if (next === 0) words[at + QUEUE.tail] = 0;
    words[at + QUEUE.count] = (words[at + QUEUE.count] as number) - 1;
    words[at + QUEUE.bytes] = (words[at + QUEUE.bytes] as number) - dataBytes;
    this.#heap.release(queue & (STRIPES - 1), ref);
    const entries = this.#heap.stripeWord(queue & (STRIPES - 1), STRIPE.entries);
    words[entries] = (words[entries] as number) - 1;
  }

  #copyOut(ref: number): void {
    const item = this.#heap.wordOf(ref);
    const length = this.#words[item + ITEM.dataBytes] as number;
    if (length > this.bytes.length) this.bytes = Buffer.alloc(2 * length);
    const start = item * 4 + ITEM.headerBytes;
    this.#heap.bytes.copy(this.bytes, 0, start, start + length);
    this.length = length;
  }

  #count(queue: number, word: number): void {
    const at = this.#heap.stripeWord(queue & (STRIPES - 1), word);
    this.#words[at] = (this.#words[at] as number) + 1;
  }

  /** The holder died: the chains from the heads are the truth. */
  #repair(stripe: number): void {
    const words = this.#words;
    const reachable = new Set<number>();
    for (let queue = stripe; queue < QUEUE_ROWS; queue += STRIPES) {
      const at = this.#rowOf(queue);
      let [tail, count, bytes] = [0, 0, 0];
      let ref = words[at + QUEUE.head] as number;
      for (; ref !== 0; ref = words[this.#heap.wordOf(ref) + ITEM.next] as number) {
        reachable.add(ref);
        tail = ref;
        count++;
        bytes += words[this.#heap.wordOf(ref) + ITEM.dataBytes] as number;
      }
      words[at + QUEUE.tail] = tail;
      words[at + QUEUE.count] = count;
      words[at + QUEUE.bytes] = bytes;
    }
    this.#heap.repair(stripe, reachable);
    words[this.#heap.stripeWord(stripe, STRIPE.entries)] = reachable.size;
    const repaired = this.#heap.stripeWord(stripe, STRIPE.repaired);
    words[repaired] = (words[repaired] as number) + 1;
  }
}
