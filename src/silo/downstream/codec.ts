/**
 * One client connection on Granary's own HTTP/1.1 codec: bytes in, one stream at a time, bytes out.
 * Pipelined requests wait, unread where possible, until the response before them is complete.
 * Thread: one silo. @hot per-request, per-chunk
 */
import { RequestParser } from "../../http/h1/request-parser.ts";
import type { MessageEvents, RequestHead } from "../../http/h1/types.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { HttpStats, ListenerStats } from "../../metrics/catalogue.ts";
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import type { Connection, ConnectionEvents } from "../../net/types.ts";
import { BodyChunk } from "../../shm/body-chunk.ts";
import type { HttpManager } from "../http-manager.ts";
import type { DownstreamInfo } from "../stream-info.ts";
import { Timeout, type TimeoutOwner } from "../timer-wheel.ts";
import {
  type ClientConnection,
  type ConnectionOwner,
  countClosed,
  countOpened,
  downstreamInfoOf,
} from "./client-connection.ts";
import { CodecResponse } from "./codec-response.ts";
import type { RequestDecoder, RequestMeta } from "./types.ts";

const IDLE = 0;
const HEADERS = 1;
const LIFETIME = 2;
const DRAIN = 3;
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const EMPTY = new Uint8Array(0);

export class CodecConnection
  implements ClientConnection, ConnectionEvents, MessageEvents<RequestHead>, TimeoutOwner
{
  /** Monotonic milliseconds when it was accepted. */
  startMs = 0;
  readonly #owner: ConnectionOwner;
  readonly #parser: RequestParser;
  /** Where this connection is counted, to its end; the manager may be replaced meanwhile. */
  readonly #stats: HttpStats;
  readonly #listenerStats: ListenerStats;
  readonly #idle = new Timeout(this, IDLE);
  readonly #headers = new Timeout(this, HEADERS);
  readonly #lifetime = new Timeout(this, LIFETIME);
  readonly #drain = new Timeout(this, DRAIN);
  #connection: Connection | null = null;
  /** What a PROXY header said; null: the connection's own addresses hold. */
  #proxied: ProxiedAddresses | null = null;
  #info: DownstreamInfo | null = null;
  #response: CodecResponse | null = null;
  #stream: RequestDecoder | null = null;
  /** The buffer being parsed, and whether it is a heap copy of bytes that came too early. */
  #buffer: Uint8Array = EMPTY;
  #early: Uint8Array | null = null;
  #parsingEarly = false;
  #parsing = false;
  #requestOpen = false;
  #responseOpen = false;
  #sawTrailers = false;
  #closing = false;
  #isHttp1 = false;
  #lastRequest = false;
  #requestCount = 0;
  #pauses = 0;
  readonly #resumeEarly = (): void => this.#parseEarly();

  constructor(owner: ConnectionOwner) {
    const { manager } = owner;
    this.#stats = manager.stats;
    this.#listenerStats = manager.listenerStats;
    this.#owner = owner;
    const { hcm } = manager;
    const limits = {
      headBytesMax: hcm.maxRequestHeadersBytes,
      headersCountMax: hcm.maxHeadersCount,
    };
    const scheme = manager.chain.tls === null ? "http" : "https";
    this.#parser = new RequestParser(limits, this, scheme);
  }

  /** What streams that begin now belong to. */
  get manager(): HttpManager {
    return this.#owner.manager;
  }

  /** The connection whose events this object gets. Called once, before any event. */
  attach(connection: Connection, proxied: ProxiedAddresses | null): void {
    this.#proxied = proxied;
    const manager = this.#owner.manager;
    this.#connection = connection;
    this.startMs = manager.silo.clock.monotonicMs();
    countOpened(this.#stats, this.#listenerStats);
    this.#armIdle();
    const { maxConnectionDurationMs } = manager.hcm;
    if (maxConnectionDurationMs > 0)
      manager.silo.wheel.set(this.#lifetime, maxConnectionDurationMs);
  }

  /** The client turned out to speak HTTP/1. */
  speakHttp1(): void {
    this.#isHttp1 = true;
    this.#stats.downstream_cx_http1_total.inc();
    this.#stats.downstream_cx_http1_active.inc();
  }

  /** The client turned out to speak HTTP/2: another object serves and counts it from now on. */
  handOver(): void {
    const { wheel } = this.#owner.manager.silo;
    this.#closing = true;
    wheel.cancel(this.#idle);
    wheel.cancel(this.#lifetime);
  }

  /** What streams are told of the connection. */
  get info(): DownstreamInfo {
    const { silo } = this.#owner.manager;
    this.#info ??= downstreamInfoOf(
      silo.nextConnectionId(),
      this.#connection as Connection,
      this.#proxied,
    );
    return this.#info;
  }

  get busy(): boolean {
    return this.#requestOpen || this.#responseOpen;
  }

  /** The listener drains: an idle connection ends now, another one after its response. */
  drain(): void {
    this.#lastRequest = true;
    if (!this.busy && !this.#parser.midMessage) this.close();
    else if (this.#response !== null) this.#response.keepAlive = false;
  }

  close(): void {
    this.#closing = true;
    this.#connection?.closeAfterFlush(this.#owner.manager.hcm.delayedCloseTimeoutMs);
  }

  destroy(): void {
    this.#connection?.destroy();
  }

  // --- ConnectionEvents ---------------------------------------------------------------------

  onBytes(buffer: Uint8Array, length: number): void {
    if (this.#closing) return;
    const { turn } = this.#owner.manager.silo;
    turn.enter();
    this.#read(buffer, length);
    turn.leave();
  }

  #read(buffer: Uint8Array, length: number): void {
    if (this.#early !== null || (this.#responseOpen && !this.#requestOpen)) {
      this.#keepEarly(buffer, 0, length);
      return;
    }
    this.#buffer = buffer;
    this.#parse(0, length);
  }

  onPeerEnd(): void {
    // As Envoy: a client that closes its side is gone, whatever it still waits for.
    this.#connection?.destroy();
  }

  bodyLeft(): number {
    return this.#early === null && this.#requestOpen ? this.#parser.bodyLeft : 0;
  }

  onWritable(): void {
    this.#response?.onWritable(this.#stream);
  }

  onClose(_error: Error | null): void {
    const { silo } = this.#owner.manager;
    const stats = this.#stats;
    const connection = this.#connection as Connection;
    silo.wheel.cancel(this.#idle);
    silo.wheel.cancel(this.#headers);
    silo.wheel.cancel(this.#lifetime);
    silo.wheel.cancel(this.#drain);
    const stream = this.#stream;
    this.#stream = null;
    this.#closing = true;
    stats.downstream_cx_destroy.inc();
    if (stream !== null) {
      if (this.busy) stats.downstream_cx_destroy_remote_active_rq.inc();
      // Harmless for a stream that has ended.
      stream.onDownstreamReset("DC", "downstream_remote_disconnect");
    }
    if (this.#isHttp1) stats.downstream_cx_http1_active.dec();
    countClosed(stats, this.#listenerStats, {
      receivedBytes: connection.bytesReceived,
      sentBytes: connection.bytesSent,
      lengthMs: silo.clock.monotonicMs() - this.startMs,
    });
    this.#owner.connectionClosed(this);
  }

  #parse(start: number, end: number): void {
    const { wheel } = this.#owner.manager.silo;
    if (!this.busy) {
      wheel.cancel(this.#idle);
      const { requestHeadersTimeoutMs } = this.#owner.manager.hcm;
      if (requestHeadersTimeoutMs > 0 && !this.#headers.pending) {
        wheel.set(this.#headers, requestHeadersTimeoutMs);
      }
    }
    this.#parsing = true;
    const consumed = this.#parser.execute(this.#buffer, start, end);
    this.#parsing = false;
    if (consumed < 0) this.#malformed();
    else if (consumed < end && !this.#closing) this.#keepEarly(this.#buffer, consumed, end);
    this.#settle();
  }

  #malformed(): void {
    const error = this.#parser.error;
    if (error === null || this.#closing) return;
    this.#stats.downstream_cx_protocol_error.inc();
    const stream = this.#stream ?? this.#newStream(11, false, null);
    stream.onProtocolError(error.status, error.details);
    // Whatever the answer was, these bytes can be no further request.
    if (!this.#closing) this.close();
  }

  #keepEarly(buffer: Uint8Array, start: number, end: number): void {
    const before = this.#early;
    const size = end - start;
    const kept = new Uint8Array((before?.byteLength ?? 0) + size);
    if (before !== null) kept.set(before, 0);
    kept.set(buffer.subarray(start, end), before?.byteLength ?? 0);
    if (before === null) this.#connection?.pause();
    this.#early = kept;
  }

  #parseEarly(): void {
    const early = this.#early;
    if (early === null || this.busy || this.#closing) return;
    this.#early = null;
    this.#buffer = early;
    this.#parsingEarly = true;
    this.#parse(0, early.byteLength);
    this.#parsingEarly = false;
    if (this.#early === null) this.#connection?.resume();
  }

  onHead(head: RequestHead): void {
    const { silo, hcm } = this.#owner.manager;
    silo.wheel.cancel(this.#headers);
    this.#requestCount++;
    const body = head.framing === "chunked" || head.contentLength > 0;
    this.#requestOpen = body;
    this.#sawTrailers = false;
    const upgrade = head.upgrade;
    const stream = this.#newStream(head.version, head.expectContinue, upgrade);
    const last =
      hcm.maxRequestsPerConnection > 0 && this.#requestCount >= hcm.maxRequestsPerConnection;
    const response = this.#response as CodecResponse;
    response.keepAlive =
      head.keepAlive && !last && upgrade === null && !this.#lastRequest && !this.#drain.pending;
    response.headRequest = head.headers.get(":method") === "HEAD";
    if (body) {
      this.#connection?.expectBody();
      if (head.expectContinue) this.#connection?.writeText(CONTINUE);
    }
    stream.onRequestHeaders(head.headers, !body);
  }

  #newStream(version: number, expectContinue: boolean, upgrade: string | null): RequestDecoder {
    const { clock } = this.#owner.manager.silo;
    const connection = this.#connection as Connection;
    this.#response ??= new CodecResponse(connection, this);
    this.#response.start(version);
    this.#responseOpen = true;
    const meta: RequestMeta = { version, expectContinue, upgrade, startMs: clock.monotonicMs() };
    const stream = this.#owner.manager.newStream(this.#response, this.info, meta);
    this.#stream = stream;
    return stream;
  }

  onBody(start: number, end: number): void {
    const stream = this.#stream;
    if (stream === null || !this.#responseOpen) return;
    const chunk = this.#parsingEarly
      ? BodyChunk.ofHeap(this.#buffer.slice(start, end))
      : (this.#connection as Connection).chunkOf(start, end);
    stream.onRequestData(chunk, false);
    chunk.release();
  }

  onTrailers(trailers: HeaderMap): void {
    this.#sawTrailers = true;
    this.#requestOpen = false;
    if (this.#responseOpen) this.#stream?.onRequestTrailers(trailers);
  }

  onMessageEnd(): void {
    if (!this.#requestOpen) return;
    this.#requestOpen = false;
    this.#connection?.bodyDone();
    // As in Envoy the end of a body is an event of its own, without bytes.
    if (this.#responseOpen && !this.#sawTrailers) {
      this.#stream?.onRequestData(this.#owner.manager.silo.emptyChunk, true);
    }
  }

  // --- from CodecResponse -------------------------------------------------------------------

  /** The response is complete. `close`: nothing may follow it on this connection. */
  responseDone(close: boolean): void {
    this.#responseOpen = false;
    if (close || this.#requestOpen) {
      const { manager } = this.#owner;
      const drains = manager.draining || manager.silo.drainClose.asked;
      this.#stats.downstream_cx_drain_close.add(drains ? 1 : 0);
      this.close();
    } else if (!this.#parsing) {
      this.#settle();
    }
  }

  /** The response broke off: the client must see that it is incomplete. */
  responseReset(): void {
    this.#responseOpen = false;
    this.#requestOpen = false;
    this.#closing = true;
    this.#connection?.destroy();
  }

  responseHigh(): void {
    this.#stream?.onResponseHighWatermark();
  }

  pauseRequest(): void {
    this.#pauses++;
    if (this.#pauses === 1) this.#connection?.pause();
  }

  resumeRequest(): void {
    if (this.#pauses === 0) return;
    this.#pauses--;
    if (this.#pauses === 0 && this.#early === null) this.#connection?.resume();
  }

  /** Makes the connection ready for the next request once request and response are complete. */
  #settle(): void {
    if (this.busy || this.#closing || this.#stream === null) return;
    this.#stream = null;
    this.#parser.startMessage();
    if (this.#pauses > 0) {
      this.#pauses = 0;
      if (this.#early === null) this.#connection?.resume();
    }
    if (this.#owner.manager.draining || this.#lastRequest) {
      this.close();
      return;
    }
    this.#armIdle();
    // In a turn of its own, so that a long pipeline neither recurses nor starves the others.
    if (this.#early !== null) setImmediate(this.#resumeEarly);
  }

  #armIdle(): void {
    const { idleTimeoutMs } = this.#owner.manager.hcm;
    if (idleTimeoutMs > 0) this.#owner.manager.silo.wheel.set(this.#idle, idleTimeoutMs);
  }

  onTimeout(kind: number): void {
    const stats = this.#stats;
    if (kind === HEADERS) {
      if (this.busy) return;
      stats.downstream_rq_header_timeout.inc();
      this.#newStream(11, false, null).onProtocolError(408, "request_header_timeout");
      if (!this.#closing) this.close();
    } else if (kind === IDLE) {
      if (this.busy) return;
      stats.downstream_cx_idle_timeout.inc();
      if (this.#requestCount === 0) this.close();
      else this.#startDrain();
    } else if (kind === LIFETIME) {
      stats.downstream_cx_max_duration_reached.inc();
      this.#startDrain();
    } else if (!this.busy) {
      this.close();
    }
  }

  /** From now on answers close the connection; `drain_timeout` later it closes without one. */
  #startDrain(): void {
    const { hcm, silo } = this.#owner.manager;
    if (this.#response !== null) this.#response.keepAlive = false;
    if (hcm.drainTimeoutMs > 0) silo.wheel.set(this.#drain, hcm.drainTimeoutMs);
    else if (!this.busy) this.close();
  }
}
