/**
 * One attempt: a request and its response on one connection, as the router sees it. Before there is
 * a connection it keeps what is sent; after that it hands everything to the connection's writer and
 * passes on what the connection's reader found. Made per attempt, never reused.
 * @hot per-request, per-chunk
 */
import { assert } from "../base/assert.ts";
import type { Deferred, Turn } from "../base/turn.ts";
import type { ResponseHead } from "../http/h1/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { BodyChunk } from "../shm/body-chunk.ts";
import { type ExchangeState, nextExchangeState, requestIsComplete } from "./exchange-states.ts";
import { QueuedRequest } from "./queued-request.ts";
import type { EndpointCounts } from "./stats.ts";
import type {
  UpstreamConnectionInfo,
  UpstreamEvents,
  UpstreamRequest,
  UpstreamResetReason,
} from "./types.ts";

/** Ends a body whose last bytes came before its end was known. Never released by us. */
const EMPTY_CHUNK = BodyChunk.ofHeap(new Uint8Array(0));

/** Where a request goes, whatever the protocol. Falsy results: the body is not as announced. */
export interface ExchangeWriter {
  writeHead(headers: HeaderMap, endStream: boolean): boolean;
  writeData(chunk: BodyChunk, endStream: boolean): boolean;
  writeTrailers(trailers: HeaderMap): boolean;
  /** Bytes that have not left. */
  readonly pendingBytes: number;
}

/** What an exchange needs of a response's head. */
export type ExchangeHead = Pick<ResponseHead, "headers" | "status">;

/** What an exchange needs of the connection it has. */
export interface ExchangeConnection {
  readonly writer: ExchangeWriter;
  connectionInfo(poolReadyMs: number): UpstreamConnectionInfo;
  /** Says which request is sent next: the answer to HEAD has no body. */
  expectResponse(method: "HEAD" | "other"): void;
  pause(): void;
  resume(): void;
  /** The exchange is given up: the connection is free when nothing was written, else closed. */
  abandon(): void;
}

/** What an exchange needs of its pool. */
export interface ExchangeOwner {
  readonly bufferBytesMax: number;
  readonly turn: Turn;
  readonly counts: EndpointCounts;
  monotonicMs(): number;
  /** The exchange waits no longer. */
  removeQueued(exchange: Exchange): void;
}

export class Exchange implements UpstreamRequest, Deferred {
  readonly events: UpstreamEvents;
  readonly #owner: ExchangeOwner;
  #state: ExchangeState = "queued";
  #connection: ExchangeConnection | null = null;
  #queued: QueuedRequest | null = null;
  #pauses = 0;
  #above = false;
  #aboveReported = false;
  /** A reset found inside a call, reported when the caller's stack has unwound. */
  #failure: UpstreamResetReason | null = null;
  #failureDetail = "";

  constructor(events: UpstreamEvents, owner: ExchangeOwner) {
    this.events = events;
    this.#owner = owner;
  }

  get isOver(): boolean {
    return this.#state === "ended";
  }

  /** Whether the whole request was handed to the connection. */
  get requestComplete(): boolean {
    return requestIsComplete(this.#state);
  }

  /** Whether the response has begun and is not over. */
  get isResponding(): boolean {
    return this.#state === "early" || this.#state === "receiving";
  }

  // The router's side.

  sendHeaders(headers: HeaderMap, endStream: boolean): void {
    if (this.isOver) return;
    if (this.#state === "queued") {
      this.#queue().addHead(headers, endStream);
      return;
    }
    const connection = this.#connection;
    if (connection !== null) this.#sendHead(connection, headers, endStream, 0);
  }

  sendData(chunk: BodyChunk, endStream: boolean): void {
    if (this.isOver) return;
    if (this.#state === "queued") {
      this.#queue().addData(chunk, endStream);
      this.#setAbove(this.#queue().byteLength > this.#owner.bufferBytesMax);
      return;
    }
    const connection = this.#connection;
    if (connection === null) return;
    assert(!this.requestComplete, "request data after the end of the request");
    if (!connection.writer.writeData(chunk, endStream)) {
      this.#refuse("request body does not match its content-length");
      return;
    }
    this.#afterWrite(connection, endStream);
  }

  sendTrailers(trailers: HeaderMap): void {
    if (this.isOver) return;
    if (this.#state === "queued") {
      this.#queue().addTrailers(trailers);
      return;
    }
    const connection = this.#connection;
    if (connection === null) return;
    assert(!this.requestComplete, "request trailers after the end of the request");
    if (!connection.writer.writeTrailers(trailers)) {
      this.#refuse("request body does not match its content-length");
      return;
    }
    this.#afterWrite(connection, true);
  }

  pauseResponse(): void {
    if (this.isOver) return;
    this.#pauses++;
    if (this.#pauses === 1) this.#connection?.pause();
  }

  resumeResponse(): void {
    if (this.isOver) return;
    assert(this.#pauses > 0, "resume of a response that is not paused");
    this.#pauses--;
    if (this.#pauses === 0) this.#connection?.resume();
  }

  reset(cause?: "timeout"): void {
    this.#failure = null;
    if (this.isOver) return;
    if (cause === "timeout") this.#owner.counts.rqTimeout++;
    const wasQueued = this.#state === "queued";
    this.#state = nextExchangeState(this.#state, "cancel");
    this.#dropQueued();
    if (wasQueued) this.#owner.removeQueued(this);
    else this.#leaveConnection();
  }

  // The connection's and the pool's side.

  /** The exchange has a connection now: what was kept is sent. */
  assign(connection: ExchangeConnection): void {
    this.#state = nextExchangeState(this.#state, "assign");
    this.#connection = connection;
    if (this.#pauses > 0) connection.pause();
    const queued = this.#queued;
    if (queued === null || queued.headers === null) return;
    this.#queued = null;
    const waitedMs = this.#owner.monotonicMs() - queued.sinceMs;
    this.#sendHead(connection, queued.headers, queued.endsWithHead, waitedMs);
    queued.replayBody(this);
    if (!this.isOver && this.#above && connection.writer.pendingBytes === 0) this.onDrained();
  }

  /** The response is complete and the connection is no longer this exchange's. */
  detach(): void {
    this.#connection = null;
  }

  /** Everything written has left for the kernel. */
  onDrained(): void {
    this.#above = false;
    this.#reportWatermark();
  }

  /** Hands over what has arrived of a response that goes on. */
  deliverPart(head: ExchangeHead | null, chunk: BodyChunk | null): void {
    if (head !== null) {
      this.#takeHead(head);
      this.events.onResponseHeaders(head.headers, false);
    }
    if (chunk === null) return;
    if (!this.isOver) this.events.onResponseData(chunk, false);
    chunk.release();
  }

  /** Hands over what was not delivered yet of a response that is complete. Comes after `detach`. */
  deliverEnd(head: ExchangeHead | null, chunk: BodyChunk | null, trailers: HeaderMap | null): void {
    if (head !== null) {
      this.#takeHead(head);
      if (chunk === null && trailers === null) {
        this.#state = nextExchangeState(this.#state, "responseEnd");
        this.events.onResponseHeaders(head.headers, true);
        return;
      }
      this.events.onResponseHeaders(head.headers, false);
    }
    if (!this.isOver && (chunk !== null || trailers === null)) {
      if (trailers === null) this.#state = nextExchangeState(this.#state, "responseEnd");
      this.events.onResponseData(chunk ?? EMPTY_CHUNK, trailers === null);
    }
    if (chunk !== null) chunk.release();
    if (trailers === null || this.isOver) return;
    this.#state = nextExchangeState(this.#state, "responseEnd");
    this.events.onResponseTrailers(trailers);
  }

  /** Ends the attempt. Not to be called from inside one of the router's calls. */
  fail(reason: UpstreamResetReason, detail: string): void {
    if (this.isOver) return;
    if (this.#state !== "early" && this.#state !== "receiving") this.#owner.counts.rqError++;
    this.#state = nextExchangeState(this.#state, "fail");
    this.#connection = null;
    this.#dropQueued();
    this.events.onUpstreamReset(reason, detail);
  }

  runDeferred(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) this.events.onUpstreamReset(failure, this.#failureDetail);
    else this.#reportWatermark();
  }

  #sendHead(
    connection: ExchangeConnection,
    headers: HeaderMap,
    endStream: boolean,
    poolReadyMs: number,
  ): void {
    this.events.onConnectionReady(connection.connectionInfo(poolReadyMs));
    if (this.isOver) return;
    connection.expectResponse(headers.get(":method") === "HEAD" ? "HEAD" : "other");
    this.#state = nextExchangeState(this.#state, endStream ? "headAndEnd" : "head");
    if (!connection.writer.writeHead(headers, endStream)) {
      this.#refuse("request content-length does not match its body");
    }
  }

  #afterWrite(connection: ExchangeConnection, endStream: boolean): void {
    if (endStream) this.#state = nextExchangeState(this.#state, "requestEnd");
    if (connection.writer.pendingBytes > this.#owner.bufferBytesMax) this.#setAbove(true);
  }

  #setAbove(above: boolean): void {
    if (above === this.#above) return;
    this.#above = above;
    this.#owner.turn.schedule(this);
  }

  #reportWatermark(): void {
    if (this.isOver || this.#above === this.#aboveReported) return;
    this.#aboveReported = this.#above;
    if (this.#above) this.events.onRequestHighWatermark();
    else this.events.onRequestLowWatermark();
  }

  #refuse(detail: string): void {
    this.#state = nextExchangeState(this.#state, "fail");
    this.#owner.counts.rqError++;
    this.#failure = "protocolError";
    this.#failureDetail = detail;
    this.#owner.turn.schedule(this);
    this.#leaveConnection();
  }

  #leaveConnection(): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null) connection.abandon();
  }

  #takeHead(head: ExchangeHead): void {
    this.#state = nextExchangeState(this.#state, "responseHead");
    if (head.status >= 500) this.#owner.counts.rqError++;
    else this.#owner.counts.rqSuccess++;
  }

  #queue(): QueuedRequest {
    if (this.#queued === null) this.#queued = new QueuedRequest(this.#owner.monotonicMs());
    return this.#queued;
  }

  #dropQueued(): void {
    if (this.#queued !== null) this.#queued.release();
    this.#queued = null;
  }
}
