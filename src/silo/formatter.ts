/**
 * Envoy's substitution format (`%REQ(:path)%`) on a stream, in access logs and header operators:
 * compiled once into texts and functions that read a value. An operator without a value gives null;
 * access logs print it as "-". Strings are latin1.
 */
import type { Format, FormatToken } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { hostOf, pathOf, queryOf, queryParameters } from "../http/uri.ts";
import type { EndpointInfo } from "../upstream/types.ts";
import { filterStateOf } from "./filter-state.ts";
import { pluginCost } from "./format-plugin-cost.ts";
import { compileSpan, compileTime, emitWallMs, milliseconds } from "./format-times.ts";
import { addressText, type StreamInfo } from "./stream-info.ts";

/** What an operator gives for a stream; null = no value. */
export type ReadValue = (info: StreamInfo) => string | null;

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

/** `A?B`: header A, or B when A is absent. */
function alternatives(argument: string): readonly [string, string | null] {
  const question = argument.indexOf("?");
  if (question < 0) return [argument, null];
  return [argument.slice(0, question), argument.slice(question + 1)];
}

/** Of several fields the first, as in Envoy. */
function headerOf(headers: HeaderMap | null, name: string, other: string | null): string | null {
  if (headers === null) return null;
  const value = headers.get(name);
  return value !== null || other === null ? value : headers.get(other);
}

function text(value: string): string | null {
  return value === "" ? null : value;
}

function names(list: readonly string[] | undefined): string | null {
  return list === undefined || list.length === 0 ? null : text(list.join(","));
}

const COUNTS = 1_000;
/** Of small numbers, which most are: statuses, lengths, durations. */
const COUNT_TEXTS: readonly string[] = Array.from({ length: COUNTS }, (_, i) => String(i));

function countText(count: number): string {
  return COUNT_TEXTS[count] ?? String(count);
}

function pathPart(argument: string): ReadValue {
  const [query, source = "ORIG_OR_PATH"] = argument.split(":");
  return ({ requestHeaders: headers }) => {
    const original = source === "PATH" ? null : (headers?.get("x-envoy-original-path") ?? null);
    const path = original ?? (source === "ORIG" ? null : (headers?.get(":path") ?? null));
    return path === null || query === "WQ" ? path : pathOf(path);
  };
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

/** Operators that take no argument. */
const PLAIN: Readonly<Record<string, ReadValue>> = {
  REQUEST_HEADERS_BYTES: (i) => countText(i.requestHeadersBytes),
  RESPONSE_HEADERS_BYTES: (i) => countText(i.responseHeadersBytes),
  RESPONSE_TRAILERS_BYTES: (i) => String(i.responseTrailers?.byteSize ?? 0),
  LOCAL_REPLY_BODY: (i) => i.localReplyBody,
  ACCESS_LOG_TYPE: () => "DownstreamEnd",
  PROTOCOL: (i) => text(i.protocol),
  RESPONSE_CODE: (i) => countText(i.responseCode),
  RESPONSE_CODE_DETAILS: (i) => text(i.responseCodeDetails),
  RESPONSE_FLAGS: (i) => names(i.responseFlags),
  RESPONSE_FLAGS_LONG: (i) => names(i.responseFlags.map((f) => RESPONSE_FLAGS_LONG[f] ?? f)),
  CONNECTION_TERMINATION_DETAILS: (i) => text(i.connectionTerminationDetails),
  BYTES_RECEIVED: (i) => countText(i.requestBodyBytes),
  BYTES_SENT: (i) => countText(i.responseBodyBytes),
  DURATION: (i) => milliseconds(i.startMs, i.endMs),
  REQUEST_DURATION: (i) => milliseconds(i.startMs, i.requestEndMs),
  REQUEST_TX_DURATION: (i) => milliseconds(i.startMs, i.firstUpstreamTxMs),
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
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (i) => countText(i.attemptCount),
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
  DOWNSTREAM_LOCAL_PORT: (i) => countText(i.connection.localPort),
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
  GRPC_STATUS_NUMBER: (i) => grpcStatus(i, "NUMBER"),
};

/** Operators with an argument, which is read once. */
const WITH_ARGUMENT: Readonly<Record<string, (argument: string) => ReadValue>> = {
  REQ: (argument) => {
    const [name, other] = alternatives(argument);
    return (i) => headerOf(i.requestHeaders, name, other);
  },
  RESP: (argument) => {
    const [name, other] = alternatives(argument);
    return (i) => headerOf(i.responseHeaders, name, other);
  },
  TRAILER: (argument) => {
    const [name, other] = alternatives(argument);
    return (i) => headerOf(i.responseTrailers, name, other);
  },
  REQ_WITHOUT_QUERY: (argument) => {
    const [name, other] = alternatives(argument);
    return (i) => {
      const value = headerOf(i.requestHeaders, name, other);
      return value === null ? null : pathOf(value);
    };
  },
  START_TIME: (argument) => {
    const time = compileTime(argument, "utc");
    return (i) => time(i.startWallMs);
  },
  START_TIME_LOCAL: (argument) => {
    const time = compileTime(argument, "local");
    return (i) => time(i.startWallMs);
  },
  EMIT_TIME: (argument) => {
    const time = compileTime(argument, "utc");
    return (i) => time(emitWallMs(i));
  },
  EMIT_TIME_LOCAL: (argument) => {
    const time = compileTime(argument, "local");
    return (i) => time(emitWallMs(i));
  },
  PATH: pathPart,
  QUERY_PARAM: (name) => (i) => queryParameter(i, name),
  COMMON_DURATION: compileSpan,
  GRPC_STATUS: (argument) => (i) => grpcStatus(i, argument),
  GRANARY_PLUGIN: (argument) => (i) => pluginCost(i, argument),
  FILTER_STATE: (argument) => {
    const key = argument.split(":")[0] ?? "";
    return (i) => {
      const value = filterStateOf(i, key);
      if (value === undefined || typeof value === "string") return value ?? null;
      return Buffer.from(value).toString("latin1");
    };
  },
};

/** Operators this file evaluates; the configuration accepts no other. */
export const FORMAT_OPERATORS: ReadonlySet<string> = new Set([
  ...Object.keys(PLAIN),
  ...Object.keys(WITH_ARGUMENT),
]);

/** How one operator's value is read, cut to its maximum length. */
export function compileOperator(token: Extract<FormatToken, { kind: "operator" }>): ReadValue {
  const { name, argument, lengthMax } = token;
  const read = WITH_ARGUMENT[name]?.(argument) ?? PLAIN[name];
  if (read === undefined) return () => null;
  if (lengthMax < 0) return read;
  return (info) => read(info)?.slice(0, lengthMax) ?? null;
}

/** @param absent stands for operators without a value ("-" in logs, "" in headers) */
export function compileText(format: Format, absent: string): (info: StreamInfo) => string {
  const reads: ReadValue[] = [];
  /** `texts[i]` stands before the value of `reads[i]`. */
  const texts = [""];
  for (const token of format) {
    if (token.kind === "text") texts[texts.length - 1] += token.text;
    else {
      reads.push(compileOperator(token));
      texts.push("");
    }
  }
  return (info) => {
    let out = texts[0] as string;
    for (let i = 0; i < reads.length; i++) {
      const value = (reads[i] as ReadValue)(info);
      out += value === null ? absent : value;
      out += texts[i + 1] as string;
    }
    return out;
  };
}
