/**
 * One exchange on an HTTP/2 connection: writes the request as frames, reads the response as events
 * of a `node:http2` stream, and tells the exchange. Made per exchange, never reused.
 */
import { type ClientHttp2Stream, constants } from "node:http2";
import { contentLengthOf } from "../../http/h1/serialise.ts";
import { fieldsOf, mapOfRaw, trailerFieldsOf } from "../../http/h2/headers.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Http2Session } from "../../net/connect-h2.ts";
import { BodyChunk } from "../../shm/body-chunk.ts";
import type { Exchange, ExchangeConnection, ExchangeWriter } from "../exchange.ts";
import type { UpstreamConnectionInfo, UpstreamResetReason } from "../types.ts";

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR } = constants;
const { NGHTTP2_PROTOCOL_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
const NO_LENGTH = -1;

/** The connection, as its streams see it. */
export interface H2StreamOwner {
  /** Null once the connection is gone. */
  readonly session: Http2Session | null;
  /** Whether the socket is there. */
  readonly isConnected: boolean;
  connectionInfo(poolReadyMs: number): UpstreamConnectionInfo;
  /** Whether the response's headers are within the limits. */
  accepts(headers: HeaderMap): boolean;
  /** A part of a response came. */
  heard(): void;
  /** A request was given up that the peer had not answered: is the peer still there? */
  probe(): void;
  /** The stream is over; `reset` when the exchange was not. */
  onStreamDone(stream: H2Stream, reset: "remote" | "local" | null): void;
}

export class H2Stream implements ExchangeConnection, ExchangeWriter {
  readonly #owner: H2StreamOwner;
  #exchange: Exchange | null;
  #stream: ClientHttp2Stream | null = null;
  #trailersIn: HeaderMap | null = null;
  #trailersOut: HeaderMap | null = null;
  #bodyLeft = 0;
  #paused = false;
  #heardHead = false;
  /** Chunks whose bytes the session has not taken yet, oldest first. */
  readonly #written: BodyChunk[] = [];
  readonly #onWritten = (): void => this.#written.shift()?.release();

  constructor(owner: H2StreamOwner, exchange: Exchange) {
    this.#owner = owner;
    this.#exchange = exchange;
  }

  get writer(): ExchangeWriter {
    return this;
  }

  // The exchange's side.

  connectionInfo(poolReadyMs: number): UpstreamConnectionInfo {
    return this.#owner.connectionInfo(poolReadyMs);
  }

  expectResponse(): void {
    // Frames say where a message ends, whatever its method.
  }

  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream?.resume();
  }

  abandon(): void {
    if (this.#exchange === null) return;
    this.#end("local");
    this.#reset(NGHTTP2_CANCEL);
    if (!this.#heardHead) this.#owner.probe();
  }

  get pendingBytes(): number {
    return this.#stream?.writableLength ?? 0;
  }

  writeHead(headers: HeaderMap, endStream: boolean): boolean {
    const length = contentLengthOf(headers);
    this.#bodyLeft = length === NO_LENGTH ? Number.POSITIVE_INFINITY : length;
    const hasLength = Number.isFinite(this.#bodyLeft);
    if (length < NO_LENGTH || (endStream && hasLength && length !== 0)) return false;
    const { session } = this.#owner;
    // The connection is closing: what has become of the exchange is told when it is closed.
    if (session === null || session.closed || session.destroyed) return true;
    const fields = fieldsOf(headers);
    fields[":scheme"] ??= "http";
    const waitForTrailers = !endStream && this.#exchange?.events.requestTrailers !== "never";
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(fields, { endStream, waitForTrailers });
    } catch {
      // A pseudo-header that HTTP/2 does not know, and the like.
      return false;
    }
    this.#stream = stream;
    this.#listen(stream);
    if (this.#paused) stream.pause();
    return true;
  }

  writeData(chunk: BodyChunk, endStream: boolean): boolean {
    this.#bodyLeft -= chunk.byteLength;
    const isShort = endStream && Number.isFinite(this.#bodyLeft) && this.#bodyLeft !== 0;
    if (this.#bodyLeft < 0 || isShort) return false;
    const stream = this.#stream;
    if (stream === null || !stream.writable) return true;
    if (chunk.byteLength > 0) {
      chunk.retain();
      this.#written.push(chunk);
      stream.write(chunk.lastingBytes, this.#onWritten);
    }
    if (endStream) stream.end();
    return true;
  }

  writeTrailers(trailers: HeaderMap): boolean {
    this.#trailersOut = trailers;
    if (this.#stream?.writable === true) this.#stream.end();
    return !Number.isFinite(this.#bodyLeft) || this.#bodyLeft === 0;
  }

  // The connection's side.

  /** The connection is gone; `reset`: who counts as having reset the exchange. */
  fail(reason: UpstreamResetReason, detail: string, reset: "remote" | null = "remote"): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#end(reset);
    exchange.fail(reason, detail);
  }

  // The stream's side.

  #listen(stream: ClientHttp2Stream): void {
    stream.on("headers", (_fields: object, _flags: number, raw: string[]) => {
      this.#exchange?.events.onInformational(mapOfRaw(raw));
    });
    stream.on("response", (_fields: object, flags: number, raw: string[]) =>
      this.#onResponse(flags, raw),
    );
    stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    stream.on("trailers", (_fields: object, _flags: number, raw: string[]) => {
      this.#trailersIn = mapOfRaw(raw);
    });
    stream.on("end", () => this.#onEnd());
    stream.on("drain", () => this.#exchange?.onDrained());
    stream.on("wantTrailers", () => this.#sendTrailers(stream));
    // The reason is read when the stream closes.
    stream.on("error", () => undefined);
    stream.on("close", () => this.#onClose(stream));
  }

  #onResponse(flags: number, raw: readonly string[]): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#owner.heard();
    const headers = mapOfRaw(raw);
    if (!this.#owner.accepts(headers)) {
      this.#violation(exchange, "response headers are too large");
      return;
    }
    this.#heardHead = true;
    const head = { headers, status: Number(headers.get(":status")) };
    if ((flags & NGHTTP2_FLAG_END_STREAM) === 0) {
      exchange.deliverPart(head, null);
      return;
    }
    this.#complete(exchange);
    exchange.deliverEnd(head, null, null);
  }

  #onData(bytes: Buffer): void {
    this.#owner.heard();
    const exchange = this.#exchange;
    if (exchange?.isResponding === true) exchange.deliverPart(null, BodyChunk.ofHeap(bytes));
  }

  #onEnd(): void {
    const exchange = this.#exchange;
    // A stream that was reset ends as well; its close tells.
    if (exchange === null || !exchange.isResponding || this.#stream?.aborted === true) return;
    if ((this.#stream?.rstCode ?? NGHTTP2_NO_ERROR) !== NGHTTP2_NO_ERROR) return;
    this.#complete(exchange);
    exchange.deliverEnd(null, null, this.#trailersIn);
  }

  /** What the upstream sent is no response. */
  #violation(exchange: Exchange, detail: string): void {
    this.#end("local");
    this.#reset(NGHTTP2_PROTOCOL_ERROR);
    exchange.fail("protocolError", detail);
  }

  /** The response is whole: what is left of the request is of no use. */
  #complete(exchange: Exchange): void {
    const isWhole = exchange.requestComplete;
    exchange.detach();
    this.#end(null);
    if (!isWhole) this.#reset(NGHTTP2_CANCEL);
  }

  /**
   * Not at once: where the session is just reading the end of this stream, Node 22 and later would
   * ask the stream that they have destroyed for its trailers, and abort the process for that.
   */
  #reset(code: number): void {
    const stream = this.#stream;
    if (stream !== null) setImmediate(() => stream.close(code));
  }

  #sendTrailers(stream: ClientHttp2Stream): void {
    if (stream.destroyed || stream.closed) return;
    const trailers = this.#trailersOut;
    stream.sendTrailers(trailers === null ? {} : trailerFieldsOf(trailers));
  }

  #onClose(stream: ClientHttp2Stream): void {
    for (const chunk of this.#written.splice(0)) chunk.release();
    if (this.#exchange === null) return;
    if (!this.#owner.isConnected) this.fail("connectionTermination", "");
    else this.fail(reasonOf(stream.rstCode), `HTTP/2 error code ${stream.rstCode ?? 0}`);
  }

  #end(reset: "remote" | "local" | null): void {
    this.#exchange = null;
    this.#owner.onStreamDone(this, reset);
  }
}

function reasonOf(code: number | undefined): UpstreamResetReason {
  if (code === NGHTTP2_REFUSED_STREAM) return "remoteRefused";
  return code === NGHTTP2_PROTOCOL_ERROR ? "protocolError" : "remoteReset";
}
