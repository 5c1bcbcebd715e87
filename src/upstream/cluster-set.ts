/**
 * All clusters of one silo. This is where upstream meets the sockets: everything below works on
 * `Connection` alone.
 */
import { isDeepStrictEqual } from "node:util";
import type { Turn } from "../base/turn.ts";
import type { ClusterConfig } from "../config/types.ts";
import type { MetricScope } from "../metrics/types.ts";
import { connectTo } from "../net/connect.ts";
import { connectHttp2, type Http2Settings } from "../net/connect-h2.ts";
import type { BodySlab } from "../shm/body-slab.ts";
import { UpstreamCluster } from "./cluster.ts";
import type { DnsResolver } from "./dns.ts";
import type { Connect, ConnectHttp2 } from "./pool-runtime.ts";
import type { Cluster, ClusterChange, ClusterSet } from "./types.ts";
import { createUpstreamTls } from "./upstream-tls.ts";

export interface ClusterSetOptions {
  readonly clusters: readonly ClusterConfig[];
  /** Of the silo; `cluster.<name>.` is put before every name. */
  readonly metrics: MetricScope;
  /** Memory that the connections read into. */
  readonly slab: BodySlab;
  readonly connectorsOf: ConnectorsOf;
  readonly turn: Turn;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly dns: DnsResolver;
}

/**
 * Makes the clusters and begins to look for their endpoints; connections are made when requests
 * need them. Throws on TLS certificates that OpenSSL refuses. Thread: the silo that owns `slab`.
 */
export function createClusterSet(options: ClusterSetOptions): ClusterSet {
  return new SiloClusters(options);
}

/** How connections of one cluster are made. */
export interface Connectors {
  readonly connect: Connect;
  readonly connectHttp2: ConnectHttp2;
}
export type ConnectorsOf = (config: ClusterConfig, slab: BodySlab) => Connectors;

/** Over `net`, `tls` and `http2`. Throws on TLS certificates that OpenSSL refuses. */
export function socketConnectors(config: ClusterConfig, slab: BodySlab): Connectors {
  const tlsOf = config.tls === null ? null : createUpstreamTls(config.tls);
  const settings: Http2Settings = {
    initialStreamWindowBytes: config.http2?.initialStreamWindowBytes ?? 0,
    initialConnectionWindowBytes: config.http2?.initialConnectionWindowBytes ?? 0,
    headersBytesMax: config.maxHeadersBytes,
    headersCountMax: config.maxHeadersCount,
  };
  return {
    connect: (target, events) => {
      const tls = tlsOf === null ? null : tlsOf(target.hostname);
      return connectTo({ host: target.ip, port: target.port }, events, slab, tls);
    },
    connectHttp2: (target, events) => {
      const tls = tlsOf === null ? null : tlsOf(target.hostname);
      return connectHttp2({ host: target.ip, port: target.port }, events, settings, tls);
    },
  };
}

function allReady(clusters: readonly UpstreamCluster[]): Promise<void> {
  return Promise.all(clusters.map(({ discovery }) => discovery.ready)).then(() => undefined);
}

class SiloClusters implements ClusterSet {
  readonly ready: Promise<void>;
  readonly #options: ClusterSetOptions;
  readonly #clusters = new Map<string, UpstreamCluster>();

  constructor(options: ClusterSetOptions) {
    this.#options = options;
    const made = options.clusters.map((config) => this.#make(config));
    for (const cluster of made) {
      this.#clusters.set(cluster.config.name, cluster);
      cluster.start();
    }
    this.ready = allReady(made);
  }

  get(name: string): Cluster | null {
    return this.#clusters.get(name) ?? null;
  }

  all(): readonly Cluster[] {
    return [...this.#clusters.values()];
  }

  stage(configs: readonly ClusterConfig[]): ClusterChange {
    const kept = configs.filter((config) => this.#keeps(config));
    const made = configs
      .filter((config) => !kept.includes(config))
      .map((config) => this.#make(config));
    for (const cluster of made) cluster.start();
    return {
      ready: allReady(made),
      commit: (removed) => {
        for (const name of removed) this.#remove(name);
        for (const cluster of made) this.#put(cluster);
        for (const config of kept) this.#clusters.get(config.name)?.reconfigure(config);
      },
      discard: () => {
        for (const cluster of made) {
          cluster.close();
          this.#clusters.get(cluster.config.name)?.showMembership();
        }
      },
    };
  }

  drain(): void {
    for (const cluster of this.#clusters.values()) cluster.drain();
  }

  close(): void {
    for (const cluster of this.#clusters.values()) cluster.close();
  }

  /** Whether a cluster is the one of `config` but for its endpoints: it keeps all the others. */
  #keeps(config: ClusterConfig): boolean {
    const before = this.#clusters.get(config.name)?.config;
    if (before?.type !== "static" || config.type !== "static") return false;
    return isDeepStrictEqual({ ...before, endpoints: [] }, { ...config, endpoints: [] });
  }

  #make(config: ClusterConfig): UpstreamCluster {
    const { metrics, turn, random, dns, slab, connectorsOf } = this.#options;
    const connectors = connectorsOf(config, slab);
    return new UpstreamCluster({ config, metrics, turn, random, dns, ...connectors });
  }

  #put(cluster: UpstreamCluster): void {
    const { name } = cluster.config;
    this.#clusters.get(name)?.retire();
    this.#clusters.set(name, cluster);
    cluster.showMembership();
  }

  #remove(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    cluster.retire();
    cluster.showMembership(0);
  }
}
