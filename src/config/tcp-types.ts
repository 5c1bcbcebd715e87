/** Filter chains that proxy TCP: Wasm network filters in front of `tcp_proxy`. */
import type { AccessLogConfig } from "./format-types.ts";
import type { PluginConfig } from "./types.ts";

export interface TcpChainParts {
  /** Wasm network filters, in their order. */
  readonly filters: readonly PluginConfig[];
  readonly proxy: TcpProxyConfig;
}

export interface TcpProxyConfig {
  readonly statPrefix: string;
  /** One entry with weight 1 for a plain `cluster`. */
  readonly clusters: readonly { readonly cluster: string; readonly weight: number }[];
  readonly totalWeight: number;
  /** 0 = none. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxConnectAttempts: number;
  readonly accessLogs: readonly AccessLogConfig[];
  readonly accessLogPlugins: readonly PluginConfig[];
}
