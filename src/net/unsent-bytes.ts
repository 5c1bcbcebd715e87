/**
 * Bytes of one connection that the kernel did not take at once, in order. Chunks are retained until
 * they are sent or given up.
 */
import type { SocketCalls } from "../base/native.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import { bodyCopies } from "../shm/body-copies.ts";
import { WOULD_BLOCK } from "./socket-error.ts";

interface Part {
  readonly bytes: Uint8Array;
  /** The owner of `bytes`; null: heap memory. */
  readonly chunk: BodyChunk | null;
}

export class UnsentBytes {
  #parts: Part[] = [];
  /** Bytes of the first part that are sent. */
  #from = 0;
  #byteLength = 0;

  get isEmpty(): boolean {
    return this.#byteLength === 0;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** Latin1, from its character `from` on. */
  addText(text: string, from: number): void {
    const bytes = Buffer.from(from === 0 ? text : text.slice(from), "latin1");
    this.#add({ bytes, chunk: null }, 0);
  }

  addChunk(chunk: BodyChunk, from: number): void {
    if (chunk.isLent) {
      const rest = Buffer.from(chunk.bytes.subarray(from));
      bodyCopies.lent.add(rest.length);
      this.#add({ bytes: rest, chunk: null }, 0);
      return;
    }
    chunk.retain();
    this.#add({ bytes: chunk.bytes, chunk }, from);
  }

  #add(part: Part, from: number): void {
    const length = part.bytes.length - from;
    if (length === 0) {
      part.chunk?.release();
      return;
    }
    if (from > 0) this.#from = from;
    this.#byteLength += length;
    this.#parts.push(part);
  }

  /** @returns 0, or the negative errno of a send that failed */
  send(calls: SocketCalls, slot: number): number {
    while (this.#byteLength > 0) {
      const part = this.#parts[0] as Part;
      const sent = calls.sendBytes(slot, part.bytes, this.#from);
      if (sent < 0) return sent === WOULD_BLOCK ? 0 : sent;
      this.#byteLength -= sent;
      this.#from += sent;
      if (this.#from < part.bytes.length) return 0;
      this.#from = 0;
      this.#parts.shift();
      part.chunk?.release();
    }
    return 0;
  }

  /** Gives up what is left. */
  clear(): void {
    for (const { chunk } of this.#parts) chunk?.release();
    this.#parts = [];
    this.#from = 0;
    this.#byteLength = 0;
  }
}
