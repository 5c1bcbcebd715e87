/**
 * Operating errors as data: what the client sees, which response flag is logged, whether a retry
 * may help. `docs/errors.md` is generated from this table. Response flags and details are Envoy's.
 */
export interface ProxyErrorRow {
  /** Status of the local reply; 0 = the connection is closed without one. */
  readonly status: number;
  /** Envoy's short response flag, as `%RESPONSE_FLAGS%` prints it; "" = none. */
  readonly flag: string;
  /** Envoy's `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
  /** Body of the local reply. */
  readonly body: string;
  readonly origin: "downstream" | "upstream" | "plugin" | "internal";
}

const row = (
  status: number,
  flag: string,
  details: string,
  body: string,
  origin: ProxyErrorRow["origin"],
): ProxyErrorRow => ({ status, flag, details, body, origin });

export const PROXY_ERRORS = {
  routeNotFound: row(404, "NR", "route_not_found", "", "downstream"),
  clusterNotFound: row(503, "NC", "cluster_not_found", "", "internal"),
  noHealthyUpstream: row(503, "UH", "no_healthy_upstream", "no healthy upstream", "upstream"),
  upstreamConnectFailure: row(
    503,
    "UF",
    "upstream_reset_before_response_started{remote_connection_failure}",
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
    "upstream",
  ),
  upstreamConnectTimeout: row(
    503,
    "UF",
    "upstream_reset_before_response_started{connection_timeout}",
    "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
    "upstream",
  ),
  upstreamReset: row(
    503,
    "UC",
    "upstream_reset_before_response_started{connection_termination}",
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    "upstream",
  ),
  upstreamRemoteReset: row(
    503,
    "UR",
    "upstream_reset_before_response_started{remote_reset}",
    "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
    "upstream",
  ),
  upstreamRemoteRefused: row(
    503,
    "UR",
    "upstream_reset_before_response_started{remote_refused_stream_reset}",
    "upstream connect error or disconnect/reset before headers. reset reason: remote refused stream reset",
    "upstream",
  ),
  upstreamOverflow: row(
    503,
    "UO",
    "upstream_reset_before_response_started{overflow}",
    "upstream connect error or disconnect/reset before headers. reset reason: overflow",
    "upstream",
  ),
  upstreamProtocolError: row(
    502,
    "UPE",
    "upstream_reset_before_response_started{protocol_error}",
    "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
    "upstream",
  ),
  upstreamTimeout: row(504, "UT", "response_timeout", "upstream request timeout", "upstream"),
  upstreamPerTryTimeout: row(
    504,
    "UT",
    "upstream_per_try_timeout",
    "upstream request timeout",
    "upstream",
  ),
  requestTimeout: row(408, "DT", "request_overall_timeout", "request timeout", "downstream"),
  requestHeaderTimeout: row(408, "DT", "request_header_timeout", "", "downstream"),
  streamIdleTimeout: row(408, "SI", "stream_idle_timeout", "stream timeout", "downstream"),
  upstreamStreamIdleTimeout: row(504, "SI", "stream_idle_timeout", "stream timeout", "upstream"),
  requestPayloadTooLarge: row(
    413,
    "",
    "request_payload_too_large",
    "Payload Too Large",
    "downstream",
  ),
  responsePayloadTooLarge: row(
    500,
    "",
    "response_payload_too_large",
    "Internal Server Error",
    "upstream",
  ),
  requestHeadersTooLarge: row(431, "DPE", "http1.headers_too_large", "", "downstream"),
  uriTooLong: row(414, "DPE", "http1.uri_too_long", "", "downstream"),
  codecError: row(400, "DPE", "http1.codec_error", "Bad Request", "downstream"),
  missingHost: row(400, "", "missing_host_header", "", "downstream"),
  pathInvalid: row(400, "", "path_normalization_failed", "", "downstream"),
  versionTooLow: row(426, "DPE", "low_version", "Upgrade Required", "downstream"),
  upgradeRefused: row(403, "", "upgrade_failed", "", "downstream"),
  wasmFailStream: row(503, "", "wasm_fail_stream", "", "plugin"),
  downstreamReset: row(0, "DC", "downstream_remote_disconnect", "", "downstream"),
} as const satisfies Record<string, ProxyErrorRow>;

export type ProxyErrorCode = keyof typeof PROXY_ERRORS;
