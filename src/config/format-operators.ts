/**
 * The `%OPERATOR(argument):length%` words of Envoy's substitution format strings, as data.
 * Source: Envoy documentation, "Access logging / Command operators".
 */
export interface FormatOperator {
  /** Whether parentheses must, may or must not follow. */
  readonly argument: "required" | "optional" | "none";
  /** How the argument is checked: header names, a time format, one of the words. */
  readonly shape: "headers" | "time" | "name" | "path" | "words" | "span" | "plugin" | "none";
  /** Whether `:length` may follow. */
  readonly length: boolean;
  readonly words: readonly string[];
}

const row = (
  argument: FormatOperator["argument"],
  shape: FormatOperator["shape"],
  length: boolean,
  words: readonly string[] = [],
): FormatOperator => ({ argument, shape, length, words });

const PLAIN = row("none", "none", true);
const HEADER = row("required", "headers", true);
const TIME = row("optional", "time", false);
const PATH_WORDS = ["WQ", "NQ"].flatMap((query) =>
  ["", ":ORIG", ":PATH", ":ORIG_OR_PATH"].map((source) => query + source),
);

/** Of `%GRANARY_PLUGIN(...)%`: a plugin's name, what of it, and of which callback or hostcall. */
export const PLUGIN_COST_ARGUMENT =
  /^(.+?):(memory_bytes$|time_us|calls|hostcalls)(?::(proxy_\w+))?$/;

export const FORMAT_OPERATORS: ReadonlyMap<string, FormatOperator> = new Map([
  ["REQ", HEADER],
  ["RESP", HEADER],
  ["TRAILER", HEADER],
  ["REQ_WITHOUT_QUERY", HEADER],
  ["START_TIME", TIME],
  ["START_TIME_LOCAL", TIME],
  ["EMIT_TIME", TIME],
  ["EMIT_TIME_LOCAL", TIME],
  ["COMMON_DURATION", row("required", "span", false)],
  ["QUERY_PARAM", row("required", "name", true)],
  ["PATH", row("required", "words", true, PATH_WORDS)],
  ["FILTER_STATE", row("required", "path", true)],
  ["GRANARY_PLUGIN", row("required", "plugin", true)],
  ["ENVIRONMENT", row("required", "name", true)],
  ["GRPC_STATUS", row("optional", "words", true, ["CAMEL_STRING", "SNAKE_STRING", "NUMBER"])],
  ...[
    "REQUEST_DURATION",
    "REQUEST_TX_DURATION",
    "REQUEST_HEADERS_BYTES",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "LOCAL_REPLY_BODY",
    "ACCESS_LOG_TYPE",
    "RESPONSE_DURATION",
    "RESPONSE_TX_DURATION",
    "DURATION",
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "PROTOCOL",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG",
    "CONNECTION_TERMINATION_DETAILS",
    "ROUTE_NAME",
    "VIRTUAL_CLUSTER_NAME",
    "UPSTREAM_HOST",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "GRPC_STATUS_NUMBER",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_PEER_SUBJECT",
    "REQUESTED_SERVER_NAME",
    "CONNECTION_ID",
    "STREAM_ID",
    "HOSTNAME",
  ].map((name): [string, FormatOperator] => [name, PLAIN]),
]);

/** Envoy's default access log line. */
export const DEFAULT_ACCESS_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% " +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';
