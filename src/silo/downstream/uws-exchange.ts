/**
 * One request and its response on uWS. uWS's response object is dead after abort and after the end;
 * the handle is given up at that moment, so nothing can touch it. Thread: one silo.
 * uWS wants functions per request, which are made here once and never per chunk.
 * @hot per-request, per-chunk
 */
import { assert } from "../../base/assert.ts";
import { Logger } from "../../base/log.ts";
import { contentLengthOf } from "../../http/h1/serialise.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { BodyChunk } from "../../shm/body-chunk.ts";
import type { HttpManager } from "../http-manager.ts";
import type { RequestDecoder, ResponseEncoder } from "./types.ts";
import { UwsBody } from "./uws-body.ts";
import { UwsHead } from "./uws-head.ts";
import type { UwsResponseHandle } from "./uws-library.ts";

const log = new Logger("http");

const NONE = 0;
const LENGTH = 1;
const CHUNKED = 2;

/** Told once, when uWS's object is dead. */
export interface ExchangeOwner {
  exchangeEnded(exchange: UwsExchange): void;
}

export class UwsExchange implements ResponseEncoder {
  headRequest = false;
  /**
   * The request was refused: its end is unknown, so the connection must end with the response. uWS
   * closes by itself only where it gets the response in one piece, so the body is collected.
   */
  refused = false;
  readonly #manager: HttpManager;
  readonly #owner: ExchangeOwner;
  /** Null once uWS's object is dead. */
  #handle: UwsResponseHandle | null;
  #stream: RequestDecoder | null = null;
  #requestOpen = false;
  #pauses = 0;
  readonly #head = new UwsHead();
  readonly #body = new UwsBody();
  #headHeld = false;
  #framing = NONE;
  #left = 0;
  #close = false;
  #ending = false;
  #high = false;
  #collected: Uint8Array[] = [];
  /** The chunk that the corked write is about; null: the head or the end alone. */
  #chunk: BodyChunk | null = null;
  /** A head whose body lets itself wait goes out alone where uWS can end it without a body. */
  readonly #flush = (): void => {
    const handle = this.#handle;
    if (handle === null || !this.#headHeld || this.refused) return;
    const canBegin = this.#framing === CHUNKED && handle.beginWrite !== undefined;
    if (canBegin || (this.#framing === LENGTH && this.#left > 0)) handle.cork(this.#corked);
  };
  readonly #corked = (): void => this.#write();

  constructor(handle: UwsResponseHandle, manager: HttpManager, owner: ExchangeOwner) {
    this.#handle = handle;
    this.#manager = manager;
    this.#owner = owner;
    handle.onAborted(() => this.#aborted());
  }

  get alive(): boolean {
    return this.#handle !== null;
  }

  /** Connects the stream; with `body`, request data follows. Call inside uWS's handler. */
  open(stream: RequestDecoder, body: boolean): void {
    assert(this.#stream === null, "a uWS exchange has one stream");
    this.#stream = stream;
    this.#requestOpen = body;
    if (body) this.#handle?.onData((bytes, isLast) => this.#data(bytes, isLast));
  }

  /** Ends the connection at once, whatever is under way. */
  destroy(): void {
    if (this.#handle === null) return;
    this.#kill();
    this.#stream?.onDownstreamReset("DC", "downstream_remote_disconnect");
  }

  #aborted(): void {
    if (this.#handle === null) return;
    this.#manager.stats.downstream_cx_destroy_remote_active_rq.inc();
    this.#release();
    this.#stream?.onDownstreamReset("DC", "downstream_remote_disconnect");
  }

  #data(bytes: ArrayBuffer, isLast: boolean): void {
    const stream = this.#stream;
    if (this.#handle === null || stream === null || !this.#requestOpen) return;
    if (bytes.byteLength > 0) {
      // uWS takes the bytes back when this call returns.
      const chunk = BodyChunk.ofHeap(new Uint8Array(bytes.slice(0)));
      stream.onRequestData(chunk, false);
      chunk.release();
    }
    if (!isLast || this.#handle === null) return;
    this.#requestDone();
    stream.onRequestData(this.#manager.silo.emptyChunk, true);
  }

  /** A paused connection would neither read the next request nor see the client go. */
  #requestDone(): void {
    this.#requestOpen = false;
    if (this.#pauses > 0) this.#handle?.resume();
    this.#pauses = 0;
  }

  // --- ResponseEncoder ----------------------------------------------------------------------

  get pendingBytes(): number {
    return this.#body.pendingBytes;
  }

  /** uWS answers `expect: 100-continue` itself and can send no other interim response. */
  encodeInformational(_headers: HeaderMap): void {}

  encodeHeaders(headers: HeaderMap, endStream: boolean, close: boolean): void {
    if (this.#handle === null) return;
    const status = headers.get(":status") as string;
    const length = contentLengthOf(headers);
    this.#head.take(status, headers);
    this.#close = close || this.refused;
    this.#headHeld = true;
    if (this.headRequest || status === "204" || status === "304") {
      this.#framing = NONE;
      if (status !== "204" && length >= 0 && !this.refused)
        this.#head.add("content-length", String(length));
    } else {
      this.#framing = length >= 0 || endStream ? LENGTH : CHUNKED;
      this.#left = endStream ? 0 : Math.max(length, 0);
      this.#body.totalBytes = this.#framing === LENGTH ? this.#left : -1;
    }
    if (endStream) this.#finish();
    else process.nextTick(this.#flush);
  }

  encodeData(chunk: BodyChunk, endStream: boolean): void {
    const handle = this.#handle;
    if (handle === null) return;
    if (chunk.byteLength > 0 && this.#framing !== NONE) {
      if (this.#framing === LENGTH) this.#left -= chunk.byteLength;
      // More than the announced length would be read as the next response.
      if (this.#left < 0) this.#kill();
      else if (this.refused) this.#collected.push(chunk.bytes.slice());
      // Head and body are there: in one piece, uWS can close the connection itself.
      else if (this.#headHeld && endStream && this.#left === 0) this.#collected.push(chunk.bytes);
      else this.#corkChunk(handle, chunk);
    }
    if (this.#handle === null) return;
    if (endStream) this.#finish();
    else this.#checkHigh();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.#handle === null) return;
    log.debug(`uws: ${trailers.count} response trailer(s) dropped: uWS cannot send any`);
    this.#finish();
  }

  pauseRequest(): void {
    if (this.#handle === null || !this.#requestOpen) return;
    this.#pauses++;
    if (this.#pauses === 1) this.#handle.pause();
  }

  resumeRequest(): void {
    if (this.#handle === null || this.#pauses === 0) return;
    this.#pauses--;
    if (this.#pauses === 0) this.#handle.resume();
  }

  resetStream(): void {
    if (this.#handle !== null) this.#kill();
  }

  // --- writing ------------------------------------------------------------------------------

  #corkChunk(handle: UwsResponseHandle, chunk: BodyChunk): void {
    this.#chunk = chunk;
    handle.cork(this.#corked);
    this.#chunk = null;
    if (this.#body.complete) this.#release();
  }

  #finish(): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#ending = true;
    if (this.#body.pendingBytes > 0) return;
    if (this.#framing === LENGTH && this.#left > 0) {
      // The client must not take the next response for the rest of this one.
      this.#kill();
      return;
    }
    if (this.#pauses > 0) handle.resume();
    handle.cork(this.#corked);
    this.#release();
  }

  /** Runs corked: what is written leaves in one segment. */
  #write(): void {
    const handle = this.#handle;
    if (handle === null) return;
    const chunk = this.#chunk;
    const last = this.#ending && chunk === null;
    if (this.#headHeld) {
      this.#headHeld = false;
      const inOnePiece = last && (this.#framing !== NONE || this.refused);
      // uWS adds the field itself to a response in one piece.
      if (this.#close && !inOnePiece) this.#head.add("connection", "close");
      this.#head.write(handle);
      if (inOnePiece) {
        handle.end(joined(this.#collected), this.#close);
        return;
      }
      if (!last) handle.onWritable(() => this.#writable());
    }
    if (chunk !== null) this.#body.push(handle, chunk);
    else if (!last) this.#begin(handle);
    else if (this.#framing === NONE) handle.endWithoutBody();
    else handle.end();
  }

  /** Ends the head. */
  #begin(handle: UwsResponseHandle): void {
    if (this.#framing === LENGTH) handle.tryEnd("", this.#body.totalBytes);
    else handle.beginWrite?.();
  }

  /** @returns whether everything was written, as uWS wants to know. */
  #writable(): boolean {
    const handle = this.#handle;
    if (handle === null) return true;
    this.#body.drain(handle);
    if (this.#body.complete) {
      this.#release();
      return true;
    }
    if (this.#body.blocked) return false;
    if (this.#ending) {
      this.#finish();
    } else if (this.#high) {
      this.#high = false;
      this.#stream?.onResponseLowWatermark();
    }
    return true;
  }

  #checkHigh(): void {
    if (this.#high || this.pendingBytes <= this.#manager.listener.perConnectionBufferBytes) return;
    this.#high = true;
    this.#stream?.onResponseHighWatermark();
  }

  /** Closes the connection. The abort that uWS reports finds no handle any more. */
  #kill(): void {
    const handle = this.#handle as UwsResponseHandle;
    this.#release();
    handle.close();
  }

  #release(): void {
    this.#handle = null;
    this.#body.discard();
    this.#collected = [];
    this.#owner.exchangeEnded(this);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array | string {
  const first = parts[0];
  if (first === undefined) return "";
  return parts.length === 1 ? first : Buffer.concat(parts);
}
