/**
 * The bytes of one response body on their way into uWS. What uWS cannot send waits here, counted,
 * instead of in uWS without a limit. Owned by one UwsExchange. @hot per-chunk
 */
import { BodyChunk } from "../../shm/body-chunk.ts";
import type { BodySlab } from "../../shm/body-slab.ts";
import type { UwsResponseHandle } from "./uws-library.ts";

const NOTHING = (): void => undefined;
/** Smaller parts of a request's body are not worth a chunk of the slab. */
const HEAP_BYTES_MAX = 4_096;

/** Bytes of uWS from `at` on, as many as a chunk holds, in memory of our own. */
export function ownChunk(slab: BodySlab, bytes: ArrayBuffer, at: number): BodyChunk {
  const rest = bytes.byteLength - at;
  if (rest <= HEAP_BYTES_MAX) return BodyChunk.ofHeap(new Uint8Array(bytes.slice(at)));
  const lease = slab.lease();
  const size = Math.min(rest, lease.bytes.byteLength);
  lease.bytes.set(new Uint8Array(bytes, at, size));
  const chunk = lease.view(0, size);
  lease.release();
  return chunk;
}

/** Parts of a body as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array | string {
  const first = parts[0];
  if (first === undefined) return "";
  return parts.length === 1 ? first : Buffer.concat(parts);
}

export class UwsBody {
  /** Bytes of the whole body where the head announces them, -1 for chunks. */
  totalBytes = -1;
  /** The client has not taken everything yet. */
  blocked = false;
  pendingBytes = 0;
  /** uWS counted the announced bytes and completed the response: its handle is dead. */
  complete = false;
  /** The client did not take everything at once. */
  wasBlocked = false;
  #queue: BodyChunk[] = [];
  /** Bytes of the first chunk in the queue that uWS has. */
  #sent = 0;

  /** Makes ready for the next response. */
  reset(): void {
    this.totalBytes = -1;
    this.complete = false;
    this.wasBlocked = false;
    this.discard();
  }

  /** Call inside `cork`, after the head. Retains the chunk where it has to wait. */
  push(handle: UwsResponseHandle, chunk: BodyChunk): void {
    if (this.blocked) {
      this.#keep(chunk, 0);
      return;
    }
    const sent = this.#give(handle, chunk.bytes);
    if (sent < chunk.byteLength) this.#keep(chunk, sent);
  }

  /** Continues when the client takes bytes again; `blocked` says whether it did to the end. */
  drain(handle: UwsResponseHandle): void {
    this.blocked = false;
    if (this.totalBytes < 0) this.#flush(handle);
    while (!this.blocked && !this.complete) {
      const chunk = this.#queue[0];
      if (chunk === undefined) return;
      const rest = chunk.bytes.subarray(this.#sent);
      const sent = this.#give(handle, rest);
      this.#sent += sent;
      this.pendingBytes -= sent;
      if (sent < rest.byteLength) return;
      this.#queue.shift();
      this.#sent = 0;
      chunk.release();
    }
  }

  /** Gives back what waits. */
  discard(): void {
    if (this.#queue.length > 0) for (const chunk of this.#queue.splice(0)) chunk.release();
    this.pendingBytes = 0;
    this.blocked = false;
  }

  #keep(chunk: BodyChunk, sent: number): void {
    chunk.retain();
    if (this.#queue.length === 0) this.#sent = sent;
    this.#queue.push(chunk);
    this.pendingBytes += chunk.byteLength - sent;
  }

  /** @returns how many of the bytes uWS took. */
  #give(handle: UwsResponseHandle, bytes: Uint8Array): number {
    if (this.totalBytes < 0) {
      // Chunks are taken whole; what the kernel refuses waits inside uWS.
      this.blocked = !handle.write(bytes);
      if (this.blocked) this.wasBlocked = true;
      return bytes.byteLength;
    }
    const before = handle.getWriteOffset();
    const [all, complete] = handle.tryEnd(bytes, this.totalBytes);
    this.complete = complete;
    if (all || complete) return bytes.byteLength;
    this.blocked = true;
    this.wasBlocked = true;
    return handle.getWriteOffset() - before;
  }

  /**
   * uWS sends what it holds of earlier chunks only with something new, or at the end of a cork. One
   * byte of what waits then tells whether it still holds any, before a whole chunk is added to it.
   */
  #flush(handle: UwsResponseHandle): void {
    handle.cork(NOTHING);
    const chunk = this.#queue[0];
    if (chunk === undefined || chunk.byteLength - this.#sent < 2) return;
    this.#give(handle, chunk.bytes.subarray(this.#sent, this.#sent + 1));
    this.#sent++;
    this.pendingBytes--;
  }
}
