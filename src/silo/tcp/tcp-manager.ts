/**
 * One TCP filter chain on one silo: what all its connections share. Envoy's `tcp_proxy` with the
 * Wasm filters in front of it.
 */
import type { ListenerConfig, TcpChainConfig, TcpProxyConfig } from "../../config/types.ts";
import {
  type ListenerStats,
  listenerStats,
  type TcpProxyStats,
  tcpProxyStats,
} from "../../metrics/catalogue.ts";
import type { Plugin } from "../../vm/types.ts";
import type { StreamLogger } from "../access-log.ts";
import type { SiloServices } from "../services.ts";
import { addressText } from "../stream-info.ts";
import type { TcpConnection } from "./tcp-connection.ts";
import { createTcpFilter, TcpFilter } from "./tcp-filter.ts";

export class TcpManager {
  readonly silo: SiloServices;
  readonly listener: ListenerConfig;
  readonly chain: TcpChainConfig;
  readonly proxy: TcpProxyConfig;
  readonly listenerStats: ListenerStats;
  readonly stats: TcpProxyStats;
  readonly #accessLog: StreamLogger;
  readonly #plugins: readonly Plugin[];
  readonly #loggers: readonly Plugin[];
  #connectionCount = 0;

  constructor(silo: SiloServices, listener: ListenerConfig, chain: TcpChainConfig) {
    this.silo = silo;
    this.listener = listener;
    this.chain = chain;
    this.proxy = chain.tcp.proxy;
    const { host, port } = listener.address;
    this.listenerStats = listenerStats(silo.metrics, addressText(host, port));
    this.stats = tcpProxyStats(silo.metrics, this.proxy.statPrefix);
    this.#accessLog = silo.accessLogs.logger(this.proxy.accessLogs);
    this.#plugins = chain.tcp.filters.map((config) => silo.plugins.plugin(config));
    this.#loggers = this.proxy.accessLogPlugins.map((config) => silo.plugins.plugin(config));
  }

  nextStreamId(): number {
    this.#connectionCount++;
    return this.#connectionCount;
  }

  /** The filters of one connection; those that failed open are left out. */
  createFilters(connection: TcpConnection): TcpFilter[] {
    const filters = this.#plugins.map((plugin) => createTcpFilter(plugin, connection));
    return filters.filter((filter) => filter !== null);
  }

  /** The cluster of one more connection. */
  pickCluster(): string {
    const { clusters, totalWeight } = this.proxy;
    let left = clusters.length === 1 ? 0 : this.silo.random() * totalWeight;
    for (const { cluster, weight } of clusters) {
      if (left < weight) return cluster;
      left -= weight;
    }
    return clusters.at(-1)?.cluster ?? "";
  }

  /** Writes the access logs of a connection that has ended. */
  logConnection(connection: TcpConnection): void {
    this.#accessLog.log(connection.info);
    for (const plugin of this.#loggers) plugin.log(new TcpFilter(connection));
  }
}
