/**
 * One request and its response on a client's HTTP/2 connection: events of a `node:http2` stream in,
 * frames out. Made per stream.
 */
import { constants, type ServerHttp2Stream } from "node:http2";
import { fieldsOf, mapOfRaw, trailerFieldsOf } from "../../../http/h2/headers.ts";
import type { HeaderMap } from "../../../http/header-map.ts";
import { BodyChunk } from "../../../shm/body-chunk.ts";
import type { RequestDecoder, ResponseEncoder } from "../types.ts";

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;
const EMPTY_CHUNK = BodyChunk.ofHeap(new Uint8Array(0));

/** The connection, as its exchanges see it. */
export interface H2ExchangeOwner {
  /** Bytes of a response that may wait before its source is paused. */
  readonly bufferBytesMax: number;
  /** The connection is over, and its streams with it. */
  readonly isGone: boolean;
  /** A part of a request's body came. */
  heard(): void;
  /** The stream is closed. `early`: by the client, before it was answered. */
  exchangeClosed(exchange: H2Exchange, end: "done" | "early"): void;
  /** Nothing may begin on the connection any more. */
  retire(): void;
}

export class H2Exchange implements ResponseEncoder {
  /** Set before the request is told. */
  headRequest = false;
  readonly #stream: ServerHttp2Stream;
  readonly #owner: H2ExchangeOwner;
  #decoder: RequestDecoder | null = null;
  #trailersIn: HeaderMap | null = null;
  #trailersOut: HeaderMap | null = null;
  #requestDone: boolean;
  #responseDone = false;
  /** The response has no body, whatever comes (HEAD, 204, 304). */
  #bodyless = false;
  #pauses = 0;
  #high = false;
  readonly #written: BodyChunk[] = [];
  readonly #onWritten = (): void => this.#written.shift()?.release();

  constructor(stream: ServerHttp2Stream, owner: H2ExchangeOwner, endStream: boolean) {
    this.#stream = stream;
    this.#owner = owner;
    this.#requestDone = endStream;
  }

  /** Begins to read the request; its head is told by the caller. */
  start(decoder: RequestDecoder): void {
    const stream = this.#stream;
    this.#decoder = decoder;
    stream.on("trailers", (_fields: object, _flags: number, raw: string[]) => {
      this.#trailersIn = mapOfRaw(raw);
    });
    stream.on("wantTrailers", () => this.#sendTrailers());
    stream.on("drain", () => this.#onDrain());
    stream.on("error", () => undefined);
    stream.on("close", () => this.#onClose());
  }

  /** The body is wanted from now on: called when the head has been told. */
  readBody(): void {
    this.#stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    this.#stream.on("end", () => this.#onEnd());
    if (this.#pauses > 0) this.#stream.pause();
  }

  get pendingBytes(): number {
    return this.#stream.writableLength;
  }

  encodeInformational(headers: HeaderMap): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed || stream.headersSent) return;
    stream.additionalHeaders(fieldsOf(headers));
  }

  encodeHeaders(headers: HeaderMap, endStream: boolean, _close: boolean): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    const status = headers.get(":status");
    this.#bodyless = endStream || this.headRequest || status === "204" || status === "304";
    if (status === "204") headers.remove("content-length");
    try {
      const end = this.#bodyless;
      stream.respond(fieldsOf(headers), { endStream: end, waitForTrailers: !end });
    } catch {
      // A status or field that HTTP/2 does not have.
      this.resetStream();
      return;
    }
    if (endStream) this.#finish();
  }

  encodeData(chunk: BodyChunk, endStream: boolean): void {
    const stream = this.#stream;
    if (chunk.byteLength > 0 && !this.#bodyless && stream.writable) {
      chunk.retain();
      this.#written.push(chunk);
      stream.write(chunk.lastingBytes, this.#onWritten);
    }
    if (endStream) this.#end();
    else if (!this.#high && stream.writableLength > this.#owner.bufferBytesMax) {
      this.#high = true;
      this.#decoder?.onResponseHighWatermark();
    }
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.#trailersOut = trailers;
    this.#end();
  }

  pauseRequest(): void {
    this.#pauses++;
    if (this.#pauses === 1) this.#stream.pause();
  }

  resumeRequest(): void {
    if (this.#pauses === 0) return;
    this.#pauses--;
    if (this.#pauses === 0) this.#stream.resume();
  }

  resetStream(): void {
    this.#responseDone = true;
    if (!this.#stream.destroyed) this.#stream.close(NGHTTP2_INTERNAL_ERROR);
  }

  #end(): void {
    if (!this.#bodyless && this.#stream.writable) this.#stream.end();
    this.#finish();
  }

  /** The response is on its way: what is left of the request is of no use. */
  #finish(): void {
    this.#responseDone = true;
    const stream = this.#stream;
    if (this.#requestDone || stream.destroyed) return;
    stream.resume();
    stream.once("finish", () => {
      if (!this.#requestDone && !stream.destroyed) stream.close(NGHTTP2_NO_ERROR);
    });
  }

  #sendTrailers(): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.sendTrailers(this.#trailersOut === null ? {} : trailerFieldsOf(this.#trailersOut));
  }

  #onData(bytes: Buffer): void {
    this.#owner.heard();
    if (!this.#responseDone) this.#decoder?.onRequestData(BodyChunk.ofHeap(bytes), false);
  }

  #onEnd(): void {
    const stream = this.#stream;
    if (this.#requestDone || stream.aborted || stream.rstCode !== NGHTTP2_NO_ERROR) return;
    this.#requestDone = true;
    if (this.#responseDone) return;
    if (this.#trailersIn === null) this.#decoder?.onRequestData(EMPTY_CHUNK, true);
    else this.#decoder?.onRequestTrailers(this.#trailersIn);
  }

  #onDrain(): void {
    if (!this.#high) return;
    this.#high = false;
    this.#decoder?.onResponseLowWatermark();
  }

  #onClose(): void {
    for (const chunk of this.#written.splice(0)) chunk.release();
    const isEarly = !this.#responseDone;
    const decoder = this.#decoder;
    this.#decoder = null;
    // Harmless for a stream that has ended.
    if (isEarly && this.#owner.isGone) {
      decoder?.onDownstreamReset("DC", "downstream_remote_disconnect");
    } else if (isEarly) decoder?.onDownstreamReset("DR", "http2.remote_reset");
    this.#owner.exchangeClosed(this, isEarly ? "early" : "done");
  }
}
