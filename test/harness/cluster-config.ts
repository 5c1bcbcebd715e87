/**
 * Cluster configurations with Envoy's defaults, for tests that set a field or two.
 */
import type { ClusterConfig, EndpointConfig } from "../../src/config/types.ts";

export function endpointConfig(host: string, port: number, weight = 1): EndpointConfig {
  return { host, port, hostname: host, weight, locality: null, metadata: null };
}

export function clusterConfig(overrides: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name: "a",
    altStatName: "",
    type: "static",
    lbPolicy: "roundRobin",
    choiceCount: 2,
    connectTimeoutMs: 5000,
    endpoints: [],
    dnsRefreshMs: 5000,
    dnsFamily: "auto",
    respectDnsTtl: false,
    maxConnections: 1024,
    maxPendingRequests: 1024,
    maxRequests: 1024,
    maxRetries: 3,
    maxRequestsPerConnection: 0,
    perConnectionBufferBytes: 1_048_576,
    idleTimeoutMs: 3_600_000,
    maxHeadersBytes: 61_440,
    maxHeadersCount: 100,
    http2: null,
    tls: null,
    metadata: null,
    ...overrides,
  };
}
