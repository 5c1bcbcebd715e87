/**
 * The memory that sockets of one silo read into: 64 KiB chunks in a shared region, leased one by
 * one and given back when the last view of them is released here and no other thread holds them.
 * Only the owning silo leases and frees.
 * @hot per-chunk
 */
import { assert } from "../base/assert.ts";
import { LIMITS } from "../base/limits.ts";
import { BodyChunk, type ChunkOwner } from "./body-chunk.ts";
import { attachBodySlab } from "./body-slab-layout.ts";

const CHUNK_BYTES = LIMITS.bodyChunkBytes;

/** Where a chunk's references are counted. */
interface Counts {
  /** Of the owning thread, by slot. */
  readonly references: Int32Array;
  /** Of other threads, by slot. */
  readonly holds: Int32Array;
}

/** One leased chunk. The lessee holds one reference, each view of it another. */
export class SlabLease implements ChunkOwner {
  /** The whole chunk; a Buffer, because sockets write those without wrapping them. */
  readonly bytes: Buffer;
  /** Index of the chunk in the region, or -1 for heap memory. */
  readonly slot: number;
  readonly #slab: BodySlab;
  readonly #references: Int32Array;
  /** Null: heap memory. */
  readonly #holds: Int32Array | null;
  readonly #at: number;
  /** It was given to other threads since it was leased. */
  #wasHeld = false;

  /** @param counts null: heap memory */
  constructor(slab: BodySlab, bytes: Buffer, slot: number, counts: Counts | null) {
    this.#slab = slab;
    this.bytes = bytes;
    this.slot = slot;
    this.#references = counts?.references ?? new Int32Array(1);
    this.#holds = counts?.holds ?? null;
    this.#at = counts === null ? 0 : slot;
  }

  /** Views of the chunk are still in use, here or on other threads. */
  get isViewed(): boolean {
    return (this.#references[this.#at] as number) > 1 || this.isHeld;
  }

  /** Other threads may still read it. */
  get isHeld(): boolean {
    // Loaded before the chunk is written again: a holder is done with the bytes by then.
    return this.#wasHeld && this.#holds !== null && Atomics.load(this.#holds, this.#at) > 0;
  }

  /** A view of bytes `[start, end)`; the caller owns one reference of it. */
  view(start: number, end: number): BodyChunk {
    const count = this.#references[this.#at] as number;
    assert(count > 0, "view of a slab chunk that is not leased");
    this.#references[this.#at] = count + 1;
    return new BodyChunk(this.bytes, start, end, this);
  }

  reclaim(): void {
    this.release();
  }

  /** Gives one reference back; the last one frees the chunk. */
  release(): void {
    const count = this.#references[this.#at] as number;
    assert(count > 0, "release of a slab chunk that is not leased");
    this.#references[this.#at] = count - 1;
    if (count === 1) this.#slab.putBack(this);
  }

  /**
   * Adds a reference for another thread, which gives it back by a ChunkHolder. The caller publishes
   * where the bytes lie afterwards. False: heap memory, which no other thread sees.
   */
  hold(): boolean {
    if (this.#holds === null) return false;
    assert((this.#references[this.#at] as number) > 0, "hold of a slab chunk that is not leased");
    this.#wasHeld = true;
    Atomics.add(this.#holds, this.#at, 1);
    return true;
  }

  /** The slab hands the chunk out. */
  begin(): this {
    assert(this.#references[this.#at] === 0, "lease of a slab chunk in use");
    this.#references[this.#at] = 1;
    this.#wasHeld = false;
    return this;
  }

  /** A dead owner left the chunk to other threads. */
  inherit(): this {
    this.#wasHeld = true;
    return this;
  }
}

/** Thread: the owning silo. A successor of a dead one takes its region over. */
export class BodySlab {
  /**
   * Memory that idle connections read into, one after the other: a read is consumed before the next
   * one starts, so one window serves all. Views of it never outlive a callback.
   */
  readonly window: Buffer;
  readonly region: SharedArrayBuffer;
  readonly #chunkCount: number;
  readonly #firstByte: number;
  readonly #counts: Counts;
  /** leased, leasedPeak. */
  readonly #totals: Uint32Array;
  readonly #free: SlabLease[] = [];
  /** Chunks that other threads hold and this one does not, the longest first. */
  #held: SlabLease[] = [];
  /** Chunks from this index on were never leased. */
  #fresh = 0;
  #leased = 0;
  #heapLeases = 0;

  /** @param region of createBodySlab; when it is used up, chunks are ordinary heap memory */
  constructor(region: SharedArrayBuffer) {
    const { chunks, references, holds, leased, leasedPeak } = attachBodySlab(region).fields;
    assert(leasedPeak.offset === leased.offset + 4, "slab counters stand together");
    this.region = region;
    this.#chunkCount = references.count;
    this.#firstByte = chunks.offset;
    this.#counts = {
      references: new Int32Array(region, references.offset, references.count).fill(0),
      holds: new Int32Array(region, holds.offset, holds.count),
    };
    this.#totals = new Uint32Array(region, leased.offset, 2);
    this.#totals[0] = 0;
    this.#inherit();
    this.window = this.lease().bytes;
  }

  /** Chunks in use, the window and those that other threads hold among them. */
  get leasedCount(): number {
    return this.#leased;
  }

  /** Chunks that only other threads hold, as far as was looked. */
  get heldCount(): number {
    return this.#held.length;
  }

  /** Leases so far that the region had no room for. */
  get heapLeaseCount(): number {
    return this.#heapLeases;
  }

  /** A chunk to read into; never fails. The caller owns one reference. */
  lease(): SlabLease {
    if (this.#free.length === 0 && this.#held.length > 0) this.sweepHeld();
    this.#leased++;
    const lease = this.#free.pop() ?? this.#nextFresh();
    if (lease === null) {
      this.#heapLeases++;
      return new SlabLease(this, Buffer.allocUnsafeSlow(CHUNK_BYTES), -1, null).begin();
    }
    this.#count(1);
    return lease.begin();
  }

  /** Takes a chunk back whose last reference here is gone. Called by the lease alone. */
  putBack(lease: SlabLease): void {
    if (lease.isHeld) {
      this.#held.push(lease);
      return;
    }
    this.#leased--;
    if (lease.slot < 0) return;
    this.#count(-1);
    this.#free.push(lease);
  }

  /** Frees the chunks that other threads have let go. */
  sweepHeld(): void {
    const looked = this.#held;
    this.#held = [];
    for (let i = 0; i < looked.length; i++) this.putBack(looked[i] as SlabLease);
  }

  #count(change: number): void {
    const leased = (this.#totals[0] as number) + change;
    this.#totals[0] = leased;
    if (leased > (this.#totals[1] as number)) this.#totals[1] = leased;
  }

  /** What a dead owner's chunks are now: held by other threads, or free. */
  #inherit(): void {
    const { holds } = this.#counts;
    for (let slot = this.#chunkCount - 1; slot >= 0; slot--) {
      const isHeld = Atomics.load(holds, slot) > 0;
      if (this.#fresh === 0 && isHeld) this.#fresh = slot + 1;
      if (this.#fresh === 0) continue;
      const lease = this.#leaseOf(slot);
      if (!isHeld) {
        this.#free.push(lease);
        continue;
      }
      this.#held.push(lease.inherit());
      this.#leased++;
      this.#count(1);
    }
  }

  /** The next chunk that was never leased; null when there is none. */
  #nextFresh(): SlabLease | null {
    return this.#fresh === this.#chunkCount ? null : this.#leaseOf(this.#fresh++);
  }

  #leaseOf(slot: number): SlabLease {
    const start = this.#firstByte + slot * CHUNK_BYTES;
    return new SlabLease(this, Buffer.from(this.region, start, CHUNK_BYTES), slot, this.#counts);
  }
}
