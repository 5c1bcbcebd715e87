/**
 * Makes what everything on a silo's thread shares, from what main sent. Part of the composition
 * root.
 */
import { present } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import { Turn } from "../base/turn.ts";
import { DateHeader } from "../http/date-header.ts";
import { accessLogStats, bodyCopyStats, calloutStats } from "../metrics/catalogue.ts";
import { PluginMetrics } from "../metrics/plugin-metrics.ts";
import { SiloRecorder } from "../metrics/recorder.ts";
import { BodyChunk } from "../shm/body-chunk.ts";
import { countBodyCopies } from "../shm/body-copies.ts";
import type { BodySlab } from "../shm/body-slab.ts";
import { MetricWriter } from "../shm/metric-writer.ts";
import { SharedState } from "../shm/shared-state.ts";
import { type ConnectorsOf, createClusterSet, socketConnectors } from "../upstream/cluster-set.ts";
import { systemDns } from "../upstream/dns.ts";
import { createPluginHost } from "../vm/plugin-host.ts";
import type { Singletons } from "../vm/plugin-identity.ts";
import { AccessLogs } from "./access-log.ts";
import { SiloCallouts } from "./callouts/silo-callouts.ts";
import { LogRing } from "./log-ring.ts";
import type { SiloBoot } from "./messages.ts";
import { PluginCostFeed } from "./plugin-cost-feed.ts";
import { RootProperties } from "./properties.ts";
import { DrainClose, type SiloServices } from "./services.ts";
import { TapRing } from "./tap/tap-ring.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { dnsHost, SiloVmEvents, systemTimers, wasmLog } from "./vm-roles.ts";

/** Plugins that run once in the server live on this silo. */
const SINGLETON_SILO = 0;

export function singletonsOf(silo: number): Singletons {
  return silo === SINGLETON_SILO ? "here" : "elsewhere";
}

/** What of the boot data the services are made from. */
export type ServicesBoot = Pick<
  SiloBoot,
  | "index"
  | "concurrency"
  | "config"
  | "modules"
  | "metricRegions"
  | "shared"
  | "logRing"
  | "tapRing"
>;

export interface OwnServices extends SiloServices {
  readonly costs: PluginCostFeed;
  readonly vmEvents: SiloVmEvents;
  draining: boolean;
  readonly shared: SharedState;
}

/** @param connectorsOf how connections to upstreams are made; the default are real ones */
export function createServices(
  boot: ServicesBoot,
  slab: BodySlab,
  connectorsOf: ConnectorsOf = socketConnectors,
): OwnServices {
  const ownRegion = present(boot.metricRegions[boot.index], "own metric region");
  const writer = new MetricWriter(ownRegion);
  const metrics = new SiloRecorder(writer);
  const others = boot.metricRegions.filter((_, index) => index !== boot.index);
  const turn = new Turn(systemClock);
  const { clock } = turn;
  const date = new DateHeader(clock);
  const random = Math.random;
  let connectionCount = 0;
  const wheel = new TimerWheel(clock);
  const clusters = createClusterSet({
    clusters: boot.config.clusters,
    metrics,
    slab,
    connectorsOf,
    turn,
    random,
    dns: systemDns,
  });
  countBodyCopies(bodyCopyStats(metrics));
  const stats = calloutStats(metrics);
  // Who waits for a lock needs a clock that goes on within a turn.
  const shared = new SharedState(boot.shared, systemClock);
  const costs = new PluginCostFeed(metrics);
  const vmEvents = new SiloVmEvents(metrics, costs);
  const plugins = createPluginHost({
    config: boot.config,
    modules: new Map(boot.modules.map(({ key, module }) => [key, module])),
    singletons: singletonsOf(boot.index),
    seat: boot.index,
    roles: {
      metrics: new PluginMetrics(writer, others),
      log: wasmLog,
      timers: systemTimers(clock),
      vmEvents,
      callouts: new SiloCallouts({ clock, wheel, clusters, stats }),
      shared,
      dns: dnsHost(systemDns),
      rootProperties: new RootProperties(boot.config.node),
    },
  });
  return {
    turn,
    clock,
    wheel,
    random,
    metrics,
    clusters,
    plugins,
    shared,
    costs,
    vmEvents,
    accessLogs: new AccessLogs(new LogRing(boot.logRing, accessLogStats(metrics).dropped)),
    taps: new TapRing(boot.tapRing, slab),
    node: boot.config.node,
    emptyChunk: BodyChunk.ofHeap(new Uint8Array(0)),
    draining: false,
    drainClose: new DrainClose(clock, random),
    httpDate: () => date.value(),
    // Ids of different silos never meet.
    nextConnectionId: () => connectionCount++ * boot.concurrency + boot.index,
  };
}
