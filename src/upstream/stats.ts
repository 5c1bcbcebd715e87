/**
 * The metrics of one cluster as rows (`cluster.<name>.<row>`, Envoy's spelling) and the handles
 * made from them, and the plain counts of one endpoint for `/clusters`. Handles are made when the
 * cluster is; only the counters of single status codes are made when a code is seen first.
 * @hot per-request
 */
import { type HandlesOf, handlesOf, type MetricRows } from "../metrics/handles.ts";
import type { Counter, MetricScope } from "../metrics/types.ts";

const counter = (help: string): { readonly kind: "counter"; readonly help: string } => ({
  kind: "counter",
  help,
});
const gauge = (help: string): { readonly kind: "gauge"; readonly help: string } => ({
  kind: "gauge",
  help,
});
const histogram = (help: string): { readonly kind: "histogram"; readonly help: string } => ({
  kind: "histogram",
  help,
});

/** Every metric of a cluster but `upstream_rq_<code>`. Source: Envoy, cluster statistics. */
export const CLUSTER_STATS = {
  upstream_cx_total: counter("Connections made"),
  upstream_cx_active: gauge("Connections open, those being made included"),
  upstream_cx_http1_total: counter("HTTP/1.1 connections made"),
  upstream_cx_http2_total: counter("HTTP/2 connections made"),
  upstream_cx_connect_fail: counter("Connections that failed to be made"),
  upstream_cx_connect_timeout: counter("Connections that were not made in time"),
  upstream_cx_connect_attempts_exceeded: counter(
    "TCP connections given up after their last permitted attempt",
  ),
  upstream_cx_idle_timeout: counter("Connections closed because they were idle for too long"),
  upstream_cx_overflow: counter("Times the connection circuit breaker was open"),
  upstream_cx_connect_ms: histogram("Time to make a connection, in milliseconds"),
  upstream_cx_length_ms: histogram("Life of a connection, in milliseconds"),
  upstream_cx_destroy: counter("Connections closed"),
  upstream_cx_destroy_local: counter("Connections closed by this side"),
  upstream_cx_destroy_remote: counter("Connections closed by the upstream"),
  upstream_cx_destroy_with_active_rq: counter("Connections closed with a request running"),
  upstream_cx_destroy_local_with_active_rq: counter(
    "Connections closed by this side with a request running",
  ),
  upstream_cx_destroy_remote_with_active_rq: counter(
    "Connections closed by the upstream with a request running",
  ),
  upstream_cx_rx_bytes_total: counter("Bytes received"),
  upstream_cx_tx_bytes_total: counter("Bytes sent"),
  upstream_cx_max_requests: counter("Connections closed after their last permitted request"),
  upstream_cx_protocol_error: counter("Connections that received malformed bytes"),
  upstream_cx_none_healthy: counter("Requests that found no endpoint"),
  "http2.keepalive_timeout": counter("HTTP/2 connections closed because a PING was not answered"),
  upstream_rq_total: counter("Requests that got a connection"),
  upstream_rq_active: gauge("Requests running on a connection"),
  upstream_rq_pending_total: counter("Requests that waited for a connection"),
  upstream_rq_pending_active: gauge("Requests waiting for a connection"),
  upstream_rq_pending_overflow: counter("Requests refused by a circuit breaker"),
  upstream_rq_pending_failure_eject: counter("Waiting requests failed with their connection"),
  upstream_rq_cancelled: counter("Requests given up before they had a connection"),
  upstream_rq_timeout: counter("Requests that timed out"),
  upstream_rq_per_try_timeout: counter("Attempts that timed out"),
  upstream_rq_rx_reset: counter("Requests reset by the upstream"),
  upstream_rq_tx_reset: counter("Requests reset by this side"),
  upstream_rq_retry: counter("Retries"),
  upstream_rq_retry_success: counter("Retries that succeeded"),
  upstream_rq_retry_overflow: counter("Retries refused by the circuit breaker"),
  upstream_rq_retry_limit_exceeded: counter("Requests not retried because the limit was reached"),
  upstream_rq_completed: counter("Requests answered"),
  upstream_rq_1xx: counter("Answers with status 1xx"),
  upstream_rq_2xx: counter("Answers with status 2xx"),
  upstream_rq_3xx: counter("Answers with status 3xx"),
  upstream_rq_4xx: counter("Answers with status 4xx"),
  upstream_rq_5xx: counter("Answers with status 5xx"),
  upstream_rq_time: histogram("Time from request to the end of the answer, in milliseconds"),
  membership_total: gauge("Endpoints"),
  membership_healthy: gauge("Healthy endpoints"),
  membership_change: counter("Changes of the set of endpoints"),
  update_attempt: counter("Look-ups of endpoints begun"),
  update_success: counter("Look-ups of endpoints that succeeded"),
  update_failure: counter("Look-ups of endpoints that failed"),
  "circuit_breakers.default.cx_open": gauge("1 while the connection circuit breaker is open"),
  "circuit_breakers.default.rq_pending_open": gauge(
    "1 while the circuit breaker of waiting requests is open",
  ),
  "circuit_breakers.default.rq_open": gauge("1 while the request circuit breaker is open"),
  "circuit_breakers.default.rq_retry_open": gauge("1 while the retry circuit breaker is open"),
} as const satisfies MetricRows;

/** One handle per row, under the row's own name. */
export type ClusterHandles = HandlesOf<typeof CLUSTER_STATS>;

/** Statuses are 100..599 by the parser's rule; others are counted as completed only. */
const STATUS_MIN = 100;
const STATUS_END = 600;

/** The metrics of one cluster on this silo. */
export class ClusterStats {
  readonly handles: ClusterHandles;
  readonly #scope: MetricScope;
  /** By status - 100; null until the status is seen. */
  readonly #byStatus: (Counter | null)[];
  readonly #byClass: readonly Counter[];

  /** @param scope of `cluster.<name>` */
  constructor(scope: MetricScope) {
    this.#scope = scope;
    this.handles = handlesOf(CLUSTER_STATS, scope);
    this.#byStatus = new Array<Counter | null>(STATUS_END - STATUS_MIN).fill(null);
    this.#byClass = [
      this.handles.upstream_rq_1xx,
      this.handles.upstream_rq_2xx,
      this.handles.upstream_rq_3xx,
      this.handles.upstream_rq_4xx,
      this.handles.upstream_rq_5xx,
    ];
  }

  /** Counts one answer: `upstream_rq_completed`, `_Nxx` and `_<code>`. */
  countResponse(status: number): void {
    this.handles.upstream_rq_completed.inc();
    if (status < STATUS_MIN || status >= STATUS_END) return;
    this.#byClass[Math.trunc(status / 100) - 1]?.inc();
    let single = this.#byStatus[status - STATUS_MIN] ?? null;
    if (single === null) {
      single = this.#scope.counter("upstream_rq_".concat(String(status)));
      this.#byStatus[status - STATUS_MIN] = single;
    }
    single.inc();
  }
}

/** Counts of one endpoint on this silo, named as `/clusters` prints them. */
export class EndpointCounts {
  cxActive = 0;
  cxConnectFail = 0;
  cxTotal = 0;
  rqActive = 0;
  rqError = 0;
  rqSuccess = 0;
  rqTimeout = 0;
  rqTotal = 0;

  /** The counts under Envoy's names, in its order. Admin only. */
  toRecord(): Readonly<Record<string, number>> {
    return {
      cx_active: this.cxActive,
      cx_connect_fail: this.cxConnectFail,
      cx_total: this.cxTotal,
      rq_active: this.rqActive,
      rq_error: this.rqError,
      rq_success: this.rqSuccess,
      rq_timeout: this.rqTimeout,
      rq_total: this.rqTotal,
    };
  }
}
