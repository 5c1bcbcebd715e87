/**
 * Brings the stats of what each plugin uses up to date: calls and time by callback, hostcalls by
 * name, memory, streams. The VMs count for themselves, without a metric on a request's way. Thread:
 * one silo.
 */
import { PluginCostStats } from "../metrics/plugin-stats.ts";
import type { MetricScope } from "../metrics/types.ts";
import { type PluginUse, pluginUses } from "../vm/plugin-use.ts";
import type { VmReport } from "../vm/report.ts";

/** What was added to the counters so far. */
interface Told {
  calls: number;
  timeUs: number;
}

/** What others ask about plugins: access logs what they cost, stats when they are gone. */
export interface PluginCosts {
  use(plugin: string): PluginUse | null;
  /**
   * `withdraw`, of stats that are called `name`, runs once: when the silo has no plugin any more
   * for which the name was given. @param plugin its stat name
   */
  whenGone(plugin: string, name: string, withdraw: () => void): void;
}

/** Where stats of plugins are made, and who knows when a plugin is gone. */
export interface PluginStatSite {
  readonly metrics: MetricScope;
  readonly costs: PluginCosts;
}

interface PluginFeed {
  readonly stats: PluginCostStats;
  /** By callback, and by hostcall. */
  readonly told: Map<string, Told>;
}

export class PluginCostFeed implements PluginCosts {
  readonly #metrics: MetricScope;
  /** What runs when a plugin is gone, by its name. */
  readonly #whenGone = new Map<string, Map<string, () => void>>();
  readonly #plugins = new Map<string, PluginFeed>();
  #uses: ReadonlyMap<string, PluginUse> = new Map();

  constructor(metrics: MetricScope) {
    this.#metrics = metrics;
  }

  update(vms: readonly VmReport[]): void {
    const uses = pluginUses(vms);
    this.#uses = uses;
    for (const [name, use] of uses) this.#tell(this.#feedOf(name), use);
    for (const [name, { stats }] of this.#plugins) {
      if (uses.has(name)) continue;
      this.#plugins.delete(name);
      stats.withdraw();
      this.#withdrawRest(name);
    }
  }

  #withdrawRest(plugin: string): void {
    const rest = this.#whenGone.get(plugin) ?? [];
    this.#whenGone.delete(plugin);
    for (const [name, withdraw] of rest) {
      // Another plugin may have come in its place, and counts on.
      if (![...this.#whenGone.values()].some((others) => others.has(name))) withdraw();
    }
  }

  /** What the plugin had used when the stats were brought up to date last; null: no such plugin. */
  use(plugin: string): PluginUse | null {
    return this.#uses.get(plugin) ?? null;
  }

  whenGone(plugin: string, name: string, withdraw: () => void): void {
    const known = this.#whenGone.get(plugin) ?? new Map();
    known.set(name, withdraw);
    this.#whenGone.set(plugin, known);
  }

  #tell({ stats, told }: PluginFeed, use: PluginUse): void {
    stats.whole["cost.memory_bytes"].set(use.memoryBytes);
    stats.whole["cost.streams_active"].set(use.streams);
    for (const [callback, now] of use.callbacks) {
      const before = toldOf(told, callback, now.calls);
      const handles = stats.callback(callback);
      handles.calls.add(now.calls - before.calls);
      before.calls = now.calls;
      // An estimate may fall, a counter may not: it waits until the estimate has passed it.
      if (now.timeUs <= before.timeUs) continue;
      handles.time_us.add(now.timeUs - before.timeUs);
      before.timeUs = now.timeUs;
    }
    for (const [hostcall, calls] of use.hostcalls) {
      const before = toldOf(told, hostcall, calls);
      stats.hostcall(hostcall).hostcalls.add(calls - before.calls);
      before.calls = calls;
    }
  }

  #feedOf(name: string): PluginFeed {
    const known = this.#plugins.get(name);
    if (known !== undefined) return known;
    const feed = { stats: new PluginCostStats(this.#metrics, name), told: new Map() };
    this.#plugins.set(name, feed);
    return feed;
  }
}

/** A plugin that was replaced begins again at 0. */
function toldOf(told: Map<string, Told>, name: string, calls: number): Told {
  const known = told.get(name);
  if (known !== undefined && known.calls <= calls) return known;
  const made = { calls: 0, timeUs: 0 };
  told.set(name, made);
  return made;
}
