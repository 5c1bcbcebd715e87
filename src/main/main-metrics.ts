/**
 * What main itself counts: a column of its own beside those of the silos, and the gauges that are
 * brought up to date when somebody reads. Thread: main.
 */
import type { ReloadReport } from "../admin/types.ts";
import type { Clock } from "../base/clock.ts";
import type { GranaryConfig } from "../config/types.ts";
import {
  type ClusterManagerStats,
  type ConfigReloadStats,
  clusterManagerStats,
  configReloadStats,
  type ListenerManagerStats,
  listenerManagerStats,
  metricRegionStats,
  type ServerStats,
  serverStats,
} from "../metrics/catalogue.ts";
import { SiloRecorder } from "../metrics/recorder.ts";
import { type MetricSnapshot, MetricSnapshots } from "../metrics/snapshot.ts";
import type { MetricScope } from "../metrics/types.ts";
import { createMetricRegion } from "../shm/metric-layout.ts";
import { MetricWriter } from "../shm/metric-writer.ts";
import type { ConfigDiff } from "./config-diff.ts";

/** Envoy's stats_flush_interval: the span of a histogram's interval column. */
const INTERVAL_MS = 5_000;

/** Values that somebody else knows. */
export interface ServerFacts {
  readonly stateIndex: number;
  readonly isLive: boolean;
  readonly uptimeMs: number;
  readonly openConnections: number;
}

/** What an update left. */
export interface UpdateFacts {
  readonly tookMs: number;
  readonly listeners: number;
  readonly clusters: number;
}

export class MainMetrics {
  /** One region per silo, by index; a silo that is replaced hands its region on. */
  readonly siloRegions: readonly SharedArrayBuffer[];
  /** Main's own column. */
  readonly root: MetricScope;
  readonly #snapshots: MetricSnapshots;
  readonly #server: ServerStats;
  readonly #listeners: ListenerManagerStats;
  readonly #clusters: ClusterManagerStats;
  readonly #reloads: ConfigReloadStats;
  readonly #clock: Clock;
  readonly #root: MetricScope;
  /** Bring the stats of other parts up to date. */
  readonly #reports: (() => void)[] = [];

  constructor(clock: Clock, config: GranaryConfig, concurrency: number) {
    this.#clock = clock;
    this.siloRegions = Array.from({ length: concurrency }, () => createMetricRegion());
    const own = createMetricRegion();
    this.#snapshots = new MetricSnapshots([own, ...this.siloRegions]);
    const root = new SiloRecorder(new MetricWriter(own));
    this.root = root;
    this.#root = root;
    this.#server = serverStats(root);
    this.#listeners = listenerManagerStats(root);
    this.#server.concurrency.set(concurrency);
    this.#listeners.listener_added.add(config.listeners.length);
    this.#clusters = clusterManagerStats(root);
    this.#clusters.cluster_added.add(config.clusters.length);
    this.#clusters.active_clusters.set(config.clusters.length);
    this.#clusters.warming_clusters.set(0);
    this.#reloads = configReloadStats(root);
    this.#reloads.version.set(1);
    this.observe((scope) => {
      const { definitions_refused: refused } = metricRegionStats(scope);
      return () => refused.add(Math.max(0, this.#snapshots.refused - refused.value()));
    });
    this.#rollIntervals();
  }

  /**
   * Adds the stats of another part of main.
   * @param define makes their handles and returns what brings them up to date before a snapshot.
   */
  observe(define: (root: MetricScope) => () => void): void {
    this.#reports.push(define(this.#root));
  }

  /** Every silo serves every listener. @param tookMs from the start of the process */
  started(listenerCount: number, tookMs: number): void {
    this.#listeners.listener_create_success.add(listenerCount);
    this.#listeners.total_listeners_active.set(listenerCount);
    this.#listeners.workers_started.set(1);
    this.#server.initialization_time_ms.record(tookMs);
  }

  /** An attempt to update the configuration has ended. @param diff null: it was not read */
  updated(report: ReloadReport, diff: ConfigDiff | null, after: UpdateFacts): void {
    this.#reloads.update_attempt.inc();
    this.#reloads.update_duration.record(after.tookMs);
    if (report.kind === "refused") this.#reloads.update_rejected.inc();
    if (report.kind !== "applied" || diff === null) return;
    this.#reloads.update_success.inc();
    this.#reloads.version.set(report.version);
    const { listeners, clusters } = diff;
    this.#listeners.listener_added.add(listeners.added.length);
    this.#listeners.listener_create_success.add(listeners.added.length);
    this.#listeners.listener_modified.add(listeners.modified.length);
    this.#listeners.listener_removed.add(listeners.removed.length);
    this.#listeners.total_listeners_active.set(after.listeners);
    this.#clusters.cluster_added.add(clusters.added.length);
    this.#clusters.cluster_modified.add(clusters.modified.length);
    this.#clusters.cluster_removed.add(clusters.removed.length);
    this.#clusters.active_clusters.set(after.clusters);
  }

  /** @param stillAccepting listeners that go on */
  draining(drainingCount: number, stillAccepting: number): void {
    this.#listeners.total_listeners_active.set(stillAccepting);
    this.#listeners.total_listeners_draining.set(drainingCount);
  }

  /** A silo is gone and its region has no writer: its gauges count nothing any more. */
  clearGauges(silo: number): void {
    const region = this.siloRegions[silo];
    // Taking over a region sets the gauges of the writer before to 0.
    if (region !== undefined) new MetricWriter(region);
  }

  snapshot(facts: ServerFacts): MetricSnapshot {
    const { heapUsed, heapTotal, rss } = process.memoryUsage();
    this.#server.live.set(facts.isLive ? 1 : 0);
    this.#server.state.set(facts.stateIndex);
    this.#server.uptime.set(Math.trunc(facts.uptimeMs / 1000));
    this.#server.total_connections.set(facts.openConnections);
    this.#server.memory_allocated.set(heapUsed);
    this.#server.memory_heap_size.set(heapTotal);
    this.#server.memory_physical_size.set(rss);
    for (const report of this.#reports) report();
    return this.#snapshots.take();
  }

  resetCounters(): void {
    this.#snapshots.resetCounters();
  }

  #rollIntervals(): void {
    this.#clock.after(INTERVAL_MS, () => {
      this.#snapshots.rollInterval();
      this.#rollIntervals();
    });
  }
}
