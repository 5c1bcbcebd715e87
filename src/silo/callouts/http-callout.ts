/**
 * One HTTP callout, its answer collected whole. What goes wrong before the answer begins is an
 * answer too, as Envoy makes it (504, 503); what goes wrong later is a failure (ABI 3.10).
 * @hot per-callout
 */
import type { ProxyErrorCode } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { BodyChunk } from "../../shm/body-chunk.ts";
import type { Cluster } from "../../upstream/types.ts";
import type { HttpCallEvents, HttpCallRequest } from "../../vm/roles.ts";
import { buildLocalReply, errorReply } from "../local-reply.ts";
import type { CalloutServices } from "./callout-services.ts";
import { ReplyBody } from "./reply-body.ts";
import { UpstreamCallout } from "./upstream-callout.ts";

export class HttpCallout extends UpstreamCallout<HttpCallEvents> {
  readonly requestTrailers: "maybe" | "never";
  #headers: HeaderMap | null = null;
  readonly #body = new ReplyBody();

  constructor(
    services: CalloutServices,
    cluster: Cluster,
    request: HttpCallRequest,
    events: HttpCallEvents,
  ) {
    super(services, cluster, request.headers, events);
    this.requestTrailers = request.trailers === null ? "never" : "maybe";
  }

  /** Sends the request; false: there is no endpoint, or a circuit breaker is open. */
  start(request: HttpCallRequest): boolean {
    const upstream = this.open(this.services.stats.http_total);
    if (upstream === null) return false;
    const { headers, body, trailers, timeoutMs } = request;
    this.limit(timeoutMs === 0 ? LIMITS.calloutTimeoutMs : timeoutMs);
    // As in Envoy: an upstream can tell whom it serves, and how long that one waits.
    headers.set("x-envoy-internal", "true");
    if (timeoutMs > 0) headers.set("x-envoy-expected-rq-timeout-ms", String(timeoutMs));
    const hasBody = body.byteLength > 0;
    upstream.sendHeaders(headers, !hasBody && trailers === null);
    if (hasBody) upstream.sendData(BodyChunk.ofHeap(body), trailers === null);
    if (trailers !== null) upstream.sendTrailers(trailers);
    return true;
  }

  onResponseHeaders(headers: HeaderMap, endStream: boolean): void {
    this.#headers = headers;
    this.countHead(headers);
    this.setServiceTime(headers);
    if (endStream) this.#complete(null);
  }

  onResponseData(chunk: BodyChunk, endStream: boolean): void {
    if (this.#body.byteLength + chunk.byteLength > LIMITS.calloutBodyBytes) {
      this.services.stats.reply_too_large.inc();
      this.finish()?.onHttpFailure();
      return;
    }
    if (chunk.byteLength > 0) this.#body.append(chunk.bytes);
    if (endStream) this.#complete(null);
  }

  onResponseTrailers(trailers: HeaderMap): void {
    this.#complete(trailers);
  }

  onRequestHighWatermark(): void {
    // The whole request is in memory already.
  }

  onRequestLowWatermark(): void {
    // As above.
  }

  #complete(trailers: HeaderMap | null): void {
    this.answered();
    const headers = this.#headers as HeaderMap;
    const body = this.#body.take();
    this.finish()?.onHttpReply({ headers, body, trailers });
  }

  protected fail(code: ProxyErrorCode): void {
    const events = this.finish();
    if (events === null) return;
    if (this.#headers !== null) {
      events.onHttpFailure();
      return;
    }
    const { headers, body } = buildLocalReply(errorReply(code), this.requestHeaders);
    events.onHttpReply({ headers, body, trailers: null });
  }
}
