/**
 * Envoy's validation rules, and fields that Granary does not implement.
 */
import { describe } from "node:test";
import { LOGGERS, wasmFilter } from "./bootstrap-text.ts";
import type { Row } from "./problem-rows.ts";
import { match, ROUTE, route, runRows } from "./problem-rows.ts";

const endpoint = (fields: string) => ({ endpoint: fields });

const ROWS: readonly Row[] = [
  [
    "a port above 65535",
    endpoint("address: {socket_address: {address: 1.1.1.1, port_value: 70000}} # <<"),
    "port_value",
    "at most 65535",
  ],
  [
    "an address without a port",
    endpoint("address:\n  socket_address: {address: 1.1.1.1} # <<"),
    "socket_address",
    "port_specifier is required",
  ],
  [
    "an empty address",
    endpoint('address: {socket_address: {address: "", port_value: 1}} # <<'),
    "address",
    "must not be empty",
  ],
  [
    "a zero connect timeout",
    { cluster: "connect_timeout: 0s # <<" },
    "connect_timeout",
    "more than 0s",
  ],
  [
    "a header size above Envoy's",
    { hcm: "max_request_headers_kb: 9000 # <<" },
    "max_request_headers_kb",
    "at most 8192",
  ],
  [
    "an empty list of weighted clusters",
    route("weighted_clusters: {clusters: []} # <<"),
    "clusters",
    "at least 1",
  ],
  [
    "a direct response with a bad status",
    { routes: `- ${ROUTE}\n  direct_response: {status: 99} # <<` },
    "status",
    "at least 200",
  ],
  [
    "a prefix that ends in a slash",
    match("path_separated_prefix: /a/ # <<"),
    "path_separated_prefix",
    "pattern",
  ],
  [
    "a bad header name",
    { host: 'request_headers_to_remove: ["a b"] # <<' },
    "request_headers_to_remove[0]",
    "header name",
  ],
  [
    "a header with a line break",
    { host: 'request_headers_to_add: [{header: {key: a, value: "x\\ny"}}] # <<' },
    "value",
    "header value",
  ],
  [
    "a route without a match",
    { routes: "- route: {cluster: a} # <<" },
    "match",
    "match is required",
  ],
  ["a route without an action", { routes: `- ${ROUTE} # <<` }, "routes[0]", "action is required"],
  [
    "a choice count of one",
    { cluster: "lb_policy: LEAST_REQUEST\nleast_request_lb_config: {choice_count: 1} # <<" },
    "choice_count",
    "at least 2",
  ],
  [
    "a top-level field",
    { top: "overload_manager: {} # <<" },
    "overload_manager",
    "not implemented",
  ],
  [
    "a listener field",
    { listener: "additional_addresses: [{}] # <<" },
    "additional_addresses",
    "not implemented",
  ],
  [
    "a server name that is no name",
    { chain: 'filter_chain_match: {server_names: ["a.*"]} # <<' },
    "server_names[0]",
    "not a server name",
  ],
  [
    "a range of no address",
    { chain: "filter_chain_match: {prefix_ranges: [{address_prefix: a}]} # <<" },
    "address_prefix",
    "not an IP address",
  ],
  [
    "a range that is too long",
    {
      chain:
        "filter_chain_match: {prefix_ranges: [{address_prefix: 1.2.3.4, prefix_len: 33}]} # <<",
    },
    "prefix_len",
    "longer",
  ],
  [
    "a transport protocol",
    { chain: "filter_chain_match: {transport_protocol: quic} # <<" },
    "transport_protocol",
    "raw_buffer",
  ],
  [
    "a listener filter",
    { listener: "listener_filters: [{name: x}] # <<" },
    "listener_filters[0].typed_config",
    "required",
  ],
  [
    "an option of the PROXY protocol",
    {
      listener:
        'listener_filters: [{name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol, pass_through_tlvs: {}}}] # <<',
    },
    "pass_through_tlvs",
    "not implemented",
  ],
  [
    "HTTP/3 for clients",
    { hcm: "codec_type: HTTP3 # <<" },
    "codec_type",
    "write AUTO or HTTP1 or HTTP2",
  ],
  [
    "HTTP/2 METADATA frames",
    { hcm: "http2_protocol_options: {allow_metadata: true} # <<" },
    "allow_metadata",
    "not implemented",
  ],
  ["tracing", { hcm: "tracing: {} # <<" }, "tracing", "not implemented"],
  [
    "upgrades",
    { hcm: "upgrade_configs: [{upgrade_type: websocket}] # <<" },
    "upgrade_configs",
    "not implemented",
  ],
  [
    "a hash policy",
    route("cluster: a\nhash_policy: [{header: {header_name: x}}] # <<"),
    "hash_policy",
    "not implemented",
  ],
  [
    "a request mirror",
    route("cluster: a\nrequest_mirror_policies: [{cluster: a}] # <<"),
    "request_mirror_policies",
    "not implemented",
  ],
  [
    "a limit of streams' duration",
    route("cluster: a\nmax_stream_duration: {} # <<"),
    "max_stream_duration",
    "not implemented",
  ],
  [
    "hedging",
    route("cluster: a\nhedge_policy: {hedge_on_per_try_timeout: true} # <<"),
    "hedge_policy",
    "not implemented",
  ],
  [
    "a host predicate",
    route("cluster: a\nretry_policy: {retry_host_predicate: [{name: x}]} # <<"),
    "retry_host_predicate[0]",
    "PreviousHostsPredicate",
  ],
  [
    "another backoff after rate limits",
    route(
      "cluster: a\nretry_policy: {rate_limited_retry_back_off: {reset_headers: [{name: x}]}} # <<",
    ),
    "rate_limited_retry_back_off",
    "not implemented",
  ],
  [
    "details of certificates that nobody sends",
    { hcm: "set_current_client_cert_details: {subject: true} # <<" },
    "set_current_client_cert_details",
    "SANITIZE_SET",
  ],
  [
    "active health checks",
    {
      cluster:
        "health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /}}] # <<",
    },
    "health_checks",
    "not implemented",
  ],
  [
    "a filter of a cluster",
    {
      cluster:
        'typed_extension_protocol_options:\n  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n    explicit_http_config: {http_protocol_options: {}}\n    http_filters: [{name: x}] # <<',
    },
    "http_filters[0]",
    "not implemented",
  ],
  [
    "a cluster from a header",
    route("cluster_header: x # <<"),
    "cluster_header",
    "weighted_clusters",
  ],
  ["EDS", { cluster: "type: EDS # <<" }, "type", "eds_cluster_config"],
  ["ring hash", { cluster: "lb_policy: RING_HASH # <<" }, "lb_policy", "ROUND_ROBIN"],
  [
    "health checks",
    { cluster: "outlier_detection: {} # <<" },
    "outlier_detection",
    "not implemented",
  ],
  [
    "HTTP/3 for upstreams",
    {
      cluster:
        'typed_extension_protocol_options:\n  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n    explicit_http_config:\n      http3_protocol_options: {} # <<',
    },
    "http3_protocol_options",
    "not implemented",
  ],
  [
    "a remote module with half a hash",
    {
      filters: wasmFilter().replace(
        "{local: {filename: ok.wasm}}",
        "{remote: {sha256: ab, http_uri: {uri: http://x/, cluster: a, timeout: 1s}}} # <<",
      ),
    },
    "sha256",
    "not a SHA-256",
  ],
  [
    "an unknown runtime",
    { filters: wasmFilter("", "runtime: envoy.wasm.runtime.wavm # <<") },
    "runtime",
    "v8",
  ],
  [
    "an HTTP filter",
    {
      filters:
        '- name: x\n  typed_config: {"@type": type.googleapis.com/udpa.type.v1.TypedStruct} # <<',
    },
    "type_url",
    "full message name",
  ],
  [
    "a field inside a TypedStruct",
    {
      filters:
        '- name: x\n  typed_config:\n    "@type": type.googleapis.com/xds.type.v3.TypedStruct\n    type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    value: {confg: {}} # <<',
    },
    "confg",
    "config",
  ],
  [
    "an access logger",
    {
      hcm: `access_log:\n- name: l\n  typed_config: {"@type": type.googleapis.com/envoy.extensions.wasm.v3.PluginConfig} # <<`,
    },
    "typed_config",
    "StdoutAccessLog",
  ],
  [
    "an access log filter",
    {
      hcm: `access_log:\n- filter: {runtime_filter: {runtime_key: a}} # <<\n  typed_config: {"@type": ${LOGGERS}stream.v3.StdoutAccessLog}`,
    },
    "runtime_filter",
    "not implemented",
  ],
  [
    "a retry word",
    route("cluster: a\nretry_policy: {retry_on: sometimes} # <<"),
    "retry_on",
    '"sometimes"',
  ],
  [
    "a second filter chain",
    { listener: "default_filter_chain: {filters: []} # <<" },
    "default_filter_chain.filters",
    "network filter is required",
  ],
];

describe("rules and what is implemented", () => runRows(ROWS));
