/**
 * Who may hold a lock in shared memory: one word per thread that says whether it lives. A lock that
 * a dead thread holds may be taken over; a lock of a living one never is. Main hands the numbers
 * out, and says that a thread is dead only when it is gone for certain.
 */
import { assert } from "../base/assert.ts";
import { attachRegion, CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

/** Threads that can hold locks at one time; number 0 is nobody. */
const OWNERS_COUNT = 2_048;

const OWNER_STATE = { free: 0, alive: 1, dead: 2 } as const;

export const OWNERS_LAYOUT = defineLayout({
  name: "owners",
  magic: "GRNo",
  version: 1,
  fields: {
    states: {
      type: "i32",
      count: OWNERS_COUNT,
      unit: "state: 0 free, 1 alive, 2 dead",
      writer: "main",
      note: "by number of the owner; by Atomics, read by who waits for a lock",
      align: CACHE_LINE_BYTES,
    },
  },
});

/** A thread's number, 1..2047. */
export type OwnerId = number;

/** Thread: any reads; main enters and removes threads. */
export class Owners {
  readonly region: SharedArrayBuffer;
  readonly #states: Int32Array;

  constructor(region: SharedArrayBuffer = createRegion(OWNERS_LAYOUT)) {
    this.region = attachRegion(OWNERS_LAYOUT, region);
    this.#states = new Int32Array(region, OWNERS_LAYOUT.fields.states.offset, OWNERS_COUNT);
  }

  /** A number for a thread that is about to start. */
  enter(): OwnerId {
    for (let id = 1; id < OWNERS_COUNT; id++) {
      const before = Atomics.compareExchange(this.#states, id, OWNER_STATE.free, OWNER_STATE.alive);
      if (before === OWNER_STATE.free) return id;
    }
    assert(false, `more than ${OWNERS_COUNT - 1} threads share memory`);
  }

  /** The thread is gone: whoever waits for its locks may take them over. */
  died(id: OwnerId): void {
    Atomics.store(this.#states, id, OWNER_STATE.dead);
  }

  /** No lock names `id` any more; the number may be given to another thread. */
  leave(id: OwnerId): void {
    Atomics.store(this.#states, id, OWNER_STATE.free);
  }

  isDead(id: OwnerId): boolean {
    return Atomics.load(this.#states, id) === OWNER_STATE.dead;
  }
}
