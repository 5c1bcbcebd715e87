/**
 * Decides where the next read of one socket goes. Between messages it is the silo's shared window,
 * so
 * that an idle connection owns no memory; during a body it is a leased slab chunk, whose bytes go
 * on
 * without a copy. A chunk that is still in use is filled up behind what was read, or replaced.
 * @hot per-chunk
 */
import { BodyChunk, type BodySource, type LentRegion } from "../shm/body-chunk.ts";
import { bodyCopies } from "../shm/body-copies.ts";
import type { BodySlab, SlabLease } from "../shm/body-slab.ts";
import { LentChunk } from "../shm/lent-chunk.ts";

/** The rest of a chunk is used for the next read when it has this many bytes: small reads share a
 * chunk, and none is cut to pieces by a small rest. */
const REST_BYTES_MIN = 16_384;
/** Longer ranges of the window are copied into a leased chunk, shorter ones to the heap. */
const HEAP_COPY_BYTES_MAX = 8_192;

/** Less of a body is not worth a read of its own into lent memory. */
const LENT_BYTES_MIN = 1_024;

/** The socket, as the window sees it. */
export interface WindowSocket {
  /** As ConnectionEvents. */
  bodyLeft(): number;
  /** Whether a read is being handled: the next buffer is asked for behind it. */
  readonly isReading: boolean;
  /** Whether {@link exchangeBuffer} works. */
  readonly canExchange: boolean;
  /** The next read goes into `buffer` instead of what the socket was given. */
  exchangeBuffer(buffer: Uint8Array): void;
}

export class ReadWindow implements BodySource {
  readonly #slab: BodySlab;
  readonly #ownsAlways: boolean;
  #wantsOwn: boolean;
  #lease: SlabLease | null = null;
  /** Where in the leased chunk the current read begins. */
  #offset = 0;
  #length = 0;
  #socket: WindowSocket | null = null;
  /** Where the next reads of this body go. */
  #lent: LentRegion | null = null;
  /** Where the present read goes or went. */
  #reading: LentRegion | null = null;
  /** What the socket was given in place of what Node takes its buffer to be. */
  #exchanged: Uint8Array | null = null;
  /** Chunks of the read that is being handled. */
  readonly #lentChunks: LentChunk[] = [];

  /** @param keeps `idle`: the shared window between bodies; `always`: a chunk all the time */
  constructor(slab: BodySlab, keeps: "idle" | "always") {
    this.#slab = slab;
    this.#ownsAlways = keeps === "always";
    this.#wantsOwn = this.#ownsAlways;
  }

  attach(socket: WindowSocket): void {
    this.#socket = socket;
  }

  lend(region: LentRegion): boolean {
    if (this.#socket?.canExchange !== true) return false;
    if (this.#lent !== null) return this.#lent === region;
    this.#lent = region;
    return true;
  }

  takeBack(region: LentRegion): void {
    if (this.#lent !== region) return;
    this.#lent = null;
    this.#replaceBuffer();
  }

  moved(region: LentRegion): void {
    if (this.#lent === region) this.#replaceBuffer();
  }

  /** The socket has lent memory that must not be written to any more, or where it no longer is. */
  #replaceBuffer(): void {
    const socket = this.#socket;
    if (this.#reading === null || socket === null || socket.isReading) return;
    this.#exchanged = this.#lendNext() ?? this.#ownAgain();
    socket.exchangeBuffer(this.#exchanged);
  }

  /** A read is over: what is still held of lent memory is moved out. */
  settle(): void {
    const chunks = this.#lentChunks;
    if (chunks.length === 0) return;
    for (let i = 0; i < chunks.length; i++) {
      const chunk = chunks[i] as LentChunk;
      if (chunk.references > 0) chunk.moveOut();
    }
    chunks.length = 0;
  }

  /** What was read into. @param given what Node says */
  bufferRead(given: Uint8Array): Uint8Array {
    return this.#exchanged ?? given;
  }

  expectBody(): void {
    this.#wantsOwn = true;
  }

  bodyDone(): void {
    this.#wantsOwn = this.#ownsAlways;
    const lent = this.#lent;
    if (lent !== null) this.takeBack(lent);
  }

  /** The first buffer of a socket. */
  first(): Uint8Array {
    return this.next() ?? this.#slab.window;
  }

  /** `length` bytes were read into the current buffer. */
  filled(length: number): void {
    this.#length = length;
  }

  /** The buffer of the next read, or null to read into the same one again. */
  next(): Uint8Array | null {
    if (this.#lent === null && this.#reading === null) return this.#nextOwn();
    this.#exchanged = null;
    return this.#lendNext() ?? (this.#reading === null ? this.#nextOwn() : this.#ownAgain());
  }

  #nextOwn(): Buffer | null {
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

  /** Lent memory for what comes next, if that is body. */
  #lendNext(): Uint8Array | null {
    const lent = this.#lent;
    const socket = this.#socket;
    if (lent === null || socket === null) return null;
    const size = Math.min(lent.byteLength, socket.bodyLeft());
    if (size < LENT_BYTES_MIN) return null;
    this.#lease?.release();
    this.#lease = null;
    this.#reading = lent;
    return lent.view(0, size);
  }

  #ownAgain(): Buffer {
    this.#reading = null;
    return this.#wantsOwn ? this.#leaseNew() : this.#slab.window;
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
    const chunk = this.#chunkOf(start, end);
    chunk.origin = this;
    return chunk;
  }

  #chunkOf(start: number, end: number): BodyChunk {
    const lease = this.#lease;
    if (lease !== null) return lease.view(this.#offset + start, this.#offset + end);
    if (this.#reading !== null) return this.#lentChunk(this.#reading, start, end);
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

  #lentChunk(region: LentRegion, start: number, end: number): BodyChunk {
    const chunk = new LentChunk(region, start, end);
    this.#lentChunks.push(chunk);
    return chunk;
  }

  /** Gives the chunk back: the socket is closed or idle. */
  close(): void {
    this.#lease?.release();
    this.#lease = null;
    this.#offset = 0;
  }

  /** The socket is gone: nothing is read any more. */
  end(): void {
    this.close();
    this.#socket = null;
    this.#lent = null;
    this.#reading = null;
  }
}
