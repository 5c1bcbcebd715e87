/**
 * One request and its response on uWS; each connection reuses one. uWS's response object is dead
 * after abort and after the end; the handle is given up at that moment, so nothing can touch it.
 * Thread: one silo. @hot per-request, per-chunk
 */
import { assert } from "../../base/assert.ts";
import { Logger } from "../../base/log.ts";
import type { Deferred } from "../../base/turn.ts";
import { contentLengthOf } from "../../http/h1/serialise.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { BodyChunk } from "../../shm/body-chunk.ts";
import type { BodySlab } from "../../shm/body-slab.ts";
import type { HttpManager } from "../http-manager.ts";
import { Timeout, type TimeoutOwner } from "../timer-wheel.ts";
import type { RequestDecoder, ResponseEncoder } from "./types.ts";
import { joined, ownChunk, UwsBody } from "./uws-body.ts";
import { CLOSE_LINE, uwsHead, wireText } from "./uws-head.ts";
import type { UwsResponseHandle } from "./uws-library.ts";

const log = new Logger("http");

const NONE = 0;
const LENGTH = 1;
const CHUNKED = 2;
/** Larger bodies are given in parts, for uWS copies and keeps what the client does not take. */
const ONE_PIECE_BYTES_MAX = 16_384;

/** What carries the exchange. */
export interface ExchangeOwner {
  /** Makes the streams that begin now. */
  readonly manager: HttpManager;
  readonly slab: BodySlab;
  /** Nobody knows the connection, so that only uWS can close it. */
  readonly isUnknown: boolean;
  /** A call follows that may complete the response. */
  responseEnding(): void;
  /** uWS completed the response and forgot its handlers. What was written may still be corked. */
  responseEnded(): void;
  /**
   * Follows `responseEnded`. `close`: nothing may come after it on this connection; `linger`: the
   * client still sends, or has not taken all.
   */
  responseDone(close: boolean, linger: boolean): void;
}

export class UwsExchange implements ResponseEncoder, TimeoutOwner, Deferred {
  headRequest = false;
  /** May the connection serve another request after this response? */
  keepAlive = true;
  /** The client does not ask for the end of the connection. */
  clientKeeps = true;
  /** uWS closes the connection itself: it saw the client's wish. */
  uwsCloses = false;
  /**
   * The request was refused: its end is unknown, so the connection must end with the response. uWS
   * closes by itself only where it gets the response in one piece, so the body is collected.
   */
  refused = false;
  #owner: ExchangeOwner;
  /** Null once uWS's object is dead. */
  #handle: UwsResponseHandle | null = null;
  #stream: RequestDecoder | null = null;
  #requestOpen = false;
  #pauses = 0;
  #head = "";
  readonly #body = new UwsBody();
  readonly #held = new Timeout(this, 0);
  #headHeld = false;
  #framing = NONE;
  #left = 0;
  #close = false;
  #ending = false;
  #complete = false;
  #high = false;
  #collected: Uint8Array[] = [];
  /** The chunk that the corked write is about; null: the head or the end alone. */
  #chunk: BodyChunk | null = null;
  readonly #corked = (): void => this.#write();
  readonly #onWritable = (): boolean => this.#writable();

  constructor(owner: ExchangeOwner) {
    this.#owner = owner;
  }

  /** Begins with uWS's response object for a request. Its abort must be told by `aborted`. */
  start(handle: UwsResponseHandle): void {
    assert(this.#handle === null, "a uWS connection has one exchange at a time");
    this.#handle = handle;
    this.#stream = null;
    this.headRequest = false;
    this.keepAlive = true;
    this.clientKeeps = true;
    this.uwsCloses = false;
    this.refused = false;
    this.#requestOpen = false;
    this.#pauses = 0;
    this.#headHeld = false;
    this.#left = 0;
    this.#ending = false;
    this.#complete = false;
    this.#high = false;
    this.#body.reset();
  }

  /** The connection became known. */
  moveTo(owner: ExchangeOwner): void {
    this.#owner = owner;
  }

  /** Hears the request's data itself, for no connection does. */
  listen(): void {
    this.#handle?.onData((bytes, isLast) => this.data(bytes, isLast));
  }

  get alive(): boolean {
    return this.#handle !== null;
  }

  /** The stream holds the request back: uWS neither reads nor sees the client go. */
  get paused(): boolean {
    return this.#pauses > 0;
  }

  /** Connects the stream; with `body`, request data follows. */
  open(stream: RequestDecoder, body: boolean): void {
    this.#stream = stream;
    this.#requestOpen = body;
  }

  /** uWS's object died without our doing. */
  aborted(): void {
    if (this.#handle === null) return;
    this.#giveUp();
    this.#stream?.onDownstreamReset("DC", "downstream_remote_disconnect");
  }

  /** A part of the request's body, uWS's memory; the last one may be empty. */
  data(bytes: ArrayBuffer, isLast: boolean): void {
    const stream = this.#stream;
    if (this.#handle === null || stream === null || !this.#requestOpen) return;
    if (this.#ending) {
      if (isLast) this.#endHold();
      return;
    }
    for (let at = 0; at < bytes.byteLength && this.#handle !== null; ) {
      const chunk = ownChunk(this.#owner.slab, bytes, at);
      at += chunk.byteLength;
      stream.onRequestData(chunk, false);
      chunk.release();
    }
    if (!isLast || this.#handle === null) return;
    this.#requestDone();
    stream.onRequestData(this.#owner.manager.silo.emptyChunk, true);
  }

  /** A paused connection would neither read the next request nor see the client go. */
  #requestDone(): void {
    this.#requestOpen = false;
    if (this.#pauses > 0) this.#handle?.resume();
    this.#pauses = 0;
  }

  /** A head whose body lets itself wait goes out alone where uWS can end it without a body. */
  runDeferred(): void {
    const handle = this.#handle;
    if (handle === null || !this.#headHeld || this.refused) return;
    const canBegin = this.#framing === CHUNKED && handle.beginWrite !== undefined;
    if (canBegin || (this.#framing === LENGTH && this.#left > 0)) handle.cork(this.#corked);
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
    this.#head = uwsHead(status, headers);
    this.#close = close || this.refused || !this.keepAlive;
    this.#headHeld = true;
    if (this.headRequest || status === "204" || status === "304") {
      this.#framing = NONE;
      if (status !== "204" && length >= 0 && !this.refused)
        this.#head += "\r\ncontent-length: " + length;
    } else {
      this.#framing = length >= 0 || endStream ? LENGTH : CHUNKED;
      this.#left = endStream ? 0 : Math.max(length, 0);
      this.#body.totalBytes = this.#framing === LENGTH ? this.#left : -1;
    }
    if (endStream) this.#finish();
    else this.#owner.manager.silo.turn.schedule(this);
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
      else if (this.#isWhole(chunk, endStream)) this.#collected.push(chunk.lastingBytes);
      else this.#corkChunk(handle, chunk);
    }
    if (this.#handle === null) return;
    if (endStream) this.#finish();
    else this.#checkHigh();
  }

  #isWhole(chunk: BodyChunk, endStream: boolean): boolean {
    if (!this.#headHeld || !endStream || this.#left > 0) return false;
    return chunk.byteLength <= ONE_PIECE_BYTES_MAX;
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
    if (this.#complete) this.#done();
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
    this.#pauses = 0;
    if (this.#requestOpen && this.uwsCloses && !this.refused) {
      this.#hold();
      return;
    }
    handle.cork(this.#corked);
    if (this.#complete) this.#done();
  }

  /**
   * uWS would close behind the response while the client still sends, and the reset for that may
   * take the response from the client. So the end waits for the end of the request, for some time.
   */
  #hold(): void {
    const { silo, hcm } = this.#owner.manager;
    if (hcm.delayedCloseTimeoutMs > 0) silo.wheel.set(this.#held, hcm.delayedCloseTimeoutMs);
    else this.#endHold();
  }

  #endHold(): void {
    this.#requestOpen = false;
    if (this.#handle !== null && this.#ending) this.#finish();
  }

  onTimeout(): void {
    this.#endHold();
  }

  /** Runs corked: what is written leaves in one segment. */
  #write(): void {
    const handle = this.#handle;
    if (handle === null) return;
    const chunk = this.#chunk;
    const last = this.#ending && chunk === null;
    this.#owner.responseEnding();
    if (this.#headHeld && this.#writeHead(handle, last)) return;
    if (chunk !== null) {
      this.#body.push(handle, chunk);
      if (this.#body.complete) this.#completed();
    } else if (!last) {
      this.#begin(handle);
    } else {
      if (this.#framing === NONE) handle.endWithoutBody();
      else handle.end();
      this.#completed();
    }
  }

  /** @returns whether that was the whole response. */
  #writeHead(handle: UwsResponseHandle, last: boolean): boolean {
    this.#headHeld = false;
    const inOnePiece = last && (this.#framing === LENGTH || this.refused);
    const isAlone = this.#owner.isUnknown || this.refused;
    // Where uWS is to close, it adds the field itself, unless the client sent it.
    const uwsSays = inOnePiece && isAlone && !this.uwsCloses;
    if (this.#close && !uwsSays) this.#head += CLOSE_LINE;
    handle.writeStatus(wireText(this.#head));
    if (inOnePiece) {
      handle.end(joined(this.#collected), this.#close && isAlone);
      this.#completed();
      return true;
    }
    if (!last) handle.onWritable(this.#onWritable);
    else for (const bytes of this.#collected) handle.write(bytes);
    return false;
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
    this.#owner.responseEnding();
    this.#body.drain(handle);
    if (this.#body.complete) {
      this.#completed();
      this.#done();
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
    if (this.#high || this.pendingBytes <= this.#owner.manager.listener.perConnectionBufferBytes)
      return;
    this.#high = true;
    this.#stream?.onResponseHighWatermark();
  }

  /** uWS's object is dead; called before anything else happens, perhaps corked. */
  #completed(): void {
    this.#complete = true;
    this.#handle = null;
    this.#owner.responseEnded();
  }

  #done(): void {
    const close = this.#close || this.#requestOpen;
    const linger = this.#requestOpen || this.#body.wasBlocked;
    this.#giveUp();
    this.#owner.responseDone(close, linger);
  }

  /** Closes the connection. The abort that uWS reports finds no handle any more. */
  #kill(): void {
    const handle = this.#handle as UwsResponseHandle;
    this.#giveUp();
    handle.close();
  }

  #giveUp(): void {
    this.#handle = null;
    this.#complete = false;
    this.#requestOpen = false;
    this.#pauses = 0;
    if (this.#held.pending) this.#owner.manager.silo.wheel.cancel(this.#held);
    this.#body.discard();
    if (this.#collected.length > 0) this.#collected = [];
  }
}
