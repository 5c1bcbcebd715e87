/**
 * Evaluates Envoy's substitution format (`%REQ(:path)%`) on a stream: access logs and header
 * operators. An operator without a value gives null; access logs print it as "-".
 */
import type { Format, FormatToken } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { hostOf, pathOf, queryOf, queryParameters } from "../http/uri.ts";
import type { EndpointInfo } from "../upstream/types.ts";
import { filterStateOf } from "./filter-state.ts";
import { pluginCost } from "./format-plugin-cost.ts";
import { emitWallMs, milliseconds, spanText, timeText } from "./format-times.ts";
import { addressText, type StreamInfo } from "./stream-info.ts";

type Operator = (info: StreamInfo, argument: string) => string | null;

const RESPONSE_FLAGS_LONG: Readonly<Record<string, string>> = {
  NR: "NoRouteFound",
  UH: "NoHealthyUpstream",
  UF: "UpstreamConnectionFailure",
  NC: "NoClusterFound",
  UO: "UpstreamOverflow",
  UT: "UpstreamRequestTimeout",
  UC: "UpstreamConnectionTermination",
  UPE: "UpstreamProtocolError",
  DC: "DownstreamConnectionTermination",
  DPE: "DownstreamProtocolError",
  URX: "UpstreamRetryLimitExceeded",
  SI: "StreamIdleTimeout",
  LR: "LocalReset",
  UR: "UpstreamRemoteReset",
  DT: "DurationTimeout",
};

/** `A?B`: header A, or B when A is absent. Of several fields the first, as in Envoy. */
function headerOf(headers: HeaderMap | null, argument: string): string | null {
  if (headers === null) return null;
  const question = argument.indexOf("?");
  if (question < 0) return headers.get(argument);
  return headers.get(argument.slice(0, question)) ?? headers.get(argument.slice(question + 1));
}

function text(value: string): string | null {
  return value === "" ? null : value;
}

function names(list: readonly string[] | undefined): string | null {
  return text((list ?? []).join(","));
}

function pathPart(info: StreamInfo, argument: string): string | null {
  const [query, source = "ORIG_OR_PATH"] = argument.split(":");
  const { requestHeaders: headers } = info;
  const original = source === "PATH" ? null : (headers?.get("x-envoy-original-path") ?? null);
  const path = original ?? (source === "ORIG" ? null : (headers?.get(":path") ?? null));
  return path === null || query === "WQ" ? path : pathOf(path);
}

function queryParameter(info: StreamInfo, name: string): string | null {
  const query = queryOf(info.requestHeaders?.get(":path") ?? "");
  if (query === null) return null;
  return queryParameters(query).find(([key]) => key === name)?.[1] ?? null;
}

/** The connection to the endpoint exists, or existed. */
function connectedTo(info: StreamInfo): EndpointInfo | null {
  return info.upstreamLocalAddress === "" ? null : info.endpoint;
}

function hostName(info: StreamInfo): string | null {
  const { endpoint } = info;
  if (endpoint === null) return null;
  return endpoint.hostname === "" ? endpoint.address : endpoint.hostname;
}

/** The address of `ip:port` or `[ip]:port`. */
function withoutPort(address: string): string {
  const ip = address.slice(0, Math.max(0, address.lastIndexOf(":")));
  return ip.startsWith("[") ? ip.slice(1, -1) : ip;
}

/** By gRPC status code. */
const GRPC_NAMES: readonly string[] = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

/** `argument`: CAMEL_STRING (also ""), SNAKE_STRING or NUMBER. */
function grpcStatus(info: StreamInfo, argument: string): string | null {
  const trailer = info.responseTrailers?.get("grpc-status") ?? null;
  const value = trailer ?? info.responseHeaders?.get("grpc-status") ?? null;
  if (value === null || argument === "NUMBER") return value;
  const name = GRPC_NAMES[Number(value)];
  if (name === undefined) return value;
  if (argument !== "SNAKE_STRING" || name === "OK") return name;
  if (name === "Canceled") return "CANCELLED";
  return name.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  REQ: (i, a) => headerOf(i.requestHeaders, a),
  RESP: (i, a) => headerOf(i.responseHeaders, a),
  TRAILER: (i, a) => headerOf(i.responseTrailers, a),
  REQ_WITHOUT_QUERY: (i, a) => headerOf(i.requestHeaders, a)?.replace(/\?.*$/, "") ?? null,
  START_TIME: (i, a) => timeText(i.startWallMs, a, "utc"),
  START_TIME_LOCAL: (i, a) => timeText(i.startWallMs, a, "local"),
  EMIT_TIME: (i, a) => timeText(emitWallMs(i), a, "utc"),
  EMIT_TIME_LOCAL: (i, a) => timeText(emitWallMs(i), a, "local"),
  PATH: pathPart,
  QUERY_PARAM: queryParameter,
  REQUEST_HEADERS_BYTES: (i) => String(i.requestHeadersBytes),
  RESPONSE_HEADERS_BYTES: (i) => String(i.responseHeadersBytes),
  RESPONSE_TRAILERS_BYTES: (i) => String(i.responseTrailers?.byteSize ?? 0),
  LOCAL_REPLY_BODY: (i) => i.localReplyBody,
  ACCESS_LOG_TYPE: () => "DownstreamEnd",
  PROTOCOL: (i) => text(i.protocol),
  RESPONSE_CODE: (i) => String(i.responseCode),
  RESPONSE_CODE_DETAILS: (i) => text(i.responseCodeDetails),
  RESPONSE_FLAGS: (i) => text(i.responseFlags.join(",")),
  RESPONSE_FLAGS_LONG: (i) =>
    text(i.responseFlags.map((f) => RESPONSE_FLAGS_LONG[f] ?? f).join(",")),
  CONNECTION_TERMINATION_DETAILS: (i) => text(i.connectionTerminationDetails),
  BYTES_RECEIVED: (i) => String(i.requestBodyBytes),
  BYTES_SENT: (i) => String(i.responseBodyBytes),
  DURATION: (i) => milliseconds(i.startMs, i.endMs),
  REQUEST_DURATION: (i) => milliseconds(i.startMs, i.requestEndMs),
  REQUEST_TX_DURATION: (i) => milliseconds(i.startMs, i.firstUpstreamTxMs),
  COMMON_DURATION: spanText,
  RESPONSE_DURATION: (i) => milliseconds(i.startMs, i.firstUpstreamRxMs),
  RESPONSE_TX_DURATION: (i) => milliseconds(i.firstUpstreamRxMs, i.endMs),
  ROUTE_NAME: (i) => text(i.route?.name ?? ""),
  VIRTUAL_CLUSTER_NAME: () => null,
  UPSTREAM_CLUSTER: (i) => text(i.clusterName),
  UPSTREAM_CLUSTER_RAW: (i) => text(i.clusterName),
  UPSTREAM_HOST: (i) => i.endpoint?.address ?? null,
  UPSTREAM_HOST_NAME: hostName,
  UPSTREAM_HOST_NAME_WITHOUT_PORT: (i) => text(hostOf(hostName(i) ?? "")),
  UPSTREAM_REMOTE_ADDRESS: (i) => connectedTo(i)?.address ?? null,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (i) => connectedTo(i)?.ip ?? null,
  UPSTREAM_REMOTE_PORT: (i) => text(String(connectedTo(i)?.port ?? "")),
  UPSTREAM_LOCAL_ADDRESS: (i) => text(i.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (i) => text(withoutPort(i.upstreamLocalAddress)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: (i) => text(i.upstreamFailure.replaceAll(" ", "_")),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (i) => String(i.attemptCount),
  UPSTREAM_TLS_VERSION: (i) => i.upstreamTls?.version ?? null,
  UPSTREAM_TLS_CIPHER: (i) => i.upstreamTls?.cipher ?? null,
  UPSTREAM_PEER_SUBJECT: (i) => i.upstreamTls?.peer?.subject ?? null,
  UPSTREAM_PEER_URI_SAN: (i) => names(i.upstreamTls?.peer?.uriSans),
  UPSTREAM_PEER_DNS_SAN: (i) => names(i.upstreamTls?.peer?.dnsSans),
  DOWNSTREAM_REMOTE_PORT: (i) =>
    String(i.remoteIp === i.connection.remoteIp ? i.connection.remotePort : 0),
  DOWNSTREAM_REMOTE_ADDRESS: (i) =>
    addressText(i.remoteIp, i.remoteIp === i.connection.remoteIp ? i.connection.remotePort : 0),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (i) => i.remoteIp,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (i) =>
    addressText(i.connection.directIp, i.connection.directPort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (i) => i.connection.directIp,
  DOWNSTREAM_LOCAL_ADDRESS: (i) => addressText(i.connection.localIp, i.connection.localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (i) => i.connection.localIp,
  DOWNSTREAM_LOCAL_PORT: (i) => String(i.connection.localPort),
  DOWNSTREAM_TLS_VERSION: (i) => i.connection.tls?.version ?? null,
  DOWNSTREAM_TLS_CIPHER: (i) => i.connection.tls?.cipher ?? null,
  DOWNSTREAM_PEER_URI_SAN: (i) => names(i.connection.tls?.peer?.uriSans),
  DOWNSTREAM_PEER_DNS_SAN: (i) => names(i.connection.tls?.peer?.dnsSans),
  DOWNSTREAM_PEER_FINGERPRINT_256: (i) => i.connection.tls?.peer?.sha256Hex ?? null,
  DOWNSTREAM_LOCAL_SUBJECT: (i) => i.connection.tls?.local?.subject ?? null,
  DOWNSTREAM_LOCAL_URI_SAN: (i) => names(i.connection.tls?.local?.uriSans),
  DOWNSTREAM_LOCAL_DNS_SAN: (i) => names(i.connection.tls?.local?.dnsSans),
  DOWNSTREAM_PEER_SUBJECT: (i) => i.connection.tls?.peer?.subject ?? null,
  REQUESTED_SERVER_NAME: (i) => text(i.connection.tls?.serverName ?? ""),
  CONNECTION_ID: (i) => String(i.connection.id),
  STREAM_ID: (i) => i.requestHeaders?.get("x-request-id") ?? null,
  GRPC_STATUS: grpcStatus,
  GRANARY_PLUGIN: pluginCost,
  GRPC_STATUS_NUMBER: (i) => grpcStatus(i, "NUMBER"),
  FILTER_STATE: (i, a) => {
    const value = filterStateOf(i, a.split(":")[0] ?? "");
    if (value === undefined || typeof value === "string") return value ?? null;
    return Buffer.from(value).toString("latin1");
  },
};

/** Operators this file evaluates; the configuration accepts no other. */
export const FORMAT_OPERATORS: ReadonlySet<string> = new Set(Object.keys(OPERATORS));

/** One token's value, cut to its maximum length; null = no value. */
export function tokenValue(token: FormatToken, info: StreamInfo): string | null {
  if (token.kind === "text") return token.text;
  const value = OPERATORS[token.name]?.(info, token.argument) ?? null;
  return value !== null && token.lengthMax >= 0 ? value.slice(0, token.lengthMax) : value;
}

/** The whole text; `absent` stands for operators without a value ("-" in logs, "" in headers). */
export function formatText(format: Format, info: StreamInfo, absent: string): string {
  let out = "";
  for (const token of format) out += tokenValue(token, info) ?? absent;
  return out;
}
