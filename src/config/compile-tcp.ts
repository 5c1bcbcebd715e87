/** TCP chains: `envoy.filters.network.wasm` any number of times, then `tcp_proxy`. */
import type {
  TcpProxy,
  TcpProxy_WeightedCluster,
} from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import type { Wasm } from "../gen/envoy/extensions/filters/network/wasm/v3/wasm_pb.ts";
import { compileAccessLogs } from "./compile-access-log.ts";
import { compilePlugin, type ListenerOfPlugin } from "./compile-wasm.ts";
import { durationMs, type Place } from "./place.ts";
import type { PluginConfig, TcpProxyConfig } from "./types.ts";

/** Envoy's default of `idle_timeout`. */
const IDLE_MS = 3_600_000;

/** The plugin of a network filter. Null after a problem. */
export function compileNetworkWasm(
  message: Wasm,
  listener: ListenerOfPlugin,
  place: Place,
): PluginConfig | null {
  const at = place.child("config");
  if (message.config !== undefined) return compilePlugin(message.config, listener, at);
  at.problem("config is required", "add config with vm_config");
  return null;
}

export function compileTcpProxy(
  message: TcpProxy,
  listener: ListenerOfPlugin,
  place: Place,
): TcpProxyConfig {
  const loggers = { listener, made: [] };
  const accessLogs = compileAccessLogs(message.accessLog, place.child("access_log"), loggers);
  const clusters = compileClusters(message, place);
  return {
    statPrefix: message.statPrefix,
    clusters,
    totalWeight: clusters.reduce((sum, { weight }) => sum + weight, 0),
    idleTimeoutMs: durationMs(message.idleTimeout, IDLE_MS),
    maxConnectionDurationMs: durationMs(message.maxDownstreamConnectionDuration, 0),
    maxConnectAttempts: message.maxConnectAttempts ?? 1,
    accessLogs,
    accessLogPlugins: loggers.made,
  };
}

function compileClusters(message: TcpProxy, place: Place): TcpProxyConfig["clusters"] {
  const { clusterSpecifier: specifier } = message;
  switch (specifier.case) {
    case "cluster":
      checkCluster(specifier.value, place.child("cluster"));
      return [{ cluster: specifier.value, weight: 1 }];
    case "weightedClusters":
      return compileWeighted(specifier.value, place.child("weighted_clusters").child("clusters"));
    default:
      return [];
  }
}

function compileWeighted(
  { clusters }: TcpProxy_WeightedCluster,
  place: Place,
): TcpProxyConfig["clusters"] {
  return clusters.map(({ name, weight }, i) => {
    checkCluster(name, place.item(i).child("name"));
    return { cluster: name, weight };
  });
}

function checkCluster(name: string, place: Place): void {
  if (place.context.clusterNames.has(name)) return;
  place.problem(`there is no cluster "${name}"`, "add it to static_resources.clusters");
}
