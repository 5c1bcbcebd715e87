/**
 * Locks in shared memory, each for one stripe of a structure. A holder keeps a lock for one bounded
 * piece of work and calls nothing foreign meanwhile. Who finds it held spins shortly, then sleeps
 * in slices, and looks in each slice whether the holder's thread is dead; a dead holder's lock is
 * inherited, and the heir repairs the stripe before it uses it. After {@link WAIT_MS} it gives up:
 * a silo never hangs on a lock.
 *
 *   word 0 = free, else bits 0-15 owner, bit 16 = somebody may sleep
 *
 * Orderings: taking is a compareExchange and giving back an exchange on the same word, so what the
 * holder wrote by plain stores is seen by the next holder. What a killed thread wrote is seen too:
 * its end happens before main's store of "dead", which the heir loads.
 * @hot per-hostcall
 */
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { OwnerId, Owners } from "./owners.ts";

/** What {@link StripeLocks.take} gives. */
export const LOCK = {
  taken: 0,
  /** The holder died: the stripe must be repaired before anything else. */
  inherited: 1,
  /** Not taken: a living thread kept it all the time. */
  busy: 2,
} as const;

const OWNER_MASK = 0xffff;
const SLEEPERS = 0x10000;
const SPINS = 60;
const SLICE_MS = 1;
const WAIT_MS = 1_000;

/** The threads whose locks these are, and the one that takes them here. */
export interface LockParty {
  readonly owners: Owners;
  readonly self: OwnerId;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** Thread: any; one object per thread. */
export class StripeLocks {
  readonly #words: Int32Array;
  readonly #stride: number;
  readonly #owners: Owners;
  readonly #self: OwnerId;
  readonly #clock: Pick<Clock, "monotonicMs">;

  /** @param words one lock every `stride` words */
  constructor(words: Int32Array, stride: number, party: LockParty) {
    this.#words = words;
    this.#stride = stride;
    this.#owners = party.owners;
    this.#self = party.self;
    this.#clock = party.clock;
  }

  /** A {@link LOCK}. */
  take(stripe: number): number {
    const at = stripe * this.#stride;
    if (Atomics.compareExchange(this.#words, at, 0, this.#self) === 0) return LOCK.taken;
    return this.#wait(at);
  }

  /** Gives a lock back; only its holder may. */
  give(stripe: number): void {
    const at = stripe * this.#stride;
    const before = Atomics.exchange(this.#words, at, 0);
    assert((before & OWNER_MASK) === this.#self, "a lock is given back by another thread");
    if ((before & SLEEPERS) !== 0) Atomics.notify(this.#words, at, 1);
  }

  /** Takes the lock if the dead thread `owner` holds it; then the stripe must be repaired. */
  takeFrom(stripe: number, owner: OwnerId): boolean {
    const at = stripe * this.#stride;
    const word = Atomics.load(this.#words, at);
    if ((word & OWNER_MASK) !== owner) return false;
    return Atomics.compareExchange(this.#words, at, word, this.#self | SLEEPERS) === word;
  }

  #wait(at: number): number {
    const words = this.#words;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.load(words, at) !== 0) continue;
      if (Atomics.compareExchange(words, at, 0, this.#self) === 0) return LOCK.taken;
    }
    const deadlineMs = this.#clock.monotonicMs() + WAIT_MS;
    const mine = this.#self | SLEEPERS;
    for (;;) {
      const word = Atomics.load(words, at);
      if (word === 0) {
        // Others may sleep too, so the mark stays: the one who gives it back wakes the next.
        if (Atomics.compareExchange(words, at, 0, mine) === 0) return LOCK.taken;
        continue;
      }
      assert((word & OWNER_MASK) !== this.#self, "a lock is taken twice by one thread");
      if (this.#owners.isDead(word & OWNER_MASK)) {
        if (Atomics.compareExchange(words, at, word, mine) === word) return LOCK.inherited;
        continue;
      }
      if (this.#clock.monotonicMs() > deadlineMs) return LOCK.busy;
      const marked = word | SLEEPERS;
      if (word === marked || Atomics.compareExchange(words, at, word, marked) === word) {
        Atomics.wait(words, at, marked, SLICE_MS);
      }
    }
  }
}
