/**
 * Attributes of a stream as `proxy_get_property` gives them (ABI 3.3): the first path part chooses
 * the family, the second the attribute. Header-derived attributes stay readable for the whole life
 * of the stream.
 */
import type {
  FilterChainConfig,
  NodeConfig,
  PropertyMessage,
  PropertyValue,
} from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { CertificateInfo, TlsInfo } from "../net/types.ts";
import type { StateDeclaration } from "../vm/declared-properties.ts";
import { DecodedMessage, StoredMessage } from "../vm/message-values.ts";
import type { PropertyHost, StreamPropertyHost } from "../vm/roles.ts";
import { statusOfHttp } from "./callouts/grpc-status.ts";
import { setFilterState, statePropertyOf } from "./filter-state.ts";
import { pathOnly } from "./route-table.ts";
import type { SiloServices } from "./services.ts";
import { addressText, type StreamInfo } from "./stream-info.ts";

/** A stream or a connection, as attributes see it. */
export interface AttributeSource {
  readonly info: StreamInfo;
  readonly manager: { readonly silo: SiloServices; readonly chain: FilterChainConfig };
}

/** `null`: there, but without a serialisation. */
type Value = PropertyValue | null | undefined;
type Attribute = (info: StreamInfo, stream: AttributeSource) => Value;
type Family = Readonly<Record<string, Attribute>>;

const EMPTY_MAP = { kind: "map", entries: {} } as const;
const EMPTY_MESSAGE: PropertyMessage = { kind: "message", encoded: new Uint8Array(0), fields: {} };
/** A Metadata message without metadata; its map is there all the same. */
const NO_METADATA: PropertyMessage = {
  kind: "message",
  encoded: new Uint8Array(0),
  fields: { filter_metadata: EMPTY_MAP },
};

/** Envoy's bit of each response flag (StreamInfo::CoreResponseFlag), by short name. */
const FLAG_BITS: Readonly<Record<string, number>> = {
  LH: 0,
  UH: 1,
  UT: 2,
  LR: 3,
  UR: 4,
  UF: 5,
  UC: 6,
  UO: 7,
  NR: 8,
  DI: 9,
  FI: 10,
  RL: 11,
  UAEX: 12,
  RLSE: 13,
  DC: 14,
  URX: 15,
  SI: 16,
  IH: 17,
  DPE: 18,
  UMSDR: 19,
  RFCF: 20,
  NFCF: 21,
  DT: 22,
  UPE: 23,
  NC: 24,
  OM: 25,
  DF: 26,
  DO: 27,
  DR: 28,
};

function integer(value: number): bigint {
  return BigInt(Math.trunc(value));
}

function text(value: string | null | undefined): Value {
  return value ?? undefined;
}

function headerMapValue(headers: HeaderMap | null): Value {
  if (headers === null) return EMPTY_MAP;
  const entries: Record<string, string> = Object.create(null);
  for (let i = 0; i < headers.count; i++) {
    const name = headers.nameAt(i);
    if (!(name in entries)) entries[name] = headers.getJoined(name) as string;
  }
  return { kind: "map", entries };
}

/** `host` is found as well, but not listed: it is the same as `:authority`. */
function requestHeaders(headers: HeaderMap | null): Value {
  const value = headerMapValue(headers);
  const host = headers?.get(":authority") ?? null;
  if (host !== null && typeof value === "object" && value !== null && "entries" in value) {
    Object.defineProperty(value.entries, "host", { value: host, enumerable: false });
  }
  return value;
}

function duration(from: number, to: number): Value {
  if (Number.isNaN(from) || Number.isNaN(to)) return undefined;
  return { kind: "duration", ns: BigInt(Math.round((to - from) * 1e6)) };
}

const header =
  (name: string): Attribute =>
  (info) =>
    text(info.requestHeaders?.get(name));

function query(path: string): string {
  const question = path.indexOf("?");
  if (question < 0) return "";
  const hash = path.indexOf("#", question);
  return path.slice(question + 1, hash < 0 ? path.length : hash);
}

function requestSize(info: StreamInfo): Value {
  const length = info.requestHeaders?.get("content-length") ?? null;
  if (length === null) return integer(info.requestBodyBytes);
  return /^\d+$/.test(length) ? BigInt(length) : undefined;
}

const REQUEST_FAMILY: Family = {
  path: header(":path"),
  url_path: (i) => {
    const path = i.requestHeaders?.get(":path");
    return path === null || path === undefined ? undefined : pathOnly(path);
  },
  query: (i) => {
    const path = i.requestHeaders?.get(":path");
    return path === null || path === undefined ? undefined : query(path);
  },
  host: header(":authority"),
  scheme: header(":scheme"),
  method: header(":method"),
  headers: (i) => requestHeaders(i.requestHeaders),
  headers_bytes: (i) => integer(i.requestHeaders?.byteSize ?? 0),
  referer: header("referer"),
  useragent: header("user-agent"),
  id: header("x-request-id"),
  time: (i) => ({ kind: "timestamp", ns: BigInt(Math.round(i.startWallMs * 1000)) * 1000n }),
  protocol: (i) => (i.protocol === "" ? undefined : i.protocol),
  size: requestSize,
  total_size: (i) => integer(i.requestBodyBytes + (i.requestHeaders?.byteSize ?? 0)),
  duration: (i) => duration(i.startMs, i.endMs),
};

function grpcStatus(info: StreamInfo): Value {
  const value =
    info.responseTrailers?.get("grpc-status") ?? info.responseHeaders?.get("grpc-status") ?? null;
  if (value !== null && /^\d+$/.test(value)) return BigInt(value);
  // As Envoy: what the HTTP status comes to in gRPC, whether or not it is gRPC.
  return info.responseCode === 0 ? undefined : BigInt(statusOfHttp(info.responseCode));
}

function flagBits(info: StreamInfo): bigint {
  let bits = 0n;
  for (const flag of info.responseFlags) {
    const bit = FLAG_BITS[flag];
    if (bit !== undefined) bits |= 1n << BigInt(bit);
  }
  return bits;
}

const RESPONSE_FAMILY: Family = {
  code: (i) => (i.responseCode === 0 ? undefined : integer(i.responseCode)),
  code_details: (i) => (i.responseCodeDetails === "" ? undefined : i.responseCodeDetails),
  flags: flagBits,
  grpc_status: grpcStatus,
  headers: (i) => headerMapValue(i.responseHeaders),
  trailers: (i) => headerMapValue(i.responseTrailers),
  headers_bytes: (i) => integer(i.responseHeaders?.byteSize ?? 0),
  size: (i) => integer(i.responseBodyBytes),
  total_size: (i) =>
    integer(
      i.responseBodyBytes +
        (i.responseHeaders?.byteSize ?? 0) +
        (i.responseTrailers?.byteSize ?? 0),
    ),
  backend_latency: (i) => duration(i.firstUpstreamTxMs, i.lastUpstreamRxMs),
};

const remotePort = (i: StreamInfo): number =>
  i.remoteIp === i.connection.remoteIp ? i.connection.remotePort : 0;

const SOURCE_FAMILY: Family = {
  address: (i) => addressText(i.remoteIp, remotePort(i)),
  port: (i) => integer(remotePort(i)),
};

const DESTINATION_FAMILY: Family = {
  address: (i) => addressText(i.connection.localIp, i.connection.localPort),
  port: (i) => integer(i.connection.localPort),
};

/** Certificate attributes that `connection` and `upstream` share. */
function certificateFamily(tlsOf: (info: StreamInfo) => TlsInfo | null): Family {
  const local = (i: StreamInfo): CertificateInfo | null => tlsOf(i)?.local ?? null;
  const peer = (i: StreamInfo): CertificateInfo | null => tlsOf(i)?.peer ?? null;
  return {
    tls_version: (i) => text(tlsOf(i)?.version),
    subject_local_certificate: (i) => text(local(i)?.subject),
    subject_peer_certificate: (i) => text(peer(i)?.subject),
    dns_san_local_certificate: (i) => text(local(i)?.dnsSans[0]),
    dns_san_peer_certificate: (i) => text(peer(i)?.dnsSans[0]),
    uri_san_local_certificate: (i) => text(local(i)?.uriSans[0]),
    uri_san_peer_certificate: (i) => text(peer(i)?.uriSans[0]),
    sha256_peer_certificate_digest: (i) => text(peer(i)?.sha256Hex),
  };
}

const CONNECTION_FAMILY: Family = {
  ...certificateFamily((i) => i.connection.tls),
  peer_certificate: (i) => {
    const pem = i.connection.tls?.peer?.pem;
    return pem === undefined ? undefined : encodeURIComponent(pem);
  },
  id: (i) => integer(i.connection.id),
  mtls: (i) => i.connection.tls !== null && i.connection.tls.peer !== null,
  requested_server_name: (i) => i.connection.tls?.serverName ?? "",
  termination_details: (i) =>
    i.connectionTerminationDetails === "" ? undefined : i.connectionTerminationDetails,
};

const UPSTREAM_FAMILY: Family = {
  ...certificateFamily((i) => i.upstreamTls),
  address: (i) => text(i.endpoint?.address),
  port: (i) => (i.endpoint === null ? undefined : integer(i.endpoint.port)),
  local_address: (i) => (i.upstreamLocalAddress === "" ? undefined : i.upstreamLocalAddress),
  transport_failure_reason: (i) =>
    i.endpoint === null && i.upstreamFailure === "" ? undefined : i.upstreamFailure,
  request_attempt_count: (i) => integer(i.attemptCount),
  cx_pool_ready_duration: (i) => duration(0, i.upstreamPoolReadyMs),
  num_endpoints: (i, s) => {
    const cluster = s.manager.silo.clusters.get(i.clusterName);
    return cluster === null ? undefined : integer(cluster.endpointCount);
  },
  locality: (i, s) =>
    i.endpoint === null ? undefined : (endpointConfig(i, s)?.locality ?? EMPTY_MESSAGE),
};

function endpointConfig(info: StreamInfo, stream: AttributeSource) {
  const cluster = stream.manager.silo.clusters.get(info.clusterName);
  const { endpoint } = info;
  if (cluster === null || endpoint === null) return undefined;
  const { endpoints } = cluster.config;
  return endpoints.find((e) => e.port === endpoint.port && e.host === endpoint.ip) ?? endpoints[0];
}

const XDS_FAMILY: Family = {
  node: (_, s) => s.manager.silo.node.property,
  cluster_name: (i) => (i.clusterName === "" ? undefined : i.clusterName),
  cluster_metadata: (i, s) =>
    s.manager.silo.clusters.get(i.clusterName)?.config.metadata ?? NO_METADATA,
  route_name: (i) => text(i.route?.name),
  route_metadata: (i) => i.route?.metadata ?? NO_METADATA,
  virtual_host_name: (i) => text(i.virtualHost?.name),
  virtual_host_metadata: (i) => i.virtualHost?.metadata ?? NO_METADATA,
  filter_chain_name: (_, s) => s.manager.chain.name,
  listener_metadata: (i) => i.listener.metadata ?? NO_METADATA,
  listener_direction: (i) => integer(i.listener.trafficDirection),
  // Of a host that has none they are null, which has no serialisation.
  upstream_host_metadata: (i, s) =>
    i.endpoint === null ? undefined : (endpointConfig(i, s)?.metadata ?? null),
  upstream_host_locality_metadata: (i) => (i.endpoint === null ? undefined : null),
};

const FAMILIES: Readonly<Record<string, Family>> = {
  request: REQUEST_FAMILY,
  response: RESPONSE_FAMILY,
  connection: CONNECTION_FAMILY,
  upstream: UPSTREAM_FAMILY,
  source: SOURCE_FAMILY,
  destination: DESTINATION_FAMILY,
  xds: XDS_FAMILY,
};

/** Flat names of older Envoy releases, kept because filters use them. */
const ALIASES: Readonly<Record<string, readonly [string, string]>> = {
  node: ["xds", "node"],
  cluster_name: ["xds", "cluster_name"],
  cluster_metadata: ["xds", "cluster_metadata"],
  listener_direction: ["xds", "listener_direction"],
  listener_metadata: ["xds", "listener_metadata"],
  route_name: ["xds", "route_name"],
  route_metadata: ["xds", "route_metadata"],
  upstream_host_metadata: ["xds", "upstream_host_metadata"],
  connection_id: ["connection", "id"],
};

/** Walks maps by key, messages by field and lists by index. */
function descend(
  value: Value,
  path: readonly string[],
  from: number,
  keys: "anyCase" | "exactKeys" = "anyCase",
): Value {
  let current = value;
  for (let i = from; i < path.length; i++) {
    if (typeof current !== "object" || current === null) return undefined;
    if (current instanceof Uint8Array) return undefined;
    const part = path[i] as string;
    if (current.kind === "map") {
      const isFolded = keys === "anyCase" && current.entries[part] === undefined;
      const key = isFolded ? part.toLowerCase() : part;
      current = Object.hasOwn(current.entries, key) ? current.entries[key] : undefined;
    } else if (current instanceof DecodedMessage) {
      current = current.field(part);
    } else if (current.kind === "message") {
      current = Object.hasOwn(current.fields, part) ? current.fields[part] : undefined;
    } else if (current.kind === "list" && /^\d+$/.test(part)) {
      current = current.items[Number(part)];
    } else {
      return undefined;
    }
  }
  return current;
}

/** State is found under all the parts of its name, or a message by the first, and goes on. */
function stateValue(info: StreamInfo, name: readonly string[], prefix: string): Value {
  const whole = statePropertyOf(info, prefix + name.join("\0"));
  if (whole !== undefined || name.length === 1) return whole;
  const state = statePropertyOf(info, prefix + (name[0] as string));
  return state instanceof StoredMessage ? descend(state.value, name, 1, "exactKeys") : undefined;
}

/** By its full name a message is what it stands for; by the guest's name it is its bytes. */
function namedState(info: StreamInfo, name: readonly string[]): Value {
  const state = stateValue(info, name, "");
  return state instanceof StoredMessage ? state.value : state;
}

export class StreamProperties implements StreamPropertyHost {
  readonly #stream: AttributeSource;

  constructor(stream: AttributeSource) {
    this.#stream = stream;
  }

  property(path: readonly string[]): PropertyValue | null | undefined {
    const { info } = this.#stream;
    const first = path[0] ?? "";
    if (first === "filter_state") {
      return path.length === 1 ? null : namedState(info, path.slice(1));
    }
    if (first === "upstream_filter_state") {
      return path.length === 1 && info.endpoint !== null ? null : undefined;
    }
    if (first === "metadata") return descend(NO_METADATA, path, 1);
    const alias = Object.hasOwn(ALIASES, first) ? ALIASES[first] : undefined;
    const family = Object.hasOwn(FAMILIES, alias?.[0] ?? first)
      ? FAMILIES[alias?.[0] ?? first]
      : undefined;
    // The host's own names win over those that plugins set.
    if (family === undefined) return stateValue(info, path, "wasm.");
    const name = alias === undefined ? path[1] : alias[1];
    if (name === undefined) return null;
    if (!Object.hasOwn(family, name)) return undefined;
    const value = family[name]?.(info, this.#stream);
    return descend(value, path, alias === undefined ? 2 : 1);
  }

  setState(key: string, value: Uint8Array, declaration: StateDeclaration): boolean {
    return setFilterState(this.#stream.info, key, value, declaration);
  }
}

/** Attributes that need no stream, for root contexts. */
export class RootProperties implements PropertyHost {
  readonly #node: NodeConfig;

  constructor(node: NodeConfig) {
    this.#node = node;
  }

  property(path: readonly string[]): PropertyValue | null | undefined {
    if (path[0] === "xds" && path.length === 1) return null;
    if (path[0] === "xds" && path[1] === "node") return descend(this.#node.property, path, 2);
    if (path[0] === "node") return descend(this.#node.property, path, 1);
    return undefined;
  }
}
