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
import type { Cluster, ClusterSet } from "./types.ts";
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
  const clusters = new Map<string, UpstreamCluster>();
  for (const config of options.clusters) {
    const { metrics, clock, random, dns } = options;
    const connect = connectOf(config, options.slab);
    const cluster = new UpstreamCluster({ config, metrics, clock, random, dns, connect });
    clusters.set(config.name, cluster);
  }
  for (const cluster of clusters.values()) cluster.start();
  return new SiloClusters(clusters);
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

class SiloClusters implements ClusterSet {
  readonly ready: Promise<void>;
  readonly #clusters: ReadonlyMap<string, UpstreamCluster>;

  constructor(clusters: ReadonlyMap<string, UpstreamCluster>) {
    this.#clusters = clusters;
    const all = [...clusters.values()].map((cluster) => cluster.discovery.ready);
    this.ready = Promise.all(all).then(() => undefined);
  }

  get(name: string): Cluster | null {
    return this.#clusters.get(name) ?? null;
  }

  all(): readonly Cluster[] {
    return [...this.#clusters.values()];
  }

  drain(): void {
    for (const cluster of this.#clusters.values()) cluster.drain();
  }

  close(): void {
    for (const cluster of this.#clusters.values()) cluster.close();
  }
}
