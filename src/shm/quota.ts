/**
 * An amount that threads share out among themselves: each seat claims for itself, and the sum of
 * all claims never stays above the limit. One word per seat, which only its thread writes, so what
 * a dead thread had claimed can be given back. Two claims at one time may both be refused although
 * one of them would fit; never are both granted when they do not. Thread: any; main clears seats.
 */
import { assert } from "../base/assert.ts";
import { attachRegion, CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

/** As many as there can be silos. */
const SEATS_COUNT = 1_024;
const LIMIT_MAX = 2 ** 30;

export const QUOTA_LAYOUT = defineLayout({
  name: "quota",
  magic: "GRNt",
  version: 1,
  fields: {
    limit: {
      type: "i32",
      count: 1,
      unit: "units",
      writer: "creator",
      note: "what all seats together may claim",
    },
    claimed: {
      type: "i32",
      count: SEATS_COUNT,
      unit: "units",
      writer: "silo",
      note: "by the silo's number; by Atomics, read by all others",
      align: CACHE_LINE_BYTES,
    },
  },
});

export class Quota {
  readonly #region: SharedArrayBuffer;
  readonly #limit: Int32Array;
  readonly #claimed: Int32Array;

  constructor(region: SharedArrayBuffer) {
    this.#region = attachRegion(QUOTA_LAYOUT, region);
    const { limit, claimed } = QUOTA_LAYOUT.fields;
    this.#limit = new Int32Array(region, limit.offset, limit.count);
    this.#claimed = new Int32Array(region, claimed.offset, claimed.count);
  }

  /** @param limit units, 0..2^30 */
  static create(limit: number): Quota {
    assert(limit >= 0 && limit <= LIMIT_MAX, "a quota has a limit that sums of claims can reach");
    const quota = new Quota(createRegion(QUOTA_LAYOUT));
    quota.#limit[0] = limit;
    return quota;
  }

  /** For another thread. */
  get region(): SharedArrayBuffer {
    return this.#region;
  }

  get limit(): number {
    return this.#limit[0] ?? 0;
  }

  /** Units that all seats have. */
  get used(): number {
    let sum = 0;
    for (let seat = 0; seat < SEATS_COUNT; seat++) sum += Atomics.load(this.#claimed, seat);
    return sum;
  }

  /** @param units to have beside those that the seat has. @returns whether it has them */
  claim(seat: number, units: number): boolean {
    if (units > LIMIT_MAX) return false;
    // First claimed, then summed: of two threads at least one sees the claim of the other.
    Atomics.add(this.#claimed, seat, units);
    if (this.used <= this.limit) return true;
    Atomics.sub(this.#claimed, seat, units);
    return false;
  }

  giveBack(seat: number, units: number): void {
    Atomics.sub(this.#claimed, seat, units);
  }

  /** The thread of this seat is gone. */
  clear(seat: number): void {
    Atomics.store(this.#claimed, seat, 0);
  }
}
