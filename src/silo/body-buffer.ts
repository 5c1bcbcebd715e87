/**
 * Body bytes of one direction of a stream: chunks in order, and their total. The buffer owns one
 * reference of each chunk in it.
 * @hot per-chunk
 */
import { BodyChunk } from "../shm/body-chunk.ts";
import { bodyCopies } from "../shm/body-copies.ts";

export class BodyBuffer {
  #chunks: BodyChunk[] = [];
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  get chunkCount(): number {
    return this.#chunks.length;
  }

  /** The buffer keeps its reference. @param index 0..chunkCount - 1 */
  chunkAt(index: number): BodyChunk {
    return this.#chunks[index] as BodyChunk;
  }

  /** The last chunk; null when empty. */
  get last(): BodyChunk | null {
    return this.#chunks.at(-1) ?? null;
  }

  /** Whether any bytes lie in memory that is lent. */
  get hasLent(): boolean {
    for (const chunk of this.#chunks) if (chunk.isLent) return true;
    return false;
  }

  /** Appends a chunk; the buffer takes a reference of its own. */
  append(chunk: BodyChunk): void {
    if (chunk.byteLength === 0) return;
    chunk.retain();
    this.#chunks.push(chunk);
    this.#byteLength += chunk.byteLength;
  }

  /** Moves everything out of `source` to the end of this buffer. */
  moveFrom(source: BodyBuffer): void {
    for (const chunk of source.#chunks) this.#chunks.push(chunk);
    this.#byteLength += source.#byteLength;
    source.#chunks = [];
    source.#byteLength = 0;
  }

  /** Takes the first chunk out; the caller owns its reference. Null when empty. */
  shift(): BodyChunk | null {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return null;
    this.#byteLength -= chunk.byteLength;
    return chunk;
  }

  /** Copies `[start, start+length)`, which lies inside the buffer, to `target` at `at`. */
  copyTo(start: number, length: number, target: Uint8Array, at: number): void {
    bodyCopies.filter_read.add(length);
    this.#gather(start, length, target, at);
  }

  #gather(start: number, length: number, target: Uint8Array, at: number): void {
    let skip = start;
    let left = length;
    let position = at;
    for (const chunk of this.#chunks) {
      if (left === 0) return;
      if (skip >= chunk.byteLength) {
        skip -= chunk.byteLength;
        continue;
      }
      const size = Math.min(left, chunk.byteLength - skip);
      target.set(chunk.bytes.subarray(skip, skip + size), position);
      position += size;
      left -= size;
      skip = 0;
    }
  }

  /** Replaces `[start, start+length)` by `data`; the range lies inside the buffer. */
  splice(start: number, length: number, data: Uint8Array): void {
    const keepHead = this.#copyOf(0, start);
    const tailStart = start + length;
    const keepTail = this.#copyOf(tailStart, this.#byteLength - tailStart);
    this.clear();
    for (const part of [keepHead, data, keepTail]) {
      if (part.byteLength === 0) continue;
      bodyCopies.filter_write.add(part.byteLength);
      this.#chunks.push(BodyChunk.ofHeap(part));
      this.#byteLength += part.byteLength;
    }
  }

  #copyOf(start: number, length: number): Uint8Array {
    const copy = new Uint8Array(length);
    this.#gather(start, length, copy, 0);
    return copy;
  }

  clear(): void {
    for (const chunk of this.#chunks) chunk.release();
    this.#chunks = [];
    this.#byteLength = 0;
  }
}
