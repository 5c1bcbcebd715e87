/**
 * Evaluates Envoy's substitution format (`%REQ(:path)%`) on a stream: access logs and header
 * operators. An operator without a value gives null; access logs print it as "-".
 */
import type { Format, FormatToken } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { filterStateOf } from "./filter-state.ts";
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

function milliseconds(from: number, to: number): string | null {
  return Number.isNaN(from) || Number.isNaN(to) ? null : String(Math.max(0, Math.floor(to - from)));
}

/** `A?B`: header A, or B when A is absent. */
function headerOf(headers: HeaderMap | null, argument: string): string | null {
  if (headers === null) return null;
  const question = argument.indexOf("?");
  if (question < 0) return headers.getJoined(argument);
  return (
    headers.getJoined(argument.slice(0, question)) ??
    headers.getJoined(argument.slice(question + 1))
  );
}

function text(value: string): string | null {
  return value === "" ? null : value;
}

/** The address of `ip:port` or `[ip]:port`. */
function withoutPort(address: string): string {
  const ip = address.slice(0, Math.max(0, address.lastIndexOf(":")));
  return ip.startsWith("[") ? ip.slice(1, -1) : ip;
}

function startTime(info: StreamInfo, argument: string): string {
  const date = new Date(info.startWallMs);
  const iso = date.toISOString();
  if (argument === "") return iso;
  const micros = String(Math.floor((info.startWallMs % 1000) * 1000)).padStart(6, "0");
  const fields: Record<string, string> = {
    Y: iso.slice(0, 4),
    m: iso.slice(5, 7),
    d: iso.slice(8, 10),
    H: iso.slice(11, 13),
    M: iso.slice(14, 16),
    S: iso.slice(17, 19),
    T: iso.slice(11, 19),
    F: iso.slice(0, 10),
    s: String(Math.floor(info.startWallMs / 1000)),
    f: `${micros}000`,
    z: "+0000",
    Z: "UTC",
  };
  return argument
    .replace(/%([1-9])f/g, (_, digits: string) => `${micros}000`.slice(0, Number(digits)))
    .replace(/%([A-Za-z])/g, (all, key: string) => fields[key] ?? all);
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
  START_TIME: startTime,
  PROTOCOL: (i) => i.protocol,
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
  RESPONSE_DURATION: (i) => milliseconds(i.startMs, i.firstUpstreamRxMs),
  RESPONSE_TX_DURATION: (i) => milliseconds(i.firstUpstreamRxMs, i.endMs),
  ROUTE_NAME: (i) => text(i.route?.name ?? ""),
  VIRTUAL_CLUSTER_NAME: () => null,
  UPSTREAM_CLUSTER: (i) => text(i.clusterName),
  UPSTREAM_HOST: (i) => i.endpoint?.address ?? null,
  UPSTREAM_REMOTE_ADDRESS: (i) => i.endpoint?.address ?? null,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (i) => i.endpoint?.ip ?? null,
  UPSTREAM_LOCAL_ADDRESS: (i) => text(i.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (i) => text(withoutPort(i.upstreamLocalAddress)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: (i) => text(i.upstreamFailure),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (i) => String(i.attemptCount),
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
  DOWNSTREAM_PEER_SUBJECT: (i) => i.connection.tls?.peer?.subject ?? null,
  REQUESTED_SERVER_NAME: (i) => text(i.connection.tls?.serverName ?? ""),
  CONNECTION_ID: (i) => String(i.connection.id),
  STREAM_ID: (i) => i.requestHeaders?.get("x-request-id") ?? null,
  GRPC_STATUS: grpcStatus,
  FILTER_STATE: (i, a) => {
    const value = filterStateOf(i, a.split(":")[0] ?? "");
    if (value === undefined || typeof value === "string") return value ?? null;
    return Buffer.from(value).toString("latin1");
  },
  DYNAMIC_METADATA: () => null,
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
