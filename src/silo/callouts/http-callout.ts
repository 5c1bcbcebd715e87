/**
 * One HTTP callout: a request of a plugin on its way through the clusters that proxied requests
 * take, and the answer collected whole. What goes wrong before the answer begins is an answer too,
 * as Envoy makes it (504, 503); what goes wrong later is a failure (ABI 3.10).
 * @hot per-callout
 */
import type { ProxyErrorCode } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { BodyChunk } from "../../shm/body-chunk.ts";
import type {
  Cluster,
  LoadBalancerContext,
  UpstreamConnectionInfo,
  UpstreamEvents,
  UpstreamRequest,
  UpstreamResetReason,
} from "../../upstream/types.ts";
import type { HttpCallEvents, HttpCallRequest, StartedCallout } from "../../vm/roles.ts";
import { buildLocalReply, errorReply } from "../local-reply.ts";
import { RESET_ERRORS } from "../reset-errors.ts";
import { Timeout, type TimeoutOwner } from "../timer-wheel.ts";
import type { CalloutServices } from "./callout-services.ts";
import { ReplyBody } from "./reply-body.ts";

const RESPONSE_TIMEOUT = 0;
const FIRST_TRY: LoadBalancerContext = { triedAddresses: [] };

export class HttpCallout implements UpstreamEvents, TimeoutOwner, StartedCallout {
  readonly #services: CalloutServices;
  readonly #cluster: Cluster;
  readonly #requestHeaders: HeaderMap;
  readonly #timeout = new Timeout(this, RESPONSE_TIMEOUT);
  readonly #startMs: number;
  /** Null once the callout is over. */
  #events: HttpCallEvents | null;
  #upstream: UpstreamRequest | null = null;
  #headers: HeaderMap | null = null;
  readonly #body = new ReplyBody();

  constructor(
    services: CalloutServices,
    cluster: Cluster,
    request: HttpCallRequest,
    events: HttpCallEvents,
  ) {
    this.#services = services;
    this.#cluster = cluster;
    this.#requestHeaders = request.headers;
    this.#events = events;
    this.#startMs = services.clock.monotonicMs();
  }

  /** Sends the request; false: there is no endpoint, or a circuit breaker is open. */
  start(request: HttpCallRequest): boolean {
    const upstream = this.#cluster.request(this, FIRST_TRY);
    if (upstream === null) {
      this.#events = null;
      return false;
    }
    this.#upstream = upstream;
    this.#services.stats.http_total.inc();
    this.#services.stats.active.inc();
    const { headers, body, trailers, timeoutMs } = request;
    const limitMs = timeoutMs === 0 ? LIMITS.calloutTimeoutMs : timeoutMs;
    this.#services.wheel.set(this.#timeout, Math.min(limitMs, LIMITS.calloutTimeoutMs));
    // As in Envoy: an upstream can tell whom it serves, and how long that one waits.
    headers.set("x-envoy-internal", "true");
    if (timeoutMs > 0) headers.set("x-envoy-expected-rq-timeout-ms", String(timeoutMs));
    const hasBody = body.byteLength > 0;
    upstream.sendHeaders(headers, !hasBody && trailers === null);
    if (hasBody) upstream.sendData(BodyChunk.ofHeap(body), trailers === null);
    if (trailers !== null) upstream.sendTrailers(trailers);
    return true;
  }

  cancel(): void {
    if (this.#finish() === null) return;
    this.#services.stats.cancelled.inc();
  }

  onConnectionReady(_info: UpstreamConnectionInfo): void {
    // Nothing is told about the connection of a callout.
  }

  onInformational(_headers: HeaderMap): void {
    // Interim answers are not the answer.
  }

  onResponseHeaders(headers: HeaderMap, endStream: boolean): void {
    this.#headers = headers;
    this.#cluster.stats.countResponse(Number(headers.get(":status")));
    const took = this.#services.clock.monotonicMs() - this.#startMs;
    headers.set("x-envoy-upstream-service-time", String(Math.max(0, Math.floor(took))));
    if (endStream) this.#complete(null);
  }

  onResponseData(chunk: BodyChunk, endStream: boolean): void {
    if (this.#body.byteLength + chunk.byteLength > LIMITS.calloutBodyBytes) {
      this.#services.stats.reply_too_large.inc();
      this.#finish()?.onHttpFailure();
      return;
    }
    if (chunk.byteLength > 0) this.#body.append(chunk.bytes);
    if (endStream) this.#complete(null);
  }

  onResponseTrailers(trailers: HeaderMap): void {
    this.#complete(trailers);
  }

  onUpstreamReset(reason: UpstreamResetReason, _detail: string): void {
    this.#upstream = null;
    this.#fail(RESET_ERRORS[reason]);
  }

  onRequestHighWatermark(): void {
    // The whole request is in memory already.
  }

  onRequestLowWatermark(): void {
    // As above.
  }

  onTimeout(): void {
    this.#cluster.stats.handles.upstream_rq_timeout.inc();
    this.#upstream?.reset("timeout");
    this.#upstream = null;
    this.#fail("upstreamTimeout");
  }

  #complete(trailers: HeaderMap | null): void {
    this.#upstream = null;
    const took = this.#services.clock.monotonicMs() - this.#startMs;
    this.#cluster.stats.handles.upstream_rq_time.record(took);
    const headers = this.#headers as HeaderMap;
    const body = this.#body.take();
    this.#finish()?.onHttpReply({ headers, body, trailers });
  }

  #fail(code: ProxyErrorCode): void {
    const events = this.#finish();
    if (events === null) return;
    if (this.#headers !== null) {
      events.onHttpFailure();
      return;
    }
    const { headers, body } = buildLocalReply(errorReply(code), this.#requestHeaders);
    events.onHttpReply({ headers, body, trailers: null });
  }

  /** Ends the callout; who is to be told, or null when it was over. */
  #finish(): HttpCallEvents | null {
    const events = this.#events;
    if (events === null) return null;
    this.#events = null;
    this.#services.wheel.cancel(this.#timeout);
    this.#services.stats.active.dec();
    this.#upstream?.reset();
    this.#upstream = null;
    return events;
  }
}
