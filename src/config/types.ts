/**
 * The compiled configuration: plain, frozen, structured-cloneable data that main sends to every
 * silo.
 * Made by `compile.ts` from the validated protobuf messages; nothing here knows protobuf.
 * Durations are milliseconds, sizes bytes; 0 means "disabled" only where it is said.
 */

import type { AccessLogConfig } from "./format-types.ts";
import type { LocalReplyConfig } from "./local-reply-types.ts";
import type { PluginConfig, WasmFilterConfig } from "./plugin-types.ts";
import type { RouteTableConfig, StringMatchConfig } from "./route-types.ts";
import type { TapFilterConfig } from "./tap-types.ts";
import type { TcpChainParts } from "./tcp-types.ts";

export type {
  AccessLogConfig,
  Format,
  FormatToken,
  JsonFormat,
  LogFilterConfig,
  TextOrJsonFormat,
} from "./format-types.ts";
export type { IsolationConfig } from "./isolation-types.ts";
export type {
  LocalReplyConfig,
  LocalReplyFormatConfig,
  LocalReplyMapperConfig,
} from "./local-reply-types.ts";
export type {
  FailurePolicy,
  FilterOverride,
  FilterVersionConfig,
  FilterVersionsConfig,
  PluginConfig,
  PluginMode,
  ShadowConfig,
  VmConfig,
  WasmFilterConfig,
} from "./plugin-types.ts";
export type {
  DirectResponseConfig,
  ForwardActionConfig,
  HeaderMatchConfig,
  HeaderMutation,
  HeaderMutations,
  QueryMatchConfig,
  RedirectActionConfig,
  RetryOn,
  RetryPolicyConfig,
  RouteActionConfig,
  RouteConfig,
  RouteMatchConfig,
  RouteTableConfig,
  StringMatchConfig,
  VirtualHostConfig,
  WeightedClusterConfig,
} from "./route-types.ts";
export { RETRY_ON } from "./route-types.ts";
export type { TapFilterConfig, TapFormat, TapMatchConfig, TapPart } from "./tap-types.ts";
export type { TcpChainParts, TcpProxyConfig } from "./tcp-types.ts";

/** A value of the attribute tree (ABI 3.3): what properties serialise. */
export type PropertyValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | PropertyMessage
  | PropertyMap
  | PropertyList
  | PropertyDuration
  | PropertyTimestamp;
/**
 * What is in messages, maps and lists may be null: it is there, but has no serialisation, nor has a
 * map or list with one.
 */
type PropertyItem = PropertyValue | null;
/** A protobuf message: its encoding, and its fields for paths that go on. */
export interface PropertyMessage {
  readonly kind: "message";
  readonly encoded: Uint8Array;
  readonly fields: Readonly<Record<string, PropertyItem>>;
}
export interface PropertyMap {
  readonly kind: "map";
  readonly entries: Readonly<Record<string, PropertyItem>>;
}
export interface PropertyList {
  readonly kind: "list";
  readonly items: readonly PropertyItem[];
}
export interface PropertyDuration {
  readonly kind: "duration";
  readonly ns: bigint;
}
export interface PropertyTimestamp {
  readonly kind: "timestamp";
  readonly ns: bigint;
}

export interface GranaryConfig {
  readonly node: NodeConfig;
  readonly admin: AdminConfig | null;
  readonly listeners: readonly ListenerConfig[];
  readonly clusters: readonly ClusterConfig[];
  /** Plugins without filters: `bootstrap_extensions`. */
  readonly services: readonly WasmServiceConfig[];
  /** Plugins that get the stats, on one silo. */
  readonly statSinks: readonly PluginConfig[];
  readonly statsFlushMs: number;
  readonly statTags: StatTagsConfig;
  /** Wasm code by sha256 hex; the bytes are compiled once on main and shared with silos. */
  readonly modules: readonly ModuleConfig[];
  /** `/config_dump` source: the bootstrap as JSON text with proto field names. */
  readonly bootstrapJson: string;
}

/** The plugins that belong to the server and not to a listener. */
export type ServerPluginsConfig = Pick<GranaryConfig, "services" | "statSinks" | "statsFlushMs">;

/** Labels that are cut out of the names of stats (`stats_config`). */
export interface StatTagsConfig {
  /** Envoy's own (cluster, listener, response code...). */
  readonly useDefaults: boolean;
  readonly tags: readonly StatTagConfig[];
}
export type StatTagConfig =
  | { readonly kind: "fixed"; readonly name: string; readonly value: string }
  /** RE2 syntax, at least one group: group 1 is cut out, group 2 (else 1) is the value. */
  | { readonly kind: "regex"; readonly name: string; readonly regex: string };

export interface WasmServiceConfig {
  readonly plugin: PluginConfig;
  /** One VM on one silo; else one on every silo. */
  readonly singleton: boolean;
}

export interface NodeConfig {
  readonly id: string;
  readonly cluster: string;
  /** The Node message as `xds.node` gives it. */
  readonly property: PropertyMessage;
}

export interface AdminConfig {
  readonly address: SocketAddress;
  readonly accessLogs: readonly AccessLogConfig[];
}

export interface SocketAddress {
  /** IPv4 or IPv6 without brackets. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

export interface ModuleConfig {
  readonly sha256: string;
  /** File name or "inline", for messages. */
  readonly origin: string;
  readonly bytes: Uint8Array;
  /** Of a script of the null engine: what debuggers call it. Null: Wasm. */
  readonly scriptName: string | null;
}

export interface ListenerConfig {
  readonly name: string;
  readonly address: SocketAddress;
  /** 0 unspecified, 1 inbound, 2 outbound. */
  readonly trafficDirection: number;
  readonly metadata: PropertyMessage | null;
  readonly perConnectionBufferBytes: number;
  /** Backlog for listen(2). */
  readonly backlog: number;
  /** At least one. */
  readonly filterChains: readonly FilterChainConfig[];
  readonly listenerFilters: ListenerFiltersConfig;
}

/** What looks at a connection before a filter chain is chosen. */
export interface ListenerFiltersConfig {
  readonly proxyProtocol: { readonly isOptional: boolean } | null;
  /** Server name and ALPN of the ClientHello decide about the chain. */
  readonly inspectsTls: boolean;
  /** The version of plaintext HTTP does. */
  readonly inspectsHttp: boolean;
  /** 0 = none. */
  readonly timeoutMs: number;
  readonly continueOnTimeout: boolean;
}

export type FilterChainConfig = HttpChainConfig | TcpChainConfig;
export interface HttpChainConfig extends ChainCommon {
  readonly kind: "http";
  readonly http: HttpConnectionManagerConfig;
}
export interface TcpChainConfig extends ChainCommon {
  readonly kind: "tcp";
  readonly tcp: TcpChainParts;
}
interface ChainCommon {
  readonly name: string;
  /** `default_filter_chain`: where no other matches. */
  readonly isDefault: boolean;
  /** Null: any connection. */
  readonly match: FilterChainMatchConfig | null;
  readonly tls: DownstreamTlsConfig | null;
}

/** Empty lists and texts, and -1, ask for nothing. */
export interface FilterChainMatchConfig {
  readonly destinationPort: number;
  readonly prefixRanges: readonly CidrConfig[];
  /** Lower-case names; `*.example.com` for all below. */
  readonly serverNames: readonly string[];
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly directSourceRanges: readonly CidrConfig[];
  readonly sourceType: "any" | "local" | "external";
  readonly sourceRanges: readonly CidrConfig[];
  readonly sourcePorts: readonly number[];
}
export interface CidrConfig {
  readonly address: string;
  readonly length: number;
}

export interface DownstreamTlsConfig {
  readonly certificates: readonly CertificatePair[];
  /** PEM of trusted client CAs, or null. */
  readonly clientCa: string | null;
  readonly requireClientCertificate: boolean;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly alpn: readonly string[];
  /** OpenSSL cipher list, or "" for the default. */
  readonly ciphers: string;
}
export type TlsVersion = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
export interface CertificatePair {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly passphrase: string | null;
}

export interface HttpConnectionManagerConfig {
  /** `auto`: what ALPN or the first bytes say. */
  readonly codec: "auto" | "http1" | "http2";
  readonly http2: Http2Config;
  readonly statPrefix: string;
  readonly serverName: string;
  /** Envoy's server_header_transformation. */
  readonly serverHeader: "overwrite" | "appendIfAbsent" | "passThrough";
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  /** 0 = none. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxRequestsPerConnection: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseTimeoutMs: number;
  readonly maxRequestHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly accept10: boolean;
  /** Host of HTTP/1.0 requests that name none; "" = they are refused. */
  readonly defaultHost10: string;
  readonly httpFilters: readonly HttpFilterConfig[];
  readonly accessLogs: readonly AccessLogConfig[];
  /** Access loggers that are plugins. */
  readonly accessLogPlugins: readonly PluginConfig[];
  /** Null: local replies go out as they are. */
  readonly localReply: LocalReplyConfig | null;
  readonly routes: RouteTableConfig;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  /** What happens to paths with `%2F` or `%5C`. */
  readonly escapedSlashes: "keep" | "reject" | "redirect" | "unescape";
  readonly via: string;
  /** The port that is taken off the host: none, the listener's own, any. */
  readonly stripHostPort: "none" | "matching" | "any";
  readonly stripTrailingHostDot: boolean;
  readonly forwardClientCert: ForwardClientCertConfig;
}

/** `x-forwarded-client-cert`. */
export interface ForwardClientCertConfig {
  readonly mode: "sanitize" | "forward" | "append" | "set" | "alwaysForward";
  readonly show: {
    readonly subject: boolean;
    readonly cert: boolean;
    readonly dns: boolean;
    readonly uri: boolean;
  };
}

export type HttpFilterConfig = RouterFilterConfig | WasmFilterConfig | TapFilterConfig;
export interface RouterFilterConfig {
  readonly kind: "router";
  readonly name: string;
  readonly suppressEnvoyHeaders: boolean;
}
export interface ClusterConfig {
  readonly name: string;
  readonly altStatName: string;
  readonly type: "static" | "strictDns" | "logicalDns";
  readonly lbPolicy: "roundRobin" | "leastRequest" | "random";
  /** LEAST_REQUEST choice count. */
  readonly choiceCount: number;
  readonly connectTimeoutMs: number;
  readonly endpoints: readonly EndpointConfig[];
  readonly dnsRefreshMs: number;
  readonly dnsFamily: "auto" | "v4only" | "v6only" | "v4preferred" | "all";
  readonly respectDnsTtl: boolean;
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
  readonly perConnectionBufferBytes: number;
  readonly idleTimeoutMs: number;
  readonly maxHeadersBytes: number;
  readonly maxHeadersCount: number;
  /** Null: HTTP/1.1 is spoken. */
  readonly http2: Http2Config | null;
  readonly tls: UpstreamTlsConfig | null;
  readonly metadata: PropertyMessage | null;
}

/** Envoy's Http2ProtocolOptions. */
export interface Http2Config {
  readonly concurrentStreamsMax: number;
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  /** Null: no PING is sent as long as nothing else asks for one. */
  readonly keepalive: KeepaliveConfig | null;
}

/** Envoy's KeepaliveSettings; milliseconds, 0 = never. */
export interface KeepaliveConfig {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly jitterPercent: number;
  /** Clusters: a connection idle for so long is asked before it gets a stream. */
  readonly idleMs: number;
}

export interface EndpointConfig {
  readonly host: string;
  readonly port: number;
  readonly hostname: string;
  readonly weight: number;
  readonly locality: PropertyMessage | null;
  readonly metadata: PropertyMessage | null;
}

export interface UpstreamTlsConfig {
  readonly sni: string;
  readonly autoHostSni: boolean;
  /** PEM, or null: the peer is not verified (as in Envoy without validation_context). */
  readonly trustedCa: string | null;
  readonly certificates: readonly CertificatePair[];
  readonly subjectAltNames: readonly {
    readonly sanType: string;
    readonly match: StringMatchConfig;
  }[];
  readonly certificateHashes: readonly string[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly alpn: readonly string[];
  readonly ciphers: string;
}
