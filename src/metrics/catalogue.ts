/**
 * The built-in metrics as rows: kind, help and unit of each, under Envoy's names. The rows of
 * clusters stand beside the code that counts them, in `src/upstream/stats.ts`. Rows are what typed
 * handles, Prometheus' help texts and the generated list of metrics are made from.
 */
import {
  type HandlesOf,
  handlesOf,
  type MetricRow,
  type MetricRows,
  type MetricUnit,
} from "./handles.ts";
import type { MetricScope } from "./types.ts";

interface Row<Kind extends MetricRow["kind"]> {
  readonly kind: Kind;
  readonly help: string;
  readonly unit: MetricUnit;
}
const counter = (help: string, unit: MetricUnit = "count"): Row<"counter"> => ({
  kind: "counter",
  help,
  unit,
});
const gauge = (help: string, unit: MetricUnit = "count"): Row<"gauge"> => ({
  kind: "gauge",
  help,
  unit,
});
const histogram = (help: string, unit: MetricUnit): Row<"histogram"> => ({
  kind: "histogram",
  help,
  unit,
});

/** `http.<stat_prefix>.<row>`. Source: Envoy, HTTP connection manager statistics. */
export const HTTP_STATS = {
  downstream_cx_total: counter("Connections accepted"),
  downstream_cx_active: gauge("Connections open"),
  downstream_cx_http1_total: counter("HTTP/1.1 connections accepted"),
  downstream_cx_http1_active: gauge("HTTP/1.1 connections open"),
  downstream_cx_http2_total: counter("HTTP/2 connections accepted"),
  downstream_cx_http2_active: gauge("HTTP/2 connections open"),
  downstream_cx_ssl_total: counter("TLS connections accepted"),
  downstream_cx_ssl_active: gauge("TLS connections open"),
  downstream_cx_destroy: counter("Connections closed"),
  downstream_cx_destroy_local: counter("Connections closed by this side"),
  downstream_cx_destroy_remote: counter("Connections closed by the client"),
  downstream_cx_destroy_active_rq: counter("Connections closed with a request running"),
  downstream_cx_destroy_local_active_rq: counter(
    "Connections closed by this side with a request running",
  ),
  downstream_cx_destroy_remote_active_rq: counter(
    "Connections closed by the client with a request running",
  ),
  downstream_cx_idle_timeout: counter("Connections closed because they were idle for too long"),
  downstream_cx_max_duration_reached: counter("Connections closed because of their age"),
  downstream_cx_max_requests_reached: counter("Connections closed after their last request"),
  downstream_cx_protocol_error: counter("Connections that received malformed bytes"),
  downstream_cx_rx_bytes_total: counter("Bytes received", "bytes"),
  downstream_cx_tx_bytes_total: counter("Bytes sent", "bytes"),
  downstream_cx_length_ms: histogram("Life of a connection, in milliseconds", "milliseconds"),
  downstream_cx_drain_close: counter("Connections closed because of draining"),
  downstream_flow_control_paused_reading_total: counter("Times reading from a client was paused"),
  downstream_flow_control_resumed_reading_total: counter("Times reading from a client went on"),
  downstream_rq_total: counter("Requests received"),
  downstream_rq_active: gauge("Requests running"),
  downstream_rq_http1_total: counter("HTTP/1.1 requests received"),
  downstream_rq_http2_total: counter("HTTP/2 requests received"),
  downstream_rq_1xx: counter("Answers with status 1xx"),
  downstream_rq_2xx: counter("Answers with status 2xx"),
  downstream_rq_3xx: counter("Answers with status 3xx"),
  downstream_rq_4xx: counter("Answers with status 4xx"),
  downstream_rq_5xx: counter("Answers with status 5xx"),
  downstream_rq_completed: counter("Requests answered"),
  downstream_rq_rx_reset: counter("Requests reset by the client"),
  downstream_rq_tx_reset: counter("Requests reset by this side"),
  downstream_rq_timeout: counter("Requests that did not arrive in time"),
  downstream_rq_header_timeout: counter("Requests whose head did not arrive in time"),
  downstream_rq_idle_timeout: counter("Requests closed because nothing moved for too long"),
  downstream_rq_too_large: counter("Requests answered 413 because of their size"),
  downstream_rq_non_relative_path: counter("Requests with a path that does not begin with a slash"),
  downstream_rq_failed_path_normalization: counter("Requests refused because of their path"),
  downstream_rq_redirected_with_normalized_path: counter(
    "Requests redirected because of slashes escaped in their path",
  ),
  downstream_rq_response_before_rq_complete: counter("Answers sent before the request had ended"),
  downstream_rq_time: histogram(
    "Time from a request to the end of its answer, in milliseconds",
    "milliseconds",
  ),
  no_route: counter("Requests without a matching route"),
  no_cluster: counter("Requests to a cluster that does not exist"),
  rq_direct_response: counter("Requests answered by the route itself"),
  rq_redirect: counter("Requests answered by a redirect"),
  rq_total: counter("Requests that reached the router"),
  rq_reset_after_downstream_response_started: counter("Requests reset after their answer began"),
  rs_too_large: counter("Answers too large for a buffer"),
} as const satisfies MetricRows;

/** `listener.<address>.<row>`. Source: Envoy, listener statistics. */
export const LISTENER_STATS = {
  downstream_cx_total: counter("Connections accepted"),
  downstream_cx_active: gauge("Connections open"),
  downstream_cx_destroy: counter("Connections closed"),
  downstream_cx_length_ms: histogram("Life of a connection, in milliseconds", "milliseconds"),
  downstream_pre_cx_active: gauge("Connections whose filter chain is not chosen yet"),
  downstream_pre_cx_timeout: counter("Connections that said too little in time to choose a chain"),
  downstream_listener_filter_error: counter("Connections refused by a listener filter"),
  downstream_listener_filter_remote_close: counter("Connections gone before a chain was chosen"),
  no_filter_chain_match: counter("Connections closed because no filter chain matched"),
  "ssl.handshake": counter("TLS handshakes completed"),
  "ssl.connection_error": counter("TLS connections that failed"),
} as const satisfies MetricRows;

/** `listener.<address>.http.<stat_prefix>.<row>`. */
export const LISTENER_HTTP_STATS = {
  downstream_rq_completed: counter("Requests answered"),
  downstream_rq_1xx: counter("Answers with status 1xx"),
  downstream_rq_2xx: counter("Answers with status 2xx"),
  downstream_rq_3xx: counter("Answers with status 3xx"),
  downstream_rq_4xx: counter("Answers with status 4xx"),
  downstream_rq_5xx: counter("Answers with status 5xx"),
} as const satisfies MetricRows;

/** `proxy_proto.<row>`. Source: Envoy, PROXY protocol listener filter. */
export const PROXY_PROTOCOL_STATS = {
  not_found_allowed: counter("Connections without a PROXY header that were served"),
  not_found_disallowed: counter("Connections without a PROXY header that were refused"),
  "versions.v1.found": counter("PROXY headers of version 1"),
  "versions.v1.error": counter("Malformed PROXY headers of version 1"),
  "versions.v2.found": counter("PROXY headers of version 2"),
  "versions.v2.error": counter("Malformed PROXY headers of version 2"),
} as const satisfies MetricRows;

/** `tcp.<stat_prefix>.<row>`. Source: Envoy, TCP proxy statistics. */
export const TCP_PROXY_STATS = {
  downstream_cx_total: counter("Connections proxied"),
  downstream_cx_no_route: counter("Connections without a cluster"),
  downstream_cx_rx_bytes_total: counter("Bytes received from clients", "bytes"),
  downstream_cx_tx_bytes_total: counter("Bytes sent to clients", "bytes"),
  downstream_flow_control_paused_reading_total: counter("Times reading from a client was paused"),
  downstream_flow_control_resumed_reading_total: counter("Times reading from a client went on"),
  idle_timeout: counter("Connections closed because nothing moved for too long"),
  max_downstream_connection_duration: counter("Connections closed because of their age"),
} as const satisfies MetricRows;

/** `server.<row>`, written by main. Source: Envoy, server statistics. */
export const SERVER_STATS = {
  live: gauge("1 while the server accepts requests", "boolean"),
  state: gauge("0 live, 1 draining, 2 pre-initialising, 3 initialising"),
  uptime: gauge("Time since the start, in seconds", "seconds"),
  concurrency: gauge("Silos"),
  memory_allocated: gauge("Heap in use, in bytes", "bytes"),
  memory_heap_size: gauge("Heap reserved, in bytes", "bytes"),
  memory_physical_size: gauge("Resident memory of the process, in bytes", "bytes"),
  total_connections: gauge("Connections open on all listeners"),
  days_until_first_cert_expiring: gauge("Days until the first certificate expires", "days"),
  initialization_time_ms: histogram("Time to start, in milliseconds", "milliseconds"),
} as const satisfies MetricRows;

/** `listener_manager.<row>`, written by main. */
export const LISTENER_MANAGER_STATS = {
  listener_added: counter("Listeners added"),
  listener_modified: counter("Listeners changed while they serve"),
  listener_removed: counter("Listeners removed"),
  listener_create_success: counter("Listeners that every silo took"),
  total_listeners_active: gauge("Listeners that accept connections"),
  total_listeners_draining: gauge("Listeners that drain"),
  workers_started: gauge("1 when every silo has started", "boolean"),
} as const satisfies MetricRows;

/** `cluster_manager.<row>`, written by main. */
export const CLUSTER_MANAGER_STATS = {
  cluster_added: counter("Clusters added"),
  cluster_modified: counter("Clusters changed while they serve"),
  cluster_removed: counter("Clusters removed"),
  active_clusters: gauge("Clusters ready for requests"),
  warming_clusters: gauge("Clusters not ready yet"),
} as const satisfies MetricRows;

/** `config_reload.<row>`, written by main: the bootstrap read again while it runs. */
export const CONFIG_RELOAD_STATS = {
  update_attempt: counter("Times the configuration was read again"),
  update_success: counter("Times a new configuration was taken"),
  update_rejected: counter("Times a new configuration was refused and the old one went on"),
  version: gauge("Version of the configuration in use; 1 at the start"),
  update_duration: histogram(
    "Time to read and take a configuration, in milliseconds",
    "milliseconds",
  ),
} as const satisfies MetricRows;

/** `granary.shared_data.<row>`, written by main. */
export const SHARED_DATA_STATS = {
  entries: gauge("Values of shared data"),
  bytes_used: gauge("Memory of the values of shared data, in bytes", "bytes"),
  bytes_claimed: gauge("Memory claimed for shared data, in bytes", "bytes"),
  refused: counter("Changes of shared data refused because its memory was full"),
  evicted: counter("Values evicted because the memory of shared data was full"),
  expired: counter("Values removed because their time was over"),
  lock_timeouts: counter("Operations on shared data given up because of a lock"),
  locks_recovered: counter("Locks of shared data recovered from a thread that died"),
} as const satisfies MetricRows;

/** `granary.metrics.<row>`, written by main. */
export const METRIC_REGION_STATS = {
  definitions_refused: counter("Definitions of metrics refused: no room, or too long a name"),
} as const satisfies MetricRows;

/** `granary.body.bytes_copied.<row>`: body bytes copied in user space, by reason. */
export const BODY_COPY_STATS = {
  window: counter("Body bytes copied because they came in one read with the head", "bytes"),
  joined: counter("Body bytes copied into one write with a head or chunk frame", "bytes"),
  lent: counter("Body bytes copied out of memory that a filter lends", "bytes"),
  tapped: counter("Body bytes copied because a tap keeps them", "bytes"),
  filter_read: counter("Body bytes copied into the memory of filters", "bytes"),
  filter_write: counter("Body bytes copied because a filter changed the body", "bytes"),
} as const satisfies MetricRows;

/** `granary.access_logs.<row>`. */
export const ACCESS_LOG_STATS = {
  dropped: counter("Access-log lines dropped because the ring to the log writer was full"),
} as const satisfies MetricRows;

/** `granary.shared_queues.<row>`, written by main. */
export const SHARED_QUEUE_STATS = {
  items: gauge("Items in shared queues"),
  bytes_used: gauge("Memory of the items of shared queues, in bytes", "bytes"),
  dropped: counter("Items dropped from full shared queues"),
  refused: counter("Items refused by full shared queues"),
  lock_timeouts: counter("Operations on shared queues given up because of a lock"),
  locks_recovered: counter("Locks of shared queues recovered from a thread that died"),
} as const satisfies MetricRows;

/** `wasm.envoy.wasm.runtime.<engine>.<row>`: VMs. */
export const WASM_RUNTIME_STATS = {
  active: gauge("VMs alive"),
  created: counter("VMs made"),
} as const satisfies MetricRows;

/** `http2.<row>`: HTTP/2 of clients. Source: Envoy, HTTP/2 codec statistics. */
export const HTTP2_STATS = {
  keepalive_timeout: counter("Clients' HTTP/2 connections closed for an unanswered PING"),
} as const satisfies MetricRows;

/** `granary.callouts.<row>`: requests that plugins make on their own. */
export const CALLOUT_STATS = {
  active: gauge("Callouts under way"),
  http_total: counter("HTTP callouts started"),
  grpc_total: counter("gRPC calls and streams started"),
  cancelled: counter("Callouts given up because their plugin ended"),
  refused: counter("Callouts refused because their plugin had as many as it may have"),
  reply_too_large: counter("Callouts ended because a body or message of the answer was too large"),
} as const satisfies MetricRows;

/** `granary.vm_pool.<row>`: the VMs of plugins with coroutines. */
export const VM_POOL_STATS = {
  vms: gauge("VMs of plugins with coroutines"),
  busy: gauge("Of these, VMs whose guest waits in a call"),
  waiting: gauge("Callbacks that wait for a VM whose guest waits"),
  created: counter("VMs added to a pool because the others were busy, or to have the least number"),
  retired: counter("VMs taken out of a pool because nobody needed them"),
  exhausted: counter("Streams that began in a busy VM because the pool had as many as it may have"),
} as const satisfies MetricRows;

export type HttpStats = HandlesOf<typeof HTTP_STATS>;
export type ListenerStats = HandlesOf<typeof LISTENER_STATS>;
export type ListenerHttpStats = HandlesOf<typeof LISTENER_HTTP_STATS>;
export type ProxyProtocolStats = HandlesOf<typeof PROXY_PROTOCOL_STATS>;
export type TcpProxyStats = HandlesOf<typeof TCP_PROXY_STATS>;
export type ServerStats = HandlesOf<typeof SERVER_STATS>;
export type ListenerManagerStats = HandlesOf<typeof LISTENER_MANAGER_STATS>;
export type ClusterManagerStats = HandlesOf<typeof CLUSTER_MANAGER_STATS>;
export type ConfigReloadStats = HandlesOf<typeof CONFIG_RELOAD_STATS>;
export type SharedDataStats = HandlesOf<typeof SHARED_DATA_STATS>;
export type MetricRegionStats = HandlesOf<typeof METRIC_REGION_STATS>;
export type BodyCopyStats = HandlesOf<typeof BODY_COPY_STATS>;
export type AccessLogStats = HandlesOf<typeof ACCESS_LOG_STATS>;
export type SharedQueueStats = HandlesOf<typeof SHARED_QUEUE_STATS>;
export type WasmRuntimeStats = HandlesOf<typeof WASM_RUNTIME_STATS>;
export type CalloutStats = HandlesOf<typeof CALLOUT_STATS>;
export type Http2Stats = HandlesOf<typeof HTTP2_STATS>;
export type VmPoolStats = HandlesOf<typeof VM_POOL_STATS>;

/** As Envoy names things inside a stat: a colon would end the name in statsd. */
export function statNamePart(text: string): string {
  return text.replaceAll(":", "_");
}

/** @param root the thread's root scope @param statPrefix of the connection manager */
export function httpStats(root: MetricScope, statPrefix: string): HttpStats {
  return handlesOf(HTTP_STATS, root.scope(`http.${statNamePart(statPrefix)}`));
}

/** @param address `ip:port` or `[ip]:port`, as the listener is bound */
export function listenerStats(root: MetricScope, address: string): ListenerStats {
  return handlesOf(LISTENER_STATS, root.scope(`listener.${statNamePart(address)}`));
}

export function listenerHttpStats(
  root: MetricScope,
  address: string,
  statPrefix: string,
): ListenerHttpStats {
  const prefix = `listener.${statNamePart(address)}.http.${statNamePart(statPrefix)}`;
  return handlesOf(LISTENER_HTTP_STATS, root.scope(prefix));
}

export function proxyProtocolStats(root: MetricScope): ProxyProtocolStats {
  return handlesOf(PROXY_PROTOCOL_STATS, root.scope("proxy_proto"));
}

/** @param statPrefix of the TCP proxy */
export function tcpProxyStats(root: MetricScope, statPrefix: string): TcpProxyStats {
  return handlesOf(TCP_PROXY_STATS, root.scope(`tcp.${statNamePart(statPrefix)}`));
}

export function serverStats(root: MetricScope): ServerStats {
  return handlesOf(SERVER_STATS, root.scope("server"));
}

export function listenerManagerStats(root: MetricScope): ListenerManagerStats {
  return handlesOf(LISTENER_MANAGER_STATS, root.scope("listener_manager"));
}

export function clusterManagerStats(root: MetricScope): ClusterManagerStats {
  return handlesOf(CLUSTER_MANAGER_STATS, root.scope("cluster_manager"));
}

export function configReloadStats(root: MetricScope): ConfigReloadStats {
  return handlesOf(CONFIG_RELOAD_STATS, root.scope("config_reload"));
}

export function sharedDataStats(root: MetricScope): SharedDataStats {
  return handlesOf(SHARED_DATA_STATS, root.scope("granary.shared_data"));
}

export function metricRegionStats(root: MetricScope): MetricRegionStats {
  return handlesOf(METRIC_REGION_STATS, root.scope("granary.metrics"));
}

export function bodyCopyStats(root: MetricScope): BodyCopyStats {
  return handlesOf(BODY_COPY_STATS, root.scope("granary.body.bytes_copied"));
}

export function accessLogStats(root: MetricScope): AccessLogStats {
  return handlesOf(ACCESS_LOG_STATS, root.scope("granary.access_logs"));
}

export function sharedQueueStats(root: MetricScope): SharedQueueStats {
  return handlesOf(SHARED_QUEUE_STATS, root.scope("granary.shared_queues"));
}

/** @param engine "v8" or "null" */
export function wasmRuntimeStats(root: MetricScope, engine: string): WasmRuntimeStats {
  return handlesOf(WASM_RUNTIME_STATS, root.scope(`wasm.envoy.wasm.runtime.${engine}`));
}

export function http2Stats(root: MetricScope): Http2Stats {
  return handlesOf(HTTP2_STATS, root.scope("http2"));
}

export function calloutStats(root: MetricScope): CalloutStats {
  return handlesOf(CALLOUT_STATS, root.scope("granary.callouts"));
}

export function vmPoolStats(root: MetricScope): VmPoolStats {
  return handlesOf(VM_POOL_STATS, root.scope("granary.vm_pool"));
}

/**
 * Ends of names whose value every silo holds whole, because it describes something the silos share
 * or decide alike: the process' value is the largest column, not the sum.
 */
const SHARED_VALUE_ENDS = [
  ".membership_total",
  ".membership_healthy",
  ".membership_change",
  ".cx_open",
  ".rq_open",
  ".rq_pending_open",
  ".rq_retry_open",
] as const;

/** Whether the columns of `name` are combined by their maximum. */
export function isSharedValue(name: string): boolean {
  return name.startsWith("cluster.") && SHARED_VALUE_ENDS.some((end) => name.endsWith(end));
}
