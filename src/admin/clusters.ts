/**
 * `/clusters` and `/listeners`: what runs, as text and JSON. Every silo has connections of its own,
 * so the counts of an endpoint are the sums over silos. Source: Envoy, clusters_handler.cc,
 * listeners_handler.cc, admin/v3/clusters.proto.
 */
import type { ClusterConfig } from "../config/types.ts";
import type { ClusterReport } from "../silo/messages.ts";
import { nameFilter } from "./filter.ts";
import { type AdminHandler, json, text } from "./types.ts";

type Endpoint = ClusterReport["endpoints"][number];

/** Stats of an endpoint that are gauges; the others count up. */
const GAUGES: ReadonlySet<string> = new Set(["cx_active", "rq_active", "rq_pending_active"]);
const NO_STATS: Readonly<Record<string, number>> = {
  cx_active: 0,
  cx_connect_fail: 0,
  cx_total: 0,
  rq_active: 0,
  rq_error: 0,
  rq_pending_active: 0,
  rq_success: 0,
  rq_timeout: 0,
  rq_total: 0,
};

/**
 * One report per cluster, endpoints in the order they are met, counts added. An endpoint is healthy
 * while any silo finds it so.
 */
export function mergeClusterReports(
  reports: readonly (readonly ClusterReport[])[],
): readonly ClusterReport[] {
  const clusters = new Map<string, Map<string, Endpoint>>();
  for (const { name, endpoints } of reports.flat()) {
    const merged = clusters.get(name) ?? new Map<string, Endpoint>();
    clusters.set(name, merged);
    for (const endpoint of endpoints) {
      const before = merged.get(endpoint.address);
      const stats: Record<string, number> = { ...(before?.stats ?? NO_STATS) };
      for (const [stat, value] of Object.entries(endpoint.stats)) {
        stats[stat] = (stats[stat] ?? 0) + value;
      }
      const healthy = endpoint.healthy || (before?.healthy ?? false);
      merged.set(endpoint.address, { ...endpoint, healthy, stats });
    }
  }
  return [...clusters].map(([name, endpoints]) => ({ name, endpoints: [...endpoints.values()] }));
}

export const clusters: AdminHandler = async ({ query }, source) => {
  const filter = nameFilter(query.get("filter"));
  if (filter.kind === "error") return text("Invalid re2 regex", 400);
  const reports = new Map(
    mergeClusterReports(await source.clusters()).map(({ name, endpoints }) => [name, endpoints]),
  );
  const shown = source.config().clusters.filter(({ name }) => filter.matches(name));
  if (query.get("format") === "json") {
    return json({
      cluster_statuses: shown.map((cluster) =>
        clusterStatus(cluster, reports.get(cluster.name) ?? []),
      ),
    });
  }
  return text(
    shown.flatMap((cluster) => clusterLines(cluster, reports.get(cluster.name) ?? [])).join(""),
  );
};

function observabilityName({ name, altStatName }: ClusterConfig): string {
  return altStatName === "" ? name : altStatName;
}

/** Routes of high priority are not implemented: Envoy's defaults hold for them. */
const HIGH_THRESHOLDS: Readonly<Record<string, number>> = {
  max_connections: 1_024,
  max_pending_requests: 1_024,
  max_requests: 1_024,
  max_retries: 3,
};

function thresholds(cluster: ClusterConfig): Readonly<Record<string, number>> {
  return {
    max_connections: cluster.maxConnections,
    max_pending_requests: cluster.maxPendingRequests,
    max_requests: cluster.maxRequests,
    max_retries: cluster.maxRetries,
  };
}

function sortedStats(endpoint: Endpoint): readonly (readonly [string, number])[] {
  return Object.entries(endpoint.stats).sort(([a], [b]) => (a < b ? -1 : 1));
}

function clusterLines(cluster: ClusterConfig, endpoints: readonly Endpoint[]): readonly string[] {
  const lines = [`observability_name::${observabilityName(cluster)}`];
  for (const [limit, value] of Object.entries(thresholds(cluster))) {
    lines.push(`default_priority::${limit}::${value}`);
  }
  for (const [limit, value] of Object.entries(HIGH_THRESHOLDS)) {
    lines.push(`high_priority::${limit}::${value}`);
  }
  lines.push("added_via_api::false");
  for (const endpoint of endpoints) {
    const rows = [
      ...sortedStats(endpoint),
      ["hostname", endpoint.hostname],
      ["health_flags", endpoint.healthy ? "healthy" : "/failed_active_hc"],
      ["weight", endpoint.weight],
      ["region", ""],
      ["zone", ""],
      ["sub_zone", ""],
      ["canary", false],
      ["priority", 0],
      ["success_rate", -1],
      ["local_origin_success_rate", -1],
    ];
    for (const [row, value] of rows) lines.push(`${endpoint.address}::${row}::${value}`);
  }
  return lines.map((line) => `${cluster.name}::${line}\n`);
}

/** Protobuf's JSON leaves out zeros and prints 64-bit numbers as strings. */
function clusterStatus(cluster: ClusterConfig, endpoints: readonly Endpoint[]): object {
  return {
    name: cluster.name,
    host_statuses: endpoints.map((endpoint) => ({
      address: socketAddress(endpoint.address),
      stats: statRows(endpoint),
      health_status: {
        ...(endpoint.healthy ? {} : { failed_active_health_check: true }),
        eds_health_status: "HEALTHY",
      },
      weight: endpoint.weight,
      ...(endpoint.hostname === "" ? {} : { hostname: endpoint.hostname }),
      locality: {},
    })),
    circuit_breakers: {
      thresholds: [thresholds(cluster), { priority: "HIGH", ...HIGH_THRESHOLDS }],
    },
    observability_name: observabilityName(cluster),
  };
}

function statRows(endpoint: Endpoint): readonly object[] {
  const stats = sortedStats(endpoint);
  const row = (name: string, value: number): object => ({
    ...(GAUGES.has(name) ? { type: "GAUGE" } : {}),
    ...(value === 0 ? {} : { value: String(value) }),
    name,
  });
  return [
    ...stats.filter(([name]) => !GAUGES.has(name)).map(([name, value]) => row(name, value)),
    ...stats.filter(([name]) => GAUGES.has(name)).map(([name, value]) => row(name, value)),
  ];
}

/** @param address `ip:port` or `[ip]:port` */
function socketAddress(address: string): object {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return { socket_address: { address: host, port_value: Number(address.slice(colon + 1)) } };
}

export const listeners: AdminHandler = ({ query }, source) => {
  const bound = source.listeners();
  if (query.get("format") === "json") {
    return json({
      listener_statuses: bound.map(({ name, address: { host, port } }) => ({
        name,
        local_address: { socket_address: { address: host, port_value: port } },
      })),
    });
  }
  const lines = bound.map(({ name, address: { host, port } }) => {
    const shown = host.includes(":") ? `[${host}]` : host;
    return `${name}::${shown}:${port}\n`;
  });
  return text(lines.join(""));
};
