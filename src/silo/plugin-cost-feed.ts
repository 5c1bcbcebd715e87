/**
 * Brings the stats of what each plugin uses up to date: calls and time by callback, memory,
 * streams. The VMs count for themselves, without a metric on a request's way. Thread: one silo.
 */
import {
  type WasmCallbackStats,
  type WasmCostStats,
  wasmCallbackStats,
  wasmCostStats,
} from "../metrics/catalogue.ts";
import type { MetricScope } from "../metrics/types.ts";
import type { PluginReport, VmReport } from "../vm/report.ts";

/** What was added to the counters of one callback so far. */
interface Told {
  readonly stats: WasmCallbackStats;
  calls: number;
  timeUs: number;
}

interface PluginFeed {
  readonly stats: WasmCostStats;
  readonly callbacks: Map<string, Told>;
}

/** What a plugin uses in all its VMs of this silo. */
interface PluginUse {
  memoryBytes: number;
  streams: number;
  readonly callbacks: Map<string, { calls: number; timeUs: number }>;
}

export class PluginCostFeed {
  readonly #metrics: MetricScope;
  readonly #plugins = new Map<string, PluginFeed>();

  constructor(metrics: MetricScope) {
    this.#metrics = metrics;
  }

  update(vms: readonly VmReport[]): void {
    const uses = new Map<string, PluginUse>();
    for (const vm of vms) for (const plugin of vm.plugins) addUse(uses, vm, plugin);
    for (const [name, use] of uses) this.#tell(name, use);
    for (const [name, feed] of this.#plugins) if (!uses.has(name)) clear(feed);
  }

  #tell(name: string, use: PluginUse): void {
    const feed = this.#feedOf(name);
    feed.stats["cost.memory_bytes"].set(use.memoryBytes);
    feed.stats["cost.streams_active"].set(use.streams);
    for (const [callback, { calls, timeUs }] of use.callbacks) {
      const told = this.#toldOf(feed, name, callback);
      // A plugin that was replaced begins again at 0.
      if (calls < told.calls) {
        told.calls = 0;
        told.timeUs = 0;
      }
      told.stats.calls.add(calls - told.calls);
      told.calls = calls;
      // An estimate may fall, a counter may not: it waits until the estimate has passed it.
      if (timeUs <= told.timeUs) continue;
      told.stats.time_us.add(timeUs - told.timeUs);
      told.timeUs = timeUs;
    }
  }

  #feedOf(name: string): PluginFeed {
    const known = this.#plugins.get(name);
    if (known !== undefined) return known;
    const feed = { stats: wasmCostStats(this.#metrics, name), callbacks: new Map() };
    this.#plugins.set(name, feed);
    return feed;
  }

  #toldOf(feed: PluginFeed, plugin: string, callback: string): Told {
    const known = feed.callbacks.get(callback);
    if (known !== undefined) return known;
    const stats = wasmCallbackStats(this.#metrics, plugin, callback);
    const told = { stats, calls: 0, timeUs: 0 };
    feed.callbacks.set(callback, told);
    return told;
  }
}

function addUse(uses: Map<string, PluginUse>, vm: VmReport, plugin: PluginReport): void {
  const use = uses.get(plugin.name) ?? { memoryBytes: 0, streams: 0, callbacks: new Map() };
  uses.set(plugin.name, use);
  use.memoryBytes += vm.memoryBytes;
  use.streams += plugin.streams;
  for (const { callback, calls, timeUs } of plugin.callbacks) {
    const sum = use.callbacks.get(callback) ?? { calls: 0, timeUs: 0 };
    use.callbacks.set(callback, { calls: sum.calls + calls, timeUs: sum.timeUs + timeUs });
  }
}

/** The plugin is gone. */
function clear(feed: PluginFeed): void {
  feed.stats["cost.memory_bytes"].set(0);
  feed.stats["cost.streams_active"].set(0);
  feed.callbacks.clear();
}
