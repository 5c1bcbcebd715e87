/**
 * What callouts of every kind have in common: a request on its way through the clusters that
 * proxied requests take, a limit of its time, and one end. @hot per-callout
 */
import type { ProxyErrorCode } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Counter } from "../../metrics/types.ts";
import type { BodyChunk } from "../../shm/body-chunk.ts";
import type {
  Cluster,
  LoadBalancerContext,
  UpstreamConnectionInfo,
  UpstreamEvents,
  UpstreamRequest,
  UpstreamResetReason,
} from "../../upstream/types.ts";
import type { StartedCallout } from "../../vm/roles.ts";
import { RESET_ERRORS } from "../reset-errors.ts";
import { Timeout, type TimeoutOwner } from "../timer-wheel.ts";
import type { CalloutServices } from "./callout-services.ts";

const CALL_TIMEOUT = 0;
const FIRST_TRY: LoadBalancerContext = { triedAddresses: [] };

export abstract class UpstreamCallout<Events>
  implements UpstreamEvents, TimeoutOwner, StartedCallout
{
  abstract readonly requestTrailers: "maybe" | "never";
  protected readonly services: CalloutServices;
  protected readonly cluster: Cluster;
  protected readonly requestHeaders: HeaderMap;
  /** Null once the callout is over. */
  protected events: Events | null;
  /** Null as long as there is none, and once it is of no use. */
  protected upstream: UpstreamRequest | null = null;
  readonly #timeout = new Timeout(this, CALL_TIMEOUT);
  readonly #startMs: number;

  constructor(
    services: CalloutServices,
    cluster: Cluster,
    requestHeaders: HeaderMap,
    events: Events,
  ) {
    this.services = services;
    this.cluster = cluster;
    this.requestHeaders = requestHeaders;
    this.events = events;
    this.#startMs = services.clock.monotonicMs();
  }

  cancel(): void {
    if (this.finish() !== null) this.services.stats.cancelled.inc();
  }

  // The upstream's side.

  onConnectionReady(_info: UpstreamConnectionInfo): void {
    // Nothing is told about the connection of a callout.
  }

  onInformational(_headers: HeaderMap): void {
    // Interim answers are not the answer.
  }

  abstract onResponseHeaders(headers: HeaderMap, endStream: boolean): void;
  abstract onResponseData(chunk: BodyChunk, endStream: boolean): void;
  abstract onResponseTrailers(trailers: HeaderMap): void;
  abstract onRequestHighWatermark(): void;
  abstract onRequestLowWatermark(): void;

  onUpstreamReset(reason: UpstreamResetReason, _detail: string): void {
    this.upstream = null;
    this.fail(RESET_ERRORS[reason]);
  }

  onTimeout(): void {
    this.cluster.stats.handles.upstream_rq_timeout.inc();
    this.upstream?.reset("timeout");
    this.upstream = null;
    this.fail("upstreamTimeout");
  }

  /** It could not go on: with an answer of the proxy's own where none has begun. */
  protected abstract fail(code: ProxyErrorCode): void;

  /** Asks the cluster; null: there is no endpoint, or a circuit breaker is open. */
  protected open(total: Counter): UpstreamRequest | null {
    this.upstream = this.cluster.request(this, FIRST_TRY);
    if (this.upstream === null) {
      this.events = null;
      return null;
    }
    total.inc();
    this.services.stats.active.inc();
    return this.upstream;
  }

  /** It may go on for so long, and never for longer than any callout. */
  protected limit(ms: number): void {
    this.services.wheel.set(this.#timeout, Math.min(ms, LIMITS.calloutTimeoutMs));
  }

  /** Counts the head of the answer. */
  protected countHead(headers: HeaderMap): number {
    const status = Number(headers.get(":status"));
    this.cluster.stats.countResponse(status);
    return status;
  }

  /** As Envoy tells how long the upstream took. */
  protected setServiceTime(headers: HeaderMap): void {
    const tookMs = Math.max(0, Math.floor(this.#tookMs()));
    headers.set("x-envoy-upstream-service-time", String(tookMs));
  }

  /** The answer is whole: there is nothing to give up any more. */
  protected answered(): void {
    this.upstream = null;
    this.cluster.stats.handles.upstream_rq_time.record(this.#tookMs());
  }

  /** Ends the callout; who is to be told, or null when it was over. */
  protected finish(): Events | null {
    const { events } = this;
    if (events === null) return null;
    this.events = null;
    this.services.wheel.cancel(this.#timeout);
    this.services.stats.active.dec();
    this.upstream?.reset();
    this.upstream = null;
    return events;
  }

  #tookMs(): number {
    return this.services.clock.monotonicMs() - this.#startMs;
  }
}
