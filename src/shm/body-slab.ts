/**
 * The memory that sockets of one silo read into: 64 KiB chunks in shared slabs, leased one by one
 * and
 * given back when the last view of them is released. Only the owning silo allocates and frees.
 * @hot per-chunk
 */
import { assert } from "../base/assert.ts";
import { LIMITS } from "../base/limits.ts";
import { BodyChunk, type ChunkOwner } from "./body-chunk.ts";
import { BODY_SLAB_LAYOUT, SLAB_CHUNKS } from "./body-slab-layout.ts";
import { createRegion } from "./layout.ts";

const CHUNK_BYTES = LIMITS.bodyChunkBytes;

/** One leased chunk. The lessee holds one reference, each view of it another. */
export class SlabLease implements ChunkOwner {
  /** The whole chunk; a Buffer, because sockets write those without wrapping them. */
  readonly bytes: Buffer;
  /** Index of the chunk over all slabs of the silo, or -1 for heap memory. */
  readonly slot: number;
  readonly #slab: BodySlab;
  #references = 0;

  constructor(slab: BodySlab, bytes: Buffer, slot: number) {
    this.#slab = slab;
    this.bytes = bytes;
    this.slot = slot;
  }

  /** Views of the chunk are still in use. */
  get isViewed(): boolean {
    return this.#references > 1;
  }

  /** A view of bytes `[start, end)`; the caller owns one reference of it. */
  view(start: number, end: number): BodyChunk {
    assert(this.#references > 0, "view of a slab chunk that is not leased");
    this.#references++;
    return new BodyChunk(this.bytes, start, end, this);
  }

  reclaim(): void {
    this.release();
  }

  /** Gives one reference back; the last one frees the chunk. */
  release(): void {
    assert(this.#references > 0, "release of a slab chunk that is not leased");
    this.#references--;
    if (this.#references === 0) this.#slab.putBack(this);
  }

  /** The slab hands the chunk out. */
  begin(): this {
    assert(this.#references === 0, "lease of a slab chunk in use");
    this.#references = 1;
    return this;
  }
}

/** Thread: the owning silo. */
export class BodySlab {
  /**
   * Memory that idle connections read into, one after the other: a read is consumed before the next
   * one starts, so one window serves all. Views of it never outlive a callback.
   */
  readonly window: Buffer;
  readonly #slabsMax: number;
  readonly #regions: SharedArrayBuffer[] = [];
  readonly #words: Uint32Array[] = [];
  readonly #free: SlabLease[] = [];
  #leased = 0;
  #heapLeases = 0;

  /** @param bytesMax address space for slabs; beyond it chunks are ordinary heap memory */
  constructor(bytesMax: number) {
    this.#slabsMax = Math.max(1, Math.floor(bytesMax / (SLAB_CHUNKS * CHUNK_BYTES)));
    this.#grow();
    this.window = this.lease().bytes;
  }

  /** Chunks in use, the window among them. */
  get leasedCount(): number {
    return this.#leased;
  }

  /** Leases so far that no slab had room for. */
  get heapLeaseCount(): number {
    return this.#heapLeases;
  }

  /** The shared regions, for threads that resolve a slot to bytes. */
  get regions(): readonly SharedArrayBuffer[] {
    return this.#regions;
  }

  /** A chunk to read into; never fails. The caller owns one reference. */
  lease(): SlabLease {
    if (this.#free.length === 0) this.#grow();
    this.#leased++;
    const lease = this.#free.pop();
    if (lease === undefined) {
      this.#heapLeases++;
      return new SlabLease(this, Buffer.allocUnsafeSlow(CHUNK_BYTES), -1).begin();
    }
    this.#count(lease.slot, 1);
    return lease.begin();
  }

  /** Takes a chunk back whose last reference is gone. Called by the lease alone. */
  putBack(lease: SlabLease): void {
    this.#leased--;
    if (lease.slot < 0) return;
    this.#count(lease.slot, -1);
    this.#free.push(lease);
  }

  #count(slot: number, change: number): void {
    const words = this.#words[Math.floor(slot / SLAB_CHUNKS)] as Uint32Array;
    const leased = (words[0] as number) + change;
    words[0] = leased;
    if (leased > (words[1] as number)) words[1] = leased;
  }

  #grow(): void {
    if (this.#regions.length === this.#slabsMax) return;
    const region = createRegion(BODY_SLAB_LAYOUT);
    const { chunks, leased, leasedPeak } = BODY_SLAB_LAYOUT.fields;
    assert(leasedPeak.offset === leased.offset + 4, "slab counters stand together");
    const firstSlot = this.#regions.length * SLAB_CHUNKS;
    this.#regions.push(region);
    this.#words.push(new Uint32Array(region, leased.offset, 2));
    for (let i = SLAB_CHUNKS - 1; i >= 0; i--) {
      const bytes = Buffer.from(region, chunks.offset + i * CHUNK_BYTES, CHUNK_BYTES);
      this.#free.push(new SlabLease(this, bytes, firstSlot + i));
    }
  }
}
