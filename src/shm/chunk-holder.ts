/**
 * The side of a thread that was given chunks of a silo's body slab: reads their bytes where they
 * lie, and lets them go. Orderings: body-slab-layout.ts.
 */
import { assert } from "../base/assert.ts";
import { LIMITS } from "../base/limits.ts";
import { attachBodySlab } from "./body-slab-layout.ts";

const CHUNK_BYTES = LIMITS.bodyChunkBytes;

/** Thread: any but the owning silo's; one object per region and thread. */
export class ChunkHolder {
  readonly #bytes: Buffer;
  readonly #references: Int32Array;
  readonly #holds: Int32Array;
  readonly #firstByte: number;

  constructor(region: SharedArrayBuffer) {
    const { chunks, references, holds } = attachBodySlab(region).fields;
    this.#bytes = Buffer.from(region);
    this.#references = new Int32Array(region, references.offset, references.count);
    this.#holds = new Int32Array(region, holds.offset, holds.count);
    this.#firstByte = chunks.offset;
  }

  /** Bytes `[offset, offset + length)` of the region; the chunk they lie in is held. */
  bytes(offset: number, length: number): Buffer {
    const slot = this.#slotOf(offset);
    const end = this.#firstByte + (slot + 1) * CHUNK_BYTES;
    assert(length >= 0 && offset + length <= end, `${length} bytes at ${offset} cross a chunk`);
    assert(Atomics.load(this.#holds, slot) > 0, `bytes of chunk ${slot}, which nobody holds`);
    return this.#bytes.subarray(offset, offset + length);
  }

  /** One more reference of the held chunk at `offset`, for another thread. */
  retain(offset: number): void {
    const before = Atomics.add(this.#holds, this.#slotOf(offset), 1);
    assert(before > 0, "retain of a chunk that nobody holds");
  }

  /** Gives a reference of the chunk at `offset` back; its bytes are not touched any more. */
  release(offset: number): void {
    const before = Atomics.sub(this.#holds, this.#slotOf(offset), 1);
    assert(before > 0, "release of a chunk that nobody holds");
  }

  /** References of the chunk at `offset`: of other threads, and of the owner as last seen. */
  references(offset: number): { readonly owner: number; readonly holders: number } {
    const slot = this.#slotOf(offset);
    return {
      owner: this.#references[slot] as number,
      holders: Atomics.load(this.#holds, slot),
    };
  }

  #slotOf(offset: number): number {
    const slot = Math.floor((offset - this.#firstByte) / CHUNK_BYTES);
    assert(slot >= 0 && slot < this.#holds.length, `no chunk lies at ${offset}`);
    return slot;
  }
}
