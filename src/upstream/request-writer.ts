/**
 * Puts one request after another on one connection: head, body by content-length or in chunks,
 * trailers. The head waits until the caller's stack has unwound, so that a body that is there
 * already leaves in the same write. Owned by an Http1Client.
 * @hot per-request, per-chunk
 */
import type { Deferred, Turn } from "../base/turn.ts";
import {
  CHUNK_END,
  chunkHead,
  contentLengthOf,
  LAST_CHUNK,
  requestFraming,
  serialiseRequestHead,
  serialiseTrailers,
} from "../http/h1/serialise.ts";
import type { BodyFraming } from "../http/h1/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { Connection } from "../net/types.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";

/** Chunks up to this many bytes are copied into the text between their size line and line end. */
const COPIED_BYTES_MAX = 2_048;
/** The end of a chunk and of the body. */
const CHUNK_AND_BODY_END = CHUNK_END + LAST_CHUNK;
/** What `contentLengthOf` gives when there is none. */
const NO_LENGTH = -1;

export class RequestWriter implements Deferred {
  readonly #connection: Connection;
  readonly #turn: Turn;
  #framing: BodyFraming = "none";
  /** Bytes of a content-length body that are still to come. */
  #bodyLeft = 0;
  /** Text that waits for the end of the turn. */
  #held = "";
  #full = false;
  #untouched = true;
  #bytesWritten = 0;

  constructor(connection: Connection, turn: Turn) {
    this.#connection = connection;
    this.#turn = turn;
  }

  /** Bytes written on the connection since it was made. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Whether no byte of the current request has left. */
  get isUntouched(): boolean {
    return this.#untouched;
  }

  /** Bytes that the kernel has not taken; 0 while it takes everything. */
  get pendingBytes(): number {
    return this.#full ? this.#connection.pendingBytes : 0;
  }

  /** The kernel has taken everything. */
  drained(): void {
    this.#full = false;
  }

  /** Forgets the request before (and what of it was held). */
  begin(): void {
    this.#held = "";
    this.#untouched = true;
  }

  /** @returns false when the content-length is none, or is not 0 although the request ends here. */
  writeHead(headers: HeaderMap, endStream: boolean): boolean {
    const length = contentLengthOf(headers);
    this.#framing = requestFraming(headers, endStream);
    this.#bodyLeft = length === NO_LENGTH ? 0 : length;
    if (this.#bodyLeft < 0 || (endStream && this.#bodyLeft !== 0)) return false;
    const text = serialiseRequestHead(headers, this.#framing);
    if (endStream) {
      this.#putText(text);
    } else {
      this.#held = text;
      this.#turn.schedule(this);
    }
    return true;
  }

  /** @returns false when the body does not match its content-length. */
  writeData(chunk: BodyChunk, endStream: boolean): boolean {
    if (this.#framing === "chunked") {
      this.#writeChunked(chunk, endStream);
      return true;
    }
    this.#bodyLeft -= chunk.byteLength;
    if (this.#bodyLeft < 0 || (endStream && this.#bodyLeft !== 0)) return false;
    if (chunk.byteLength > 0) this.#putHeldAnd("", chunk);
    else if (endStream) this.runDeferred();
    return true;
  }

  /** Ends the request; trailers have no place outside of chunked framing and are left out there. */
  writeTrailers(trailers: HeaderMap): boolean {
    if (this.#framing === "chunked") {
      this.#putText(this.#takeHeld().concat(serialiseTrailers(trailers)));
      return true;
    }
    this.runDeferred();
    return this.#bodyLeft === 0;
  }

  runDeferred(): void {
    if (this.#held !== "") this.#putText(this.#takeHeld());
  }

  #writeChunked(chunk: BodyChunk, endStream: boolean): void {
    const length = chunk.byteLength;
    if (length === 0) {
      if (endStream) this.#putText(this.#takeHeld().concat(LAST_CHUNK));
      return;
    }
    const after = endStream ? CHUNK_AND_BODY_END : CHUNK_END;
    const size = chunkHead(length);
    if (length <= COPIED_BYTES_MAX) {
      this.#putText(this.#takeHeld().concat(size, chunk.latin1(), after));
      return;
    }
    this.#putHeldAnd(size, chunk);
    this.#putText(after);
  }

  #takeHeld(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  #putText(text: string): void {
    this.#untouched = false;
    this.#bytesWritten += text.length;
    if (!this.#connection.writeText(text)) this.#full = true;
  }

  #putHeldAnd(more: string, chunk: BodyChunk): void {
    const text = this.#takeHeld().concat(more);
    this.#untouched = false;
    this.#bytesWritten += text.length + chunk.byteLength;
    const taken =
      text === ""
        ? this.#connection.writeChunk(chunk)
        : this.#connection.writeTextAndChunk(text, chunk);
    if (!taken) this.#full = true;
  }
}
