/**
 * All clusters of one silo. This is where upstream meets the sockets: everything below works on
 * `Connection` alone.
 */
import type { Clock } from "../base/clock.ts";
import type { ClusterConfig } from "../config/types.ts";
import type { MetricScope } from "../metrics/types.ts";
import { connectTo } from "../net/connect.ts";
import type { BodySlab } from "../shm/body-slab.ts";
import { UpstreamCluster } from "./cluster.ts";
import type { DnsResolver } from "./dns.ts";
import type { Connect } from "./pool-runtime.ts";
import type { Cluster, ClusterChange, ClusterSet } from "./types.ts";
import { createUpstreamTls } from "./upstream-tls.ts";

export interface ClusterSetOptions {
  readonly clusters: readonly ClusterConfig[];
  /** Of the silo; `cluster.<name>.` is put before every name. */
  readonly metrics: MetricScope;
  /** Memory that the connections read into. */
  readonly slab: BodySlab;
  readonly clock: Clock;
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

function connectOf(config: ClusterConfig, slab: BodySlab): Connect {
  const tls = config.tls === null ? null : createUpstreamTls(config.tls);
  return (target, events) =>
    connectTo(
      { host: target.ip, port: target.port },
      events,
      slab,
      tls === null ? null : tls(target.hostname),
    );
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
    const made = configs.map((config) => this.#make(config));
    for (const cluster of made) cluster.start();
    return {
      ready: allReady(made),
      commit: (removed) => {
        for (const name of removed) this.#remove(name);
        for (const cluster of made) this.#put(cluster);
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

  #make(config: ClusterConfig): UpstreamCluster {
    const { metrics, clock, random, dns, slab } = this.#options;
    const connect = connectOf(config, slab);
    return new UpstreamCluster({ config, metrics, clock, random, dns, connect });
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
