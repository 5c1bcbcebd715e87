/**
 * The way of tapped streams to the thread that writes them: a ring of this silo, and chunks of its
 * body slab that the writer holds until it has written them. When either has no room the trace is
 * dropped and counted; no stream waits, nothing grows. @hot per-chunk
 */
import { LIMITS } from "../../base/limits.ts";
import { packRecord } from "../../base/msgpack.ts";
import { attachBell } from "../../shm/bell-layout.ts";
import type { BodyChunk } from "../../shm/body-chunk.ts";
import type { BodySlab, SlabLease } from "../../shm/body-slab.ts";
import { RingProducer } from "../../shm/ring.ts";
import type { TapRecord } from "./tap-record.ts";

export interface TapRingBoot {
  readonly ring: SharedArrayBuffer;
  /** The writer's. */
  readonly bell: SharedArrayBuffer;
}

export const TAP_WRITER_BELL = 0;

/** Thread: the silo's. */
export class TapRing {
  readonly #producer: RingProducer;
  readonly #slab: BodySlab;
  /** Chunks that taps of running streams keep; one that two of them keep counts twice. */
  #kept = 0;

  constructor(boot: TapRingBoot, slab: BodySlab) {
    this.#producer = new RingProducer(boot.ring, attachBell(boot.bell), TAP_WRITER_BELL);
    this.#slab = slab;
  }

  /** One more chunk is kept. False: taps have as many as they may have. */
  keep(): boolean {
    const max = LIMITS.tapChunksCount;
    if (this.#kept + this.#slab.heldCount >= max) {
      this.#slab.sweepHeld();
      if (this.#kept + this.#slab.heldCount >= max) return false;
    }
    this.#kept++;
    return true;
  }

  /** `count` chunks are kept no more. */
  letGo(count: number): void {
    this.#kept -= count;
  }

  /** A chunk for bytes that lie in none; null: the slab has no room. */
  lease(): SlabLease | null {
    if (!this.keep()) return null;
    const lease = this.#slab.lease();
    if (lease.slot >= 0) return lease;
    lease.release();
    this.letGo(1);
    return null;
  }

  /**
   * Passes a stream on.
   * @param chunks where its bodies lie, all in the slab; the caller keeps its own references
   * @returns false: the ring has no room, and nothing is passed on
   */
  send(record: TapRecord, chunks: readonly BodyChunk[]): boolean {
    const bytes = packRecord(record);
    const start = this.#producer.begin(bytes.byteLength);
    if (start < 0) return false;
    bytes.copy(this.#producer.bytes, start);
    // Held before the record is published: the writer may let go at once.
    for (let i = 0; i < chunks.length; i++) (chunks[i] as BodyChunk).hold();
    this.#producer.publish();
    return true;
  }
}
