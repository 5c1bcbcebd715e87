/**
 * The end of the request's way through the filters: chooses route, cluster and (through the
 * cluster) endpoint, forwards, retries, times out, and brings the response back to the stream.
 * One per stream. @hot per-request
 */
import type { ForwardActionConfig, WeightedClusterConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import { backoffMs } from "../upstream/retry.ts";
import type {
  Cluster,
  UpstreamConnectionInfo,
  UpstreamEvents,
  UpstreamRequest,
  UpstreamResetReason,
} from "../upstream/types.ts";
import {
  finishAttemptHeaders,
  finishRequestHeaders,
  finishResponseHeaders,
  pickWeighted,
} from "./forward-headers.ts";
import { errorReply, missingHeaderReply } from "./local-reply.ts";
import { redirectLocation } from "./path-rewrite.ts";
import { lateReset, resetReply } from "./reset-errors.ts";
import { RetryState } from "./retry-state.ts";
import type { RouteMatch } from "./route-table.ts";
import type { Stream } from "./stream.ts";
import { Timeout, type TimeoutOwner } from "./timer-wheel.ts";

const ROUTE_TIMEOUT = 0;
const PER_TRY_TIMEOUT = 1;
const RETRY_BACKOFF = 2;
const REQUIRED: readonly string[] = [":method", ":path", ":authority"];
const OVERLOADED = [["x-envoy-overloaded", "true"]] as const;
const NOTHING_TRIED: readonly string[] = [];

/** The first pseudo-header that forwarding needs and a filter took away, or null. */
function missingOf(headers: HeaderMap): string | null {
  for (let i = 0; i < REQUIRED.length; i++) {
    const name = REQUIRED[i] as string;
    if (!headers.has(name)) return name;
  }
  return null;
}

export class Router implements UpstreamEvents, TimeoutOwner {
  readonly requestTrailers = "maybe";
  readonly #stream: Stream;
  readonly #routeTimeout = new Timeout(this, ROUTE_TIMEOUT);
  readonly #tryTimeout = new Timeout(this, PER_TRY_TIMEOUT);
  readonly #backoff = new Timeout(this, RETRY_BACKOFF);
  #match: RouteMatch | null = null;
  #routeStale = true;
  #chosen: WeightedClusterConfig | null = null;
  #cluster: Cluster | null = null;
  #upstream: UpstreamRequest | null = null;
  #retry: RetryState | null = null;
  /** Between two attempts: waiting for the backoff. */
  #retrying = false;
  #headersOnly = false;
  #requestComplete = false;
  #forwarding = false;
  /** The final response's head has come and is not to be retried. */
  #responding = false;
  #over = false;
  #responsePauses = 0;
  /** The present attempt has a connection. */
  #tryStarted = false;
  #pausedForUpstream = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Looks the route up when it is not known or was cleared. */
  refreshRoute(): RouteMatch | null {
    if (!this.#routeStale || this.#forwarding) return this.#match;
    const { info, manager } = this.#stream;
    this.#routeStale = false;
    const headers = info.requestHeaders;
    const { routes } = manager;
    if (routes.hasShares && Number.isNaN(info.share)) info.share = manager.silo.random();
    this.#match = headers === null ? null : routes.match(headers, info.share);
    info.route = this.#match?.route ?? null;
    info.virtualHost = this.#match?.virtualHost ?? null;
    const action = this.#match?.route.action;
    // With the route, as in Envoy: filters may ask for the cluster before the request is sent.
    this.#chosen = action?.kind === "route" ? pickWeighted(action, manager.silo.random()) : null;
    info.clusterName = this.#chosen?.cluster ?? "";
    info.overrides = this.#chosen?.overrides ?? this.#match?.route.overrides ?? null;
    return this.#match;
  }

  clearRoute(): void {
    this.#routeStale = true;
  }

  headers(endStream: boolean): void {
    this.#headersOnly = endStream;
    this.#requestComplete = endStream;
    const { stats } = this.#stream.manager;
    const match = this.refreshRoute();
    stats.rq_total.inc();
    if (match === null) {
      stats.no_route.inc();
      this.#stream.failWith("routeNotFound");
      return;
    }
    const missing = missingOf(this.#stream.info.requestHeaders as HeaderMap);
    if (missing !== null) {
      this.#stream.localReply(missingHeaderReply("request", missing));
      return;
    }
    const { action } = match.route;
    if (action.kind === "route") this.#forward(match, action);
    else if (action.kind === "redirect") {
      stats.rq_redirect.inc();
      const location = redirectLocation(action, match.route, this.#stream.info);
      this.#answer(action.status, new Uint8Array(0), [["location", location]]);
    } else {
      stats.rq_direct_response.inc();
      this.#answer(action.status, action.body, []);
    }
  }

  #answer(status: number, body: Uint8Array, headers: readonly (readonly [string, string])[]): void {
    const details = "direct_response";
    this.#stream.localReply({ status, body, headers, details, flag: "", grpcStatus: -1 });
  }

  #forward(match: RouteMatch, action: ForwardActionConfig): void {
    const stream = this.#stream;
    const { info, manager } = stream;
    const headers = info.requestHeaders as HeaderMap;
    const chosen = this.#chosen;
    this.#cluster = chosen === null ? null : manager.silo.clusters.get(chosen.cluster);
    if (chosen === null || this.#cluster === null) {
      manager.stats.no_cluster.inc();
      stream.localReply({ ...errorReply("clusterNotFound"), status: action.clusterNotFoundStatus });
      return;
    }
    finishRequestHeaders({ match, action, chosen }, headers, stream);
    this.#forwarding = true;
    if (action.idleTimeoutMs >= 0) stream.setIdleTimeout(action.idleTimeoutMs);
    const policy = action.retryPolicy ?? match.virtualHost.retryPolicy;
    if (policy !== null) {
      const body = this.#headersOnly ? "headersOnly" : "mayFollow";
      this.#retry = new RetryState(policy, body, this.#keptBytesMax());
    }
    if (this.#requestComplete) this.#startRouteTimeout();
    this.#attempt();
  }

  #attempt(): void {
    const stream = this.#stream;
    const { info, manager } = stream;
    const cluster = this.#cluster as Cluster;
    info.attemptCount++;
    this.#tryStarted = false;
    this.#upstream = cluster.request(this, {
      triedAddresses: this.#retry?.tried ?? NOTHING_TRIED,
    });
    info.endpoint = cluster.lastEndpoint;
    info.upstreamLocalAddress = "";
    info.upstreamTls = null;
    const match = this.#match as RouteMatch;
    const { action } = match.route;
    if (action.kind === "route") {
      finishAttemptHeaders(info.requestHeaders as HeaderMap, { match, action }, info);
    }
    if (this.#upstream === null) {
      this.#failed(cluster.lastFailure, "");
      return;
    }
    const perTry = this.#retry?.policy.perTryTimeoutMs ?? 0;
    if (perTry > 0) manager.silo.wheel.set(this.#tryTimeout, perTry);
    info.firstUpstreamTxMs = manager.silo.clock.monotonicMs();
    for (let i = 0; i < this.#responsePauses; i++) this.#upstream.pauseResponse();
    this.#upstream.sendHeaders(info.requestHeaders as HeaderMap, this.#headersOnly);
    if (info.attemptCount > 1) this.#resend(this.#upstream);
  }

  /** Sends what was kept of the request to a second or later attempt. */
  #resend(upstream: UpstreamRequest): void {
    if (this.#headersOnly) return;
    const trailers = this.#stream.info.requestTrailers;
    const last = this.#requestComplete && trailers === null;
    const sentEnd = this.#retry?.resend(upstream, last) ?? false;
    if (trailers !== null && this.#requestComplete) upstream.sendTrailers(trailers);
    else if (last && !sentEnd) upstream.sendData(this.#stream.manager.silo.emptyChunk, true);
  }

  data(chunk: BodyChunk, endStream: boolean): void {
    if (this.#over) return;
    this.#retry?.keep(chunk);
    if (endStream) this.#completed();
    if (!this.#retrying) this.#upstream?.sendData(chunk, endStream);
  }

  #keptBytesMax(): number {
    const ofRoute = this.#match?.route.perRequestBufferBytes ?? -1;
    const ofListener = this.#stream.manager.listener.perConnectionBufferBytes;
    return ofRoute < 0 ? ofListener : Math.min(ofRoute, ofListener);
  }

  trailers(): void {
    if (this.#over) return;
    this.#completed();
    if (!this.#retrying)
      this.#upstream?.sendTrailers(this.#stream.info.requestTrailers as HeaderMap);
  }

  #completed(): void {
    this.#requestComplete = true;
    this.#startRouteTimeout();
  }

  #startRouteTimeout(): void {
    const action = this.#match?.route.action;
    if (action?.kind === "route" && action.timeoutMs > 0) {
      this.#stream.manager.silo.wheel.set(this.#routeTimeout, action.timeoutMs);
    }
  }

  onConnectionReady(connection: UpstreamConnectionInfo): void {
    const { info } = this.#stream;
    this.#tryStarted = true;
    info.endpoint = connection.endpoint;
    info.upstreamLocalAddress = connection.localAddress;
    info.upstreamTls = connection.tls;
    info.upstreamPoolReadyMs = connection.poolReadyMs;
  }

  onInformational(headers: HeaderMap): void {
    this.#stream.informational(headers);
  }

  onResponseHeaders(headers: HeaderMap, endStream: boolean): void {
    const stream = this.#stream;
    const { info, manager } = stream;
    const cluster = this.#cluster as Cluster;
    const status = Number(headers.get(":status"));
    info.firstUpstreamRxMs = manager.silo.clock.monotonicMs();
    cluster.stats.countResponse(status);
    manager.silo.wheel.cancel(this.#tryTimeout);
    if (this.#retry?.wantsAfterHeaders(status, headers)) {
      if (this.#tryAgain()) return;
    } else if (this.#retrying || info.attemptCount > 1) {
      cluster.stats.handles.upstream_rq_retry_success.inc();
    }
    this.#retry?.giveUp();
    this.#responding = true;
    info.responseCodeDetails = "via_upstream";
    info.responseCode = status;
    if (!manager.suppressEnvoyHeaders && this.#requestComplete) {
      const started = Number.isNaN(info.requestEndMs) ? info.startMs : info.requestEndMs;
      const took = Math.max(0, Math.floor(info.firstUpstreamRxMs - started));
      headers.set("x-envoy-upstream-service-time", String(took));
    }
    this.finishHeaders(headers);
    if (endStream) this.#responseComplete();
    stream.respondHeaders(headers, endStream);
  }

  /** Applies the response headers that the configuration adds and removes. */
  finishHeaders(headers: HeaderMap): void {
    if (this.#match !== null) {
      finishResponseHeaders(headers, this.#match, this.#chosen, this.#stream);
    }
  }

  onResponseData(chunk: BodyChunk, endStream: boolean): void {
    if (endStream) this.#responseComplete();
    this.#stream.respondData(chunk, endStream);
  }

  onResponseTrailers(trailers: HeaderMap): void {
    this.#responseComplete();
    this.#stream.respondTrailers(trailers);
  }

  #responseComplete(): void {
    const { info, manager } = this.#stream;
    info.lastUpstreamRxMs = manager.silo.clock.monotonicMs();
    manager.silo.wheel.cancel(this.#routeTimeout);
    this.#upstream = null;
    const took = info.lastUpstreamRxMs - info.firstUpstreamTxMs;
    this.#cluster?.stats.handles.upstream_rq_time.record(took);
  }

  onUpstreamReset(reason: UpstreamResetReason, detail: string): void {
    this.#upstream = null;
    this.#failed(reason, detail);
  }

  #failed(reason: UpstreamResetReason, detail: string): void {
    const stream = this.#stream;
    const { info, manager } = stream;
    manager.silo.wheel.cancel(this.#tryTimeout);
    info.upstreamFailure = reason === "connectFailure" ? detail : "";
    if (this.#responding) {
      const late = lateReset(reason);
      // While a filter holds the head, there is still room for an answer.
      if (stream.responseStarted) stream.reset(...late);
      else stream.localReply({ ...resetReply(reason, ""), details: late[1] });
      return;
    }
    if (this.#isRetriable(reason) && this.#tryAgain()) return;
    if (reason === "overflow" && !manager.suppressEnvoyHeaders) {
      stream.localReply({ ...resetReply(reason, detail), headers: OVERLOADED });
      return;
    }
    stream.localReply(resetReply(reason, detail));
  }

  #isRetriable(reason: UpstreamResetReason): boolean {
    return this.#retry?.wantsAfterReset(reason, this.#tryStarted) ?? false;
  }

  #tryAgain(): boolean {
    const retry = this.#retry;
    const { info, manager } = this.#stream;
    if (retry === null || !retry.take(this.#cluster as Cluster, info)) return false;
    this.#retrying = true;
    this.#upstream?.reset();
    this.#upstream = null;
    const { wheel, random } = manager.silo;
    wheel.set(this.#backoff, backoffMs(retry.policy, info.attemptCount, random));
    return true;
  }

  onRequestHighWatermark(): void {
    if (this.#pausedForUpstream) return;
    this.#pausedForUpstream = true;
    this.#stream.pauseRequest();
  }

  onRequestLowWatermark(): void {
    if (!this.#pausedForUpstream) return;
    this.#pausedForUpstream = false;
    this.#stream.resumeRequest();
  }

  pauseResponse(): void {
    this.#responsePauses++;
    this.#upstream?.pauseResponse();
  }

  resumeResponse(): void {
    this.#responsePauses--;
    this.#upstream?.resumeResponse();
  }

  onTimeout(kind: number): void {
    if (this.#over) return;
    const handles = this.#cluster?.stats.handles;
    if (kind === RETRY_BACKOFF) {
      this.#retrying = false;
      this.#cluster?.releaseRetry();
      this.#attempt();
      return;
    }
    this.#upstream?.reset("timeout");
    this.#upstream = null;
    if (kind === PER_TRY_TIMEOUT) {
      handles?.upstream_rq_per_try_timeout.inc();
      if (this.#isRetriable("localReset") && this.#tryAgain()) return;
      this.#stream.failWith("upstreamPerTryTimeout");
      return;
    }
    handles?.upstream_rq_timeout.inc();
    this.#stream.failWith("upstreamTimeout");
  }

  /** A local reply took over: nothing more is wanted from upstream. */
  abandon(): void {
    const { wheel } = this.#stream.manager.silo;
    this.#over = true;
    wheel.cancel(this.#routeTimeout);
    wheel.cancel(this.#tryTimeout);
    wheel.cancel(this.#backoff);
    if (this.#retrying) {
      this.#retrying = false;
      this.#cluster?.releaseRetry();
    }
    this.#upstream?.reset();
    this.#upstream = null;
    this.#retry?.giveUp();
  }

  destroy(): void {
    if (!this.#over) this.abandon();
  }
}
