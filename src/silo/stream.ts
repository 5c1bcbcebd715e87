/**
 * One request and its response: created by the transport, walks the filter chain towards the router
 * and back, and ends with access logs and the filters' log, done and delete callbacks.
 * Thread: one silo. @hot per-request
 */
import type { ProxyErrorCode } from "../base/errors.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { BodyChunk } from "../shm/body-chunk.ts";
import { refusalOf } from "./admission.ts";
import type { BodyBuffer } from "./body-buffer.ts";
import type { RequestDecoder, RequestMeta, ResponseEncoder } from "./downstream/types.ts";
import { ChainDirection } from "./filter-chain.ts";
import {
  type ChainSink,
  chainFilters,
  type Direction,
  destroyFilters,
  type HttpFilter,
  logFilters,
  REQUEST,
  RESPONSE,
} from "./http-filter.ts";
import type { HttpManager } from "./http-manager.ts";
import {
  errorReply,
  type LocalReplyParts,
  missingHeaderReply,
  protocolErrorReply,
} from "./local-reply.ts";
import { localReplyMessage } from "./reply-mapper.ts";
import { prepareRequest, prepareResponse } from "./request-headers.ts";
import { Router } from "./router.ts";
import type { DownstreamInfo } from "./stream-info.ts";
import { StreamInfo } from "./stream-info.ts";
import { nextStreamState, type StreamEvent, type StreamState } from "./stream-states.ts";
import { Timeout, type TimeoutOwner } from "./timer-wheel.ts";

const IDLE = 0;
const REQUEST_TIMEOUT = 1;

export class Stream implements RequestDecoder, ChainSink, TimeoutOwner {
  readonly info: StreamInfo;
  readonly manager: HttpManager;
  readonly request: ChainDirection;
  readonly response: ChainDirection;
  readonly #encoder: ResponseEncoder;
  readonly #meta: RequestMeta;
  readonly #router: Router;
  readonly #filters: HttpFilter[] = [];
  readonly #idle = new Timeout(this, IDLE);
  readonly #whole = new Timeout(this, REQUEST_TIMEOUT);
  #state: StreamState = "requesting";
  #idleMs: number;
  #lastActivityMs = 0;
  #pendingReply: LocalReplyParts | null = null;
  #replied = false;
  #responseSeen = false;
  #closes = false;

  constructor(
    manager: HttpManager,
    encoder: ResponseEncoder,
    connection: DownstreamInfo,
    meta: RequestMeta,
  ) {
    this.manager = manager;
    this.#encoder = encoder;
    this.#meta = meta;
    this.info = new StreamInfo(manager.listener, connection, manager.nextStreamId());
    this.info.costs = manager.silo.costs;
    this.info.startMs = meta.startMs;
    this.info.startWallMs = manager.silo.clock.wallMs();
    if (meta.version !== 11) this.info.protocol = meta.version === 20 ? "HTTP/2" : "HTTP/1.0";
    const limit = manager.listener.perConnectionBufferBytes;
    this.request = new ChainDirection(REQUEST, this, limit);
    this.response = new ChainDirection(RESPONSE, this, limit);
    this.#router = new Router(this);
    this.#idleMs = manager.hcm.streamIdleTimeoutMs;
    manager.countRequest(meta.version);
  }

  get ended(): boolean {
    return this.#state === "done";
  }

  /** Whether the whole request has arrived. */
  get requestComplete(): boolean {
    return this.#state === "waiting" || this.#state === "responding" || this.#state === "done";
  }

  get responseStarted(): boolean {
    return this.#state === "responding" || this.#state === "respondingEarly" || this.ended;
  }

  // --- from the transport -------------------------------------------------------------------

  onRequestHeaders(headers: HeaderMap, endStream: boolean): void {
    const { manager, info } = this;
    info.requestHeaders = headers;
    info.requestHeadersBytes = headers.byteSize;
    this.#startTimers(endStream);
    if (endStream) this.#requestEnded();
    const refusal = refusalOf(headers, this.#meta, manager.hcm, info.connection.localPort);
    if (refusal !== null) {
      this.#closes = manager.refused(refusal);
      this.localReply(refusal);
      return;
    }
    prepareRequest(headers, info, manager.hcm);
    this.#router.refreshRoute();
    manager.createFilters(this, this.#filters);
    chainFilters(this.#filters, this.request, this.response);
    this.request.headers(endStream);
  }

  onRequestData(chunk: BodyChunk, endStream: boolean): void {
    this.info.requestBodyBytes += chunk.byteLength;
    this.#active();
    if (endStream) this.#requestEnded();
    if (this.#filters.length === 0 && !this.request.aborted) this.#router.data(chunk, endStream);
    else this.request.data(chunk, endStream);
  }

  onRequestTrailers(trailers: HeaderMap): void {
    this.info.requestTrailers = trailers;
    this.#active();
    this.#requestEnded();
    this.request.trailers();
  }

  onProtocolError(status: number, details: string): void {
    this.localReply(protocolErrorReply(status, details));
  }

  onDownstreamReset(flag: string, details: string): void {
    if (this.ended) return;
    this.info.addFlag(flag);
    this.info.responseCodeDetails = details;
    this.manager.stats.downstream_rq_rx_reset.inc();
    this.#finish("reset");
  }

  onResponseHighWatermark(): void {
    this.#router.pauseResponse();
  }

  onResponseLowWatermark(): void {
    this.#router.resumeResponse();
  }

  // --- from the router ----------------------------------------------------------------------

  informational(headers: HeaderMap): void {
    if (!this.responseStarted) this.#encoder.encodeInformational(headers);
  }

  respondHeaders(headers: HeaderMap, endStream: boolean): void {
    this.info.responseHeaders = headers;
    this.#responseSeen = true;
    this.#active();
    this.response.headers(endStream);
  }

  respondData(chunk: BodyChunk, endStream: boolean): void {
    this.#active();
    if (this.#filters.length === 0 && !this.response.aborted) {
      this.#sinkChunk(RESPONSE, chunk, endStream);
    } else {
      this.response.codecData(chunk, endStream);
    }
  }

  respondTrailers(trailers: HeaderMap): void {
    this.info.responseTrailers = trailers;
    this.#active();
    this.response.trailers();
  }

  pauseRequest(): void {
    this.#encoder.pauseRequest();
  }

  resumeRequest(): void {
    if (!this.ended) this.#encoder.resumeRequest();
  }

  /** The stream idle timeout in force from now on; 0 = none. */
  setIdleTimeout(ms: number): void {
    this.#idleMs = ms;
    if (ms === 0) this.manager.silo.wheel.cancel(this.#idle);
    else this.manager.silo.wheel.set(this.#idle, ms);
  }

  /** Answers with an error of the table, or resets where it is too late to answer. */
  failWith(code: ProxyErrorCode): void {
    this.localReply(errorReply(code));
  }

  /** Ends the stream without a (complete) response. */
  reset(flag: string, details: string): void {
    if (this.ended) return;
    this.info.addFlag(flag);
    if (details !== "") this.info.responseCodeDetails = details;
    this.manager.stats.downstream_rq_tx_reset.inc();
    this.#encoder.resetStream();
    this.#finish("reset");
  }

  /** The filters changed the request headers: the route is looked up again when it is needed. */
  clearRouteCache(): void {
    this.#router.clearRoute();
  }

  // --- local replies ------------------------------------------------------------------------

  /** Answers in the upstream's place (ABI 3.7). A second one may only replace the first. */
  localReply(parts: LocalReplyParts): void {
    if (this.ended || this.#pendingReply !== null || (this.#replied && !this.#responseSeen)) return;
    this.info.addFlag(parts.flag);
    this.info.responseCodeDetails = parts.details;
    if (this.responseStarted) {
      this.reset("", parts.details);
      return;
    }
    this.#replied = true;
    this.request.abort();
    if (this.request.inCallback && !this.#responseSeen) this.#pendingReply = parts;
    else this.#reply(parts);
  }

  #reply(parts: LocalReplyParts): void {
    this.#closes ||= parts.status === 400;
    const message = localReplyMessage(parts, this.info, this.manager.replies);
    const endStream = message.body.byteLength === 0;
    this.#router.abandon();
    this.info.responseCode = Number(message.headers.get(":status"));
    // A reply that replaces a response which filters already saw goes past them, as in Envoy.
    const direct = this.#responseSeen;
    if (direct) this.response.abort();
    this.#router.finishHeaders(message.headers);
    this.info.responseHeaders = message.headers;
    this.#responseSeen = true;
    if (direct) this.sinkHeaders(RESPONSE, endStream);
    else this.response.headers(endStream);
    if (endStream || this.ended) return;
    const chunk = BodyChunk.ofHeap(message.body);
    if (direct) {
      this.#encodeChunk(chunk, true);
      this.#finish("responseEnd");
    } else {
      this.response.data(chunk, true);
    }
    chunk.release();
  }

  sinkHeaders(direction: Direction, endStream: boolean): void {
    if (direction === REQUEST) {
      this.#router.headers(endStream);
      return;
    }
    const { info, manager } = this;
    const headers = info.responseHeaders as HeaderMap;
    const status = Number(headers.get(":status") ?? "0");
    if (!(status >= 200 && status <= 999)) {
      this.#badResponse();
      return;
    }
    info.responseCode = status;
    info.firstDownstreamTxMs = manager.silo.clock.monotonicMs();
    prepareResponse(headers, info, manager.hcm, manager.silo.httpDate());
    info.responseHeadersBytes = headers.byteSize;
    const complete = this.requestComplete;
    if (!complete) manager.stats.downstream_rq_response_before_rq_complete.inc();
    manager.countResponse(status);
    this.#transition("responseHeaders");
    const closes = this.#closes || !complete || manager.closesAnswer;
    this.#encoder.encodeHeaders(headers, endStream, closes);
    if (endStream) this.#finish("responseEnd");
  }

  /** A filter left the response without a usable `:status`. */
  #badResponse(): void {
    const reply = missingHeaderReply("response", ":status");
    if (this.#replied) this.reset("", reply.details);
    else this.localReply(reply);
  }

  sinkData(direction: Direction, data: BodyBuffer, endStream: boolean): void {
    if (data.chunkCount === 0 && endStream) {
      this.#sinkChunk(direction, this.manager.silo.emptyChunk, true);
      return;
    }
    for (let chunk = data.shift(); chunk !== null; chunk = data.shift()) {
      this.#sinkChunk(direction, chunk, endStream && data.chunkCount === 0);
      chunk.release();
      if (this.ended) return;
    }
  }

  sinkTrailers(direction: Direction): void {
    if (direction === REQUEST) {
      this.#router.trailers();
      return;
    }
    this.#encoder.encodeTrailers(this.info.responseTrailers as HeaderMap);
    this.#finish("responseEnd");
  }

  bufferOverflow(direction: Direction): void {
    if (direction === REQUEST) this.manager.stats.downstream_rq_too_large.inc();
    else this.manager.stats.rs_too_large.inc();
    this.failWith(direction === REQUEST ? "requestPayloadTooLarge" : "responsePayloadTooLarge");
  }

  bufferHigh(direction: Direction): void {
    if (direction === REQUEST) this.#encoder.pauseRequest();
    else this.#router.pauseResponse();
  }

  bufferLow(direction: Direction): void {
    if (direction === REQUEST) this.resumeRequest();
    else this.#router.resumeResponse();
  }

  unwound(direction: Direction): void {
    if (direction !== REQUEST || this.#pendingReply === null) return;
    const reply = this.#pendingReply;
    this.#pendingReply = null;
    if (!this.ended) this.#reply(reply);
  }

  onTimeout(kind: number): void {
    if (this.ended) return;
    if (kind === REQUEST_TIMEOUT) {
      this.manager.stats.downstream_rq_timeout.inc();
      this.failWith("requestTimeout");
      return;
    }
    const quiet = this.manager.silo.clock.monotonicMs() - this.#lastActivityMs;
    if (quiet + 1 < this.#idleMs) {
      this.manager.silo.wheel.set(this.#idle, this.#idleMs - quiet);
      return;
    }
    this.manager.stats.downstream_rq_idle_timeout.inc();
    this.failWith(this.requestComplete ? "upstreamStreamIdleTimeout" : "streamIdleTimeout");
  }

  #startTimers(endStream: boolean): void {
    const { silo, hcm } = this.manager;
    this.#lastActivityMs = this.#meta.startMs;
    if (this.#idleMs > 0) silo.wheel.set(this.#idle, this.#idleMs);
    if (!endStream && hcm.requestTimeoutMs > 0) silo.wheel.set(this.#whole, hcm.requestTimeoutMs);
  }

  #active(): void {
    if (this.#idleMs > 0) this.#lastActivityMs = this.manager.silo.clock.monotonicMs();
  }

  #sinkChunk(direction: Direction, chunk: BodyChunk, endStream: boolean): void {
    if (direction === REQUEST) {
      this.#router.data(chunk, endStream);
      return;
    }
    this.#encodeChunk(chunk, endStream);
    if (endStream) this.#finish("responseEnd");
  }

  #encodeChunk(chunk: BodyChunk, endStream: boolean): void {
    this.info.responseBodyBytes += chunk.byteLength;
    this.#encoder.encodeData(chunk, endStream);
  }

  #requestEnded(): void {
    this.info.requestEndMs = this.manager.silo.clock.monotonicMs();
    this.manager.silo.wheel.cancel(this.#whole);
    if (!this.ended) this.#transition("requestEnd");
  }

  #transition(event: StreamEvent): void {
    this.#state = nextStreamState(this.#state, event);
  }

  #finish(event: "responseEnd" | "reset"): void {
    if (this.ended) return;
    const { manager, info } = this;
    this.#transition(event);
    manager.silo.wheel.cancel(this.#idle);
    manager.silo.wheel.cancel(this.#whole);
    info.endMs = manager.silo.clock.monotonicMs();
    this.request.abort();
    this.response.abort();
    this.#router.destroy();
    logFilters(this.#filters);
    manager.logStream(this);
    destroyFilters(this.#filters);
    manager.stats.downstream_rq_active.dec();
    manager.stats.downstream_rq_time.record(info.endMs - info.startMs);
  }
}
