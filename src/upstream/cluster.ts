/**
 * One cluster on this silo: its endpoints as they are known now, the picker over them, one pool for
 * each, and the circuit breakers.
 * @hot per-request
 */
import type { Turn } from "../base/turn.ts";
import type { ClusterConfig } from "../config/types.ts";
import type { MetricScope } from "../metrics/types.ts";
import { type Breakers, createBreakers } from "./breakers.ts";
import {
  createDiscovery,
  type Discovery,
  type FoundEndpoint,
  staticEndpoints,
} from "./discovery.ts";
import type { DnsResolver } from "./dns.ts";
import { H2Pool } from "./h2/h2-pool.ts";
import { Picker } from "./picker.ts";
import { EndpointPool, type Pool } from "./pool.ts";
import type { Connect, ConnectHttp2, PoolRuntime } from "./pool-runtime.ts";
import { RawConnection, type RawEvents } from "./raw-connection.ts";
import { ClusterStats, type EndpointCounts } from "./stats.ts";
import type {
  Cluster,
  EndpointInfo,
  EndpointStats,
  LoadBalancerContext,
  UpstreamEvents,
  UpstreamRequest,
  UpstreamResetReason,
} from "./types.ts";

export interface ClusterOptions {
  readonly config: ClusterConfig;
  /** Of the silo; the cluster's own scope is made from it. */
  readonly metrics: MetricScope;
  readonly turn: Turn;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly dns: DnsResolver;
  readonly connect: Connect;
  readonly connectHttp2: ConnectHttp2;
}

/** An endpoint with its connections; stays the same object while its address and weight do. */
interface Endpoint {
  readonly info: EndpointInfo;
  readonly weight: number;
  readonly counts: EndpointCounts;
  readonly pool: Pool;
}

export class UpstreamCluster implements Cluster {
  readonly stats: ClusterStats;
  lastFailure: UpstreamResetReason = "noHealthyUpstream";
  lastEndpoint: EndpointInfo | null = null;
  #config: ClusterConfig;
  readonly #random: () => number;
  readonly #breakers: Breakers;
  readonly #runtime: PoolRuntime;
  /** Where the endpoints come from; its `ready` tells when they are known. */
  readonly discovery: Discovery;
  #picker: Picker<Endpoint>;
  /** Pools of endpoints that are gone, until their last connection is closed. */
  readonly #leaving = new Set<Pool>();
  #phase: "serving" | "draining" | "closed" = "serving";

  constructor(options: ClusterOptions) {
    const { config } = options;
    const { clock } = options.turn;
    this.#config = config;
    this.#random = options.random;
    const statName = config.altStatName === "" ? config.name : config.altStatName;
    // Envoy writes ":" as "_" in the cluster part of a stat name.
    this.stats = new ClusterStats(
      options.metrics.scope(`cluster.${statName.replaceAll(":", "_")}`),
    );
    const { handles } = this.stats;
    this.#breakers = createBreakers(config, handles);
    this.#runtime = {
      config,
      handles,
      breakers: this.#breakers,
      clock,
      random: options.random,
      turn: options.turn,
      limits: { headBytesMax: config.maxHeadersBytes, headersCountMax: config.maxHeadersCount },
      connect: options.connect,
      connectHttp2: options.connectHttp2,
    };
    this.#picker = this.#pickerOf([]);
    this.discovery = createDiscovery({ config, dns: options.dns, clock, handles });
  }

  get config(): ClusterConfig {
    return this.#config;
  }

  get endpointCount(): number {
    return this.#picker.endpoints.length;
  }

  /** Takes the endpoints of `config`, a static one that has nothing else that is new. */
  reconfigure(config: ClusterConfig): void {
    this.#config = config;
    this.#takeEndpoints(staticEndpoints(config));
  }

  /** Begins to look for endpoints; those of a static cluster are there at once. */
  start(): void {
    this.discovery.start((found) => this.#takeEndpoints(found));
  }

  request(events: UpstreamEvents, context: LoadBalancerContext): UpstreamRequest | null {
    const endpoint = this.#picker.pick(context.triedAddresses);
    this.lastEndpoint = endpoint?.info ?? null;
    if (endpoint === null || this.#phase === "closed") {
      this.stats.handles.upstream_cx_none_healthy.inc();
      this.lastFailure = "noHealthyUpstream";
      return null;
    }
    const exchange = endpoint.pool.start(events);
    if (exchange === null) this.lastFailure = "overflow";
    return exchange;
  }

  connectRaw(events: RawEvents, context: LoadBalancerContext): RawConnection | null {
    const endpoint = this.#picker.pick(context.triedAddresses);
    if (endpoint === null || this.#phase === "closed") {
      this.stats.handles.upstream_cx_none_healthy.inc();
      this.lastFailure = "noHealthyUpstream";
      return null;
    }
    if (!this.#breakers.connections.acquire()) {
      this.stats.handles.upstream_cx_overflow.inc();
      this.lastFailure = "overflow";
      return null;
    }
    return new RawConnection(this.#runtime, endpoint, events);
  }

  acquireRetry(): boolean {
    return this.#breakers.retries.acquire();
  }

  releaseRetry(): void {
    this.#breakers.retries.release();
  }

  describe(): readonly EndpointStats[] {
    return this.#picker.endpoints.map((endpoint) => ({
      endpoint: endpoint.info,
      healthy: true,
      weight: endpoint.weight,
      stats: endpoint.counts.toRecord(),
    }));
  }

  drain(): void {
    if (this.#phase === "serving") this.#phase = "draining";
    for (const endpoint of this.#picker.endpoints) endpoint.pool.drain();
  }

  /** A changed or removed configuration takes its place: it serves what it has, and ends. */
  retire(): void {
    this.discovery.stop();
    this.drain();
  }

  /** Gauges of the endpoints, which clusters of one name share. */
  showMembership(count = this.endpointCount): void {
    this.stats.handles.membership_total.set(count);
    this.stats.handles.membership_healthy.set(count);
  }

  close(): void {
    this.#phase = "closed";
    this.discovery.stop();
    for (const endpoint of this.#picker.endpoints) endpoint.pool.close();
    for (const pool of this.#leaving) pool.close();
  }

  #takeEndpoints(found: readonly FoundEndpoint[]): void {
    const before = this.#picker.endpoints;
    const logical = this.config.type === "logicalDns" ? (before[0] ?? null) : null;
    const after =
      logical !== null && found[0] !== undefined
        ? [this.#retargeted(logical, found[0])]
        : found.map((endpoint) => this.#endpointOf(endpoint, before));
    const kept = new Set(after.map((endpoint) => endpoint.pool));
    this.#picker = this.#pickerOf(after);
    const { handles } = this.stats;
    handles.membership_change.inc();
    this.showMembership();
    for (const endpoint of before) if (!kept.has(endpoint.pool)) this.#retire(endpoint.pool);
  }

  #endpointOf(found: FoundEndpoint, before: readonly Endpoint[]): Endpoint {
    const { info } = found;
    const { weight } = found.config;
    for (const endpoint of before) {
      const { address, hostname } = endpoint.info;
      if (address !== info.address || hostname !== info.hostname) continue;
      if (endpoint.weight === weight) return endpoint;
    }
    const pool =
      this.config.http2 === null
        ? new EndpointPool(this.#runtime, info)
        : new H2Pool(this.#runtime, info);
    if (this.#phase === "draining") pool.drain();
    return { info, weight, counts: pool.counts, pool };
  }

  /** A logical endpoint moves; its connections stay where they are. */
  #retargeted(endpoint: Endpoint, found: FoundEndpoint): Endpoint {
    endpoint.pool.retarget(found.info);
    return { ...endpoint, info: found.info };
  }

  #retire(pool: Pool): void {
    pool.drain();
    for (const other of this.#leaving) if (other.isEmpty) this.#leaving.delete(other);
    if (!pool.isEmpty) this.#leaving.add(pool);
  }

  #pickerOf(endpoints: readonly Endpoint[]): Picker<Endpoint> {
    return new Picker(endpoints, {
      policy: this.config.lbPolicy,
      choiceCount: this.config.choiceCount,
      random: this.#random,
    });
  }
}
