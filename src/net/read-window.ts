/**
 * Decides where the next read of one socket goes. Between messages it is the silo's shared window,
 * so
 * that an idle connection owns no memory; during a body it is a leased slab chunk, whose bytes go
 * on
 * without a copy. A chunk that is still in use is filled up behind what was read, or replaced.
 * @hot per-chunk
 */
import { BodyChunk } from "../shm/body-chunk.ts";
import { bodyCopies } from "../shm/body-copies.ts";
import type { BodySlab, SlabLease } from "../shm/body-slab.ts";

/** The rest of a chunk is used for the next read when it has this many bytes: small reads share a
 * chunk, and none is cut to pieces by a small rest. */
const REST_BYTES_MIN = 16_384;
/** Longer ranges of the window are copied into a leased chunk, shorter ones to the heap. */
const HEAP_COPY_BYTES_MAX = 8_192;

export class ReadWindow {
  readonly #slab: BodySlab;
  readonly #ownsAlways: boolean;
  #wantsOwn: boolean;
  #lease: SlabLease | null = null;
  /** Where in the leased chunk the current read begins. */
  #offset = 0;
  #length = 0;

  /** @param keeps `idle`: the shared window between bodies; `always`: a chunk all the time */
  constructor(slab: BodySlab, keeps: "idle" | "always") {
    this.#slab = slab;
    this.#ownsAlways = keeps === "always";
    this.#wantsOwn = this.#ownsAlways;
  }

  expectBody(): void {
    this.#wantsOwn = true;
  }

  bodyDone(): void {
    this.#wantsOwn = this.#ownsAlways;
  }

  /** The first buffer of a socket. */
  first(): Buffer {
    return this.next() ?? this.#slab.window;
  }

  /** `length` bytes were read into the current buffer. */
  filled(length: number): void {
    this.#length = length;
  }

  /** The buffer of the next read, or null to read into the same one again. */
  next(): Buffer | null {
    const lease = this.#lease;
    if (lease === null) {
      if (!this.#wantsOwn) return null;
      return this.#leaseNew();
    }
    if (!this.#wantsOwn) {
      this.close();
      return this.#slab.window;
    }
    if (!lease.isViewed) return this.#offset === 0 ? null : this.#rewind(lease);
    const used = this.#offset + this.#length;
    if (lease.bytes.byteLength - used >= REST_BYTES_MIN) {
      this.#offset = used;
      return lease.bytes.subarray(used);
    }
    lease.release();
    return this.#leaseNew();
  }

  #leaseNew(): Buffer {
    this.#lease = this.#slab.lease();
    this.#offset = 0;
    return this.#lease.bytes;
  }

  #rewind(lease: SlabLease): Buffer {
    this.#offset = 0;
    return lease.bytes;
  }

  /** Bytes `[start, end)` of the current read as a chunk that outlives it. */
  chunkOf(start: number, end: number): BodyChunk {
    const lease = this.#lease;
    if (lease !== null) return lease.view(this.#offset + start, this.#offset + end);
    const { window } = this.#slab;
    const length = end - start;
    bodyCopies.window.add(length);
    if (length <= HEAP_COPY_BYTES_MAX) {
      const bytes = Buffer.allocUnsafe(length);
      window.copy(bytes, 0, start, end);
      return BodyChunk.ofHeap(bytes);
    }
    const target = this.#slab.lease();
    window.copy(target.bytes, 0, start, end);
    const chunk = target.view(0, length);
    target.release();
    return chunk;
  }

  /** Gives the chunk back: the socket is closed or idle. */
  close(): void {
    this.#lease?.release();
    this.#lease = null;
    this.#offset = 0;
  }
}
