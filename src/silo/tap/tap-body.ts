/**
 * What a tap keeps of one body: references of the slab chunks it lies in, so that long bodies are
 * not copied, and copies in a chunk of its own of what is short or lies elsewhere. @hot per-chunk
 */
import type { BodyChunk } from "../../shm/body-chunk.ts";
import { bodyCopies } from "../../shm/body-copies.ts";
import type { SlabLease } from "../../shm/body-slab.ts";
import type { BodyBuffer } from "../body-buffer.ts";
import type { TapRing } from "./tap-ring.ts";

/** Less is copied: a reference keeps all 64 KiB of a chunk from being read into. */
const REFERENCE_BYTES_MIN = 16_384;

export class TapBody {
  /** There was more than is kept. */
  isTruncated = false;
  /** There was no room for it: the trace is of no use. */
  isLost = false;
  /** Where it lies, in order; the body has a reference of each. */
  readonly chunks: BodyChunk[] = [];
  readonly #ring: TapRing;
  /** Bytes of each chunk. */
  readonly #lengths: number[] = [];
  #bytesLeft: number;
  /** The own chunk, its bytes `[start, end)` that are in no entry of `chunks` yet. */
  #own: SlabLease | null = null;
  #start = 0;
  #end = 0;
  #kept = 0;

  constructor(ring: TapRing, bytesMax: number) {
    this.#ring = ring;
    this.#bytesLeft = bytesMax;
  }

  add(data: BodyBuffer): void {
    for (let i = 0; i < data.chunkCount && !this.isLost; i++) this.#take(data.chunkAt(i));
  }

  /** Offset and length of each piece, in turn. Nothing is added any more. */
  close(): number[] {
    this.#closeOwn();
    this.#own?.release();
    this.#own = null;
    const places: number[] = [];
    for (let i = 0; i < this.chunks.length; i++) {
      places.push((this.chunks[i] as BodyChunk).offset, this.#lengths[i] as number);
    }
    return places;
  }

  /** Gives everything back. */
  release(): void {
    this.#own?.release();
    this.#own = null;
    for (let i = 0; i < this.chunks.length; i++) (this.chunks[i] as BodyChunk).release();
    this.chunks.length = 0;
    this.#ring.letGo(this.#kept);
    this.#kept = 0;
  }

  #take(chunk: BodyChunk): void {
    const length = Math.min(chunk.byteLength, this.#bytesLeft);
    if (length < chunk.byteLength) this.isTruncated = true;
    if (length === 0) return;
    this.#bytesLeft -= length;
    if (chunk.slot < 0 || length < REFERENCE_BYTES_MIN) this.#copy(chunk.bytes, length);
    else if (this.#ring.keep()) this.#refer(chunk, length);
    else this.#lose();
  }

  #refer(chunk: BodyChunk, length: number): void {
    this.#closeOwn();
    this.#kept++;
    chunk.retain();
    this.#push(chunk, length);
  }

  #copy(bytes: Uint8Array, length: number): void {
    bodyCopies.tapped.add(length);
    let at = 0;
    while (at < length) {
      const own =
        this.#own !== null && this.#end < this.#own.bytes.length ? this.#own : this.#next();
      if (own === null) return;
      const size = Math.min(length - at, own.bytes.length - this.#end);
      own.bytes.set(bytes.subarray(at, at + size), this.#end);
      this.#end += size;
      at += size;
    }
  }

  /** The next own chunk; null: there is no room for one. */
  #next(): SlabLease | null {
    this.#closeOwn();
    this.#own?.release();
    this.#own = this.#ring.lease();
    this.#start = 0;
    this.#end = 0;
    if (this.#own === null) this.#lose();
    else this.#kept++;
    return this.#own;
  }

  #closeOwn(): void {
    if (this.#own === null || this.#end === this.#start) return;
    this.#push(this.#own.view(this.#start, this.#end), this.#end - this.#start);
    this.#start = this.#end;
  }

  #push(chunk: BodyChunk, length: number): void {
    this.chunks.push(chunk);
    this.#lengths.push(length);
  }

  #lose(): void {
    this.isLost = true;
    this.release();
  }
}
