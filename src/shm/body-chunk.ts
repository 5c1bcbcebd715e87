/**
 * A run of body bytes: a view of a slab chunk (SharedArrayBuffer) or of heap memory, with a
 * reference
 * count. Whoever hands a chunk to a callback owns one reference and releases it when the callback
 * returns; whoever keeps the chunk longer calls `retain()` and later `release()`.
 * @hot per-chunk
 */
import { assert } from "../base/assert.ts";
import { bodyCopies } from "./body-copies.ts";

/** Receives a chunk whose last reference is gone (the slab puts it back on its free list). */
export interface ChunkOwner {
  /** Index of the slab chunk the bytes lie in, or -1 for heap memory. */
  readonly slot: number;
  reclaim(chunk: BodyChunk): void;
  /** Adds a reference for another thread; false: heap memory, which no other thread sees. */
  hold(): boolean;
}

/** Memory that somebody lends for reading into, such as a guest's. */
export interface LentRegion {
  /** Bytes that may be read into it. */
  readonly byteLength: number;
  /** Bytes `[start, end)` as they lie now: a view is dead when the memory has grown. */
  view(start: number, end: number): Uint8Array;
}

/** Where chunks come from: what reads a body. */
export interface BodySource {
  /** The next reads of this body go into `region`; false when they cannot. */
  lend(region: LentRegion): boolean;
  /** No byte is written to `region` any more. */
  takeBack(region: LentRegion): void;
  /** The memory of `region` has moved. */
  moved(region: LentRegion): void;
}

/** The engine's own slice, without the checks of `Buffer.toString`. */
interface Latin1Bytes {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}
const { latin1Slice } = Buffer.prototype as unknown as Latin1Bytes;

export class BodyChunk {
  readonly byteLength: number;
  /** What read it, for who lends memory; null: it takes none. */
  origin: BodySource | null = null;
  readonly #source: Uint8Array;
  readonly #start: number;
  readonly #owner: ChunkOwner | null;
  /** Made when it is asked for: most small bodies leave as text and never need a view. */
  #bytes: Uint8Array | null = null;
  #references = 1;

  /** Bytes `[start, end)` of `source`; `owner` is told when the last reference is gone. */
  constructor(source: Uint8Array, start: number, end: number, owner: ChunkOwner | null) {
    this.#source = source;
    this.#start = start;
    this.byteLength = end - start;
    this.#owner = owner;
  }

  /** A chunk over ordinary memory that the caller gives away. */
  static ofHeap(bytes: Uint8Array): BodyChunk {
    return new BodyChunk(bytes, 0, bytes.byteLength, null);
  }

  /** Index of the slab chunk the bytes lie in, or -1 for heap memory. */
  get slot(): number {
    return this.#owner === null ? -1 : this.#owner.slot;
  }

  /** Where the bytes lie in the silo's slab region, if they do: `slot` is not -1. */
  get offset(): number {
    return this.#source.byteOffset + this.#start;
  }

  /**
   * Adds a reference of the whole slab chunk for another thread, which finds the bytes by `offset`
   * and gives it back by a ChunkHolder. False: the bytes lie in heap memory.
   */
  hold(): boolean {
    return this.#owner?.hold() === true;
  }

  /** Whether the bytes lie in memory that is lent: they stay there until the read is over. */
  get isLent(): boolean {
    return false;
  }

  /** The bytes for who reads them later without holding the chunk. */
  get lastingBytes(): Uint8Array {
    return this.bytes;
  }

  /** The bytes; never written after the chunk was handed on. */
  get bytes(): Uint8Array {
    this.#bytes ??= this.#source.subarray(this.#start, this.#start + this.byteLength);
    return this.#bytes;
  }

  /** The bytes as a string with one code unit per byte. */
  latin1(): string {
    bodyCopies.joined.add(this.byteLength);
    return latin1Slice.call(this.#source, this.#start, this.#start + this.byteLength);
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
