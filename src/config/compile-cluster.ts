/** Clusters: endpoints, load balancing, limits, TLS to the upstream. */
import { isIP } from "node:net";
import { LIMITS } from "../base/limits.ts";
import type { CircuitBreakers_Thresholds as Thresholds } from "../gen/envoy/config/cluster/v3/circuit_breaker_pb.ts";
import type { Cluster } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_DnsLookupFamily as DnsFamily,
  Cluster_LbPolicy as LbPolicy,
} from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { RoutingPriority } from "../gen/envoy/config/core/v3/base_pb.ts";
import type { HttpProtocolOptions } from "../gen/envoy/config/core/v3/protocol_pb.ts";
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from "../gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import { UpstreamCodecSchema } from "../gen/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.ts";
import { HttpProtocolOptionsSchema } from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { compileHttp2 } from "./compile-http2.ts";
import { propertyOrNull } from "./compile-property.ts";
import { compileUpstreamTls } from "./compile-tls.ts";
import type { Place } from "./place.ts";
import { durationMs, unpack } from "./place.ts";
import { isMessage } from "./protobuf.ts";
import type { ClusterConfig, EndpointConfig, Http2Config } from "./types.ts";

/** Envoy's defaults. */
const CONNECT_TIMEOUT_MS = 5_000;
const DNS_REFRESH_MS = 5_000;
const IDLE_TIMEOUT_MS = 3_600_000;
const CONNECTIONS_MAX = 1_024;
const RETRIES_MAX = 3;
const CHOICE_COUNT = 2;
const UPSTREAM_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

const TYPES: Readonly<Record<number, ClusterConfig["type"]>> = {
  [DiscoveryType.STATIC]: "static",
  [DiscoveryType.STRICT_DNS]: "strictDns",
  [DiscoveryType.LOGICAL_DNS]: "logicalDns",
};
const POLICIES: Readonly<Record<number, ClusterConfig["lbPolicy"]>> = {
  [LbPolicy.ROUND_ROBIN]: "roundRobin",
  [LbPolicy.LEAST_REQUEST]: "leastRequest",
  [LbPolicy.RANDOM]: "random",
};
const FAMILIES: Readonly<Record<number, ClusterConfig["dnsFamily"]>> = {
  [DnsFamily.AUTO]: "auto",
  [DnsFamily.V4_ONLY]: "v4only",
  [DnsFamily.V6_ONLY]: "v6only",
  [DnsFamily.V4_PREFERRED]: "v4preferred",
  [DnsFamily.ALL]: "all",
};

export function compileClusters(clusters: readonly Cluster[], place: Place): ClusterConfig[] {
  const names = new Set<string>();
  return clusters.map((cluster, i) => {
    if (cluster.name !== "" && names.has(cluster.name)) {
      const text = `there are two clusters "${cluster.name}"`;
      place.item(i).child("name").problem(text, "rename one of them");
    }
    names.add(cluster.name);
    return compileCluster(cluster, place.item(i));
  });
}

function compileCluster(message: Cluster, place: Place): ClusterConfig {
  const discovery = message.clusterDiscoveryType;
  const type =
    TYPES[discovery.case === "type" ? discovery.value : DiscoveryType.STATIC] ?? "static";
  const { common: http, http2 } = compileHttpOptions(message, place);
  const least = message.lbConfig;
  const tls = compileUpstreamTls(message.transportSocket, place.child("transport_socket"));
  const requestsMax = message.maxRequestsPerConnection ?? http?.maxRequestsPerConnection ?? 0;
  return {
    name: message.name,
    altStatName: message.altStatName === "" ? message.name : message.altStatName,
    type,
    lbPolicy: POLICIES[message.lbPolicy] ?? "roundRobin",
    choiceCount:
      (least.case === "leastRequestLbConfig" ? least.value.choiceCount : undefined) ?? CHOICE_COUNT,
    connectTimeoutMs: durationMs(message.connectTimeout, CONNECT_TIMEOUT_MS),
    endpoints: compileEndpoints(message, type, place.child("load_assignment").child("endpoints")),
    dnsRefreshMs: durationMs(message.dnsRefreshRate, DNS_REFRESH_MS),
    dnsFamily: FAMILIES[message.dnsLookupFamily] ?? "auto",
    respectDnsTtl: message.respectDnsTtl,
    ...compileLimits(message.circuitBreakers?.thresholds ?? []),
    maxRequestsPerConnection: requestsMax,
    perConnectionBufferBytes: message.perConnectionBufferLimitBytes ?? LIMITS.bufferBytesDefault,
    idleTimeoutMs: durationMs(http?.idleTimeout, IDLE_TIMEOUT_MS),
    maxHeadersBytes: (http?.maxResponseHeadersKb ?? LIMITS.requestHeadKibDefault) * 1024,
    maxHeadersCount: http?.maxHeadersCount ?? LIMITS.headersCountDefault,
    http2,
    tls,
    metadata: propertyOrNull(message.metadata),
  };
}

type Limits = Pick<
  ClusterConfig,
  "maxConnections" | "maxPendingRequests" | "maxRequests" | "maxRetries"
>;

function compileLimits(thresholds: readonly Thresholds[]): Limits {
  const found = thresholds.find(({ priority }) => priority === RoutingPriority.DEFAULT);
  return {
    maxConnections: found?.maxConnections ?? CONNECTIONS_MAX,
    maxPendingRequests: found?.maxPendingRequests ?? CONNECTIONS_MAX,
    maxRequests: found?.maxRequests ?? CONNECTIONS_MAX,
    maxRetries: found?.maxRetries ?? RETRIES_MAX,
  };
}

interface HttpOptions {
  readonly common: HttpProtocolOptions | undefined;
  readonly http2: Http2Config | null;
}

/** `typed_extension_protocol_options`, or the older fields on the cluster itself. */
function compileHttpOptions(message: Cluster, place: Place): HttpOptions {
  let found = message.commonHttpProtocolOptions;
  const older = message.http2ProtocolOptions;
  let http2 = older === undefined ? null : compileHttp2(older);
  const at = place.child("typed_extension_protocol_options");
  const protocol = message.httpProtocolOptions;
  if (protocol?.acceptHttp10 === true || protocol?.allowAbsoluteUrl !== undefined) {
    const where = place.child("http_protocol_options");
    where.problem("these options have no meaning for a cluster", "write http_protocol_options: {}");
  }
  for (const [key, any] of Object.entries(message.typedExtensionProtocolOptions)) {
    const options = unpack(any);
    if (isMessage(options, HttpProtocolOptionsSchema) && key === UPSTREAM_HTTP) {
      found = options.commonHttpProtocolOptions ?? found;
      options.httpFilters.forEach((filter, i) => {
        const { configType } = filter;
        const codec = configType.case === "typedConfig" ? unpack(configType.value) : null;
        if (isMessage(codec, UpstreamCodecSchema)) return;
        const text = "filters of clusters are not implemented by Granary, but for the codec";
        at.key(key).child("http_filters").item(i).problem(text, "remove it");
      });
      const { upstreamProtocolOptions: chosen } = options;
      const protocol =
        chosen.case === "explicitHttpConfig" ? chosen.value.protocolConfig : undefined;
      http2 = protocol?.case === "http2ProtocolOptions" ? compileHttp2(protocol.value) : null;
    } else {
      at.key(key).problem(`the options "${key}" are not implemented by Granary`, "remove them");
    }
  }
  if (found?.maxConnectionDuration !== undefined) {
    const nested = at.key(UPSTREAM_HTTP).child("common_http_protocol_options");
    const where =
      found === message.commonHttpProtocolOptions
        ? place.child("common_http_protocol_options")
        : nested;
    const field = where.child("max_connection_duration");
    field.problem("max_connection_duration is not implemented for clusters", "remove it");
  }
  return { common: found, http2 };
}

function compileEndpoints(
  message: Cluster,
  type: ClusterConfig["type"],
  place: Place,
): EndpointConfig[] {
  const localities = message.loadAssignment?.endpoints ?? [];
  const endpoints = localities.flatMap((locality, i) =>
    locality.lbEndpoints.map((endpoint, j) =>
      compileEndpoint({ endpoint, locality }, type, place.item(i).child("lb_endpoints").item(j)),
    ),
  );
  if (type === "logicalDns" && endpoints.length !== 1) {
    const text = `a LOGICAL_DNS cluster has exactly one endpoint, this one has ${endpoints.length}`;
    place.problem(text, "use STRICT_DNS for several");
  }
  return endpoints.filter((endpoint) => endpoint !== null);
}

function compileEndpoint(
  { endpoint, locality }: { endpoint: LbEndpoint; locality: LocalityLbEndpoints },
  type: ClusterConfig["type"],
  place: Place,
): EndpointConfig | null {
  const { hostIdentifier } = endpoint;
  const at = place.child("endpoint").child("address");
  const inner = hostIdentifier.case === "endpoint" ? hostIdentifier.value : undefined;
  const address = inner?.address?.address;
  if (address === undefined) at.problem("address is required", "add address.socket_address");
  if (address?.case !== "socketAddress") return null;
  const { address: host, portSpecifier } = address.value;
  if (type === "static" && isIP(host) === 0) {
    const where = at.child("socket_address").child("address");
    where.problem(`"${host}" is not an IP address`, "use type STRICT_DNS for host names");
  }
  return {
    host,
    port: portSpecifier.case === "portValue" ? portSpecifier.value : 0,
    hostname: inner?.hostname ?? "",
    weight: endpoint.loadBalancingWeight ?? 1,
    locality: propertyOrNull(locality.locality),
    metadata: propertyOrNull(endpoint.metadata),
  };
}
