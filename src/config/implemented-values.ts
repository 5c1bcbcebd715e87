/**
 * What is implemented of single fields: values of enums, and what to write instead of fields that
 * are not implemented.
 */

const C = "envoy.config.core.v3.";
const R = "envoy.config.route.v3.";
const CL = "envoy.config.cluster.v3.";
const EP = "envoy.config.endpoint.v3.";
const L = "envoy.config.listener.v3.";
const TLS = "envoy.extensions.transport_sockets.tls.v3.";
const NET = "envoy.extensions.filters.network.http_connection_manager.v3.";
const UP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** Values that are implemented, for enum fields where not all are. */
export const IMPLEMENTED_VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  [`${NET}HttpConnectionManager.codec_type`, ["AUTO", "HTTP1", "HTTP2"]],
  [`${C}SocketAddress.protocol`, ["TCP"]],
  [`${C}HttpProtocolOptions.headers_with_underscores_action`, ["ALLOW"]],
  [`${CL}Cluster.type`, ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS"]],
  [`${CL}Cluster.lb_policy`, ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"]],
  [`${CL}CircuitBreakers.Thresholds.priority`, ["DEFAULT"]],
  [`${EP}LbEndpoint.health_status`, ["UNKNOWN", "HEALTHY"]],
  [`${L}Listener.drain_type`, ["DEFAULT"]],
]);

/** What to write instead of a field that is not implemented, where there is something. */
export const INSTEAD: ReadonlyMap<string, string> = new Map([
  [`${NET}HttpConnectionManager.scoped_routes`, "write the routes in route_config"],
  [`${C}Address.pipe`, "use socket_address"],
  [`${C}SocketAddress.named_port`, "use port_value"],
  [`${R}RouteAction.cluster_header`, "name the cluster in cluster or weighted_clusters"],
  [`${UP}.auto_config`, "write explicit_http_config: {http_protocol_options: {}}"],
  [`${TLS}CommonTlsContext.combined_validation_context`, "write validation_context"],
  [
    `${TLS}CommonTlsContext.tls_certificate_sds_secret_configs`,
    "write the certificate in tls_certificates",
  ],
]);
