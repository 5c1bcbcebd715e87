/**
 * A run of body bytes: a view of a slab chunk (SharedArrayBuffer) or of heap memory, with a reference
 * count. Whoever hands a chunk to a callback owns one reference and releases it when the callback
 * returns; whoever keeps the chunk longer calls `retain()` and later `release()`.
 * @hot per-chunk
 */
import { assert } from "../base/assert.ts";

/** Receives a chunk whose last reference is gone (the slab puts it back on its free list). */
export interface ChunkOwner {
  reclaim(chunk: BodyChunk): void;
}

export class BodyChunk {
  /** The bytes; never written after the chunk was handed on. */
  bytes: Uint8Array;
  /** Index of the slab chunk the bytes lie in, or -1 for heap memory. Owned by `owner`. */
  readonly slot: number;
  readonly #owner: ChunkOwner | null;
  #references = 1;

  constructor(bytes: Uint8Array, owner: ChunkOwner | null, slot: number) {
    this.bytes = bytes;
    this.#owner = owner;
    this.slot = slot;
  }

  /** A chunk over ordinary memory that the caller gives away. */
  static ofHeap(bytes: Uint8Array): BodyChunk {
    return new BodyChunk(bytes, null, -1);
  }

  get byteLength(): number {
    return this.bytes.byteLength;
  }

  get references(): number {
    return this.#references;
  }

  retain(): void {
    assert(this.#references > 0, "retain of a released body chunk");
    this.#references++;
  }

  release(): void {
    assert(this.#references > 0, "release of a released body chunk");
    this.#references--;
    if (this.#references === 0 && this.#owner !== null) this.#owner.reclaim(this);
  }
}
