/**
 * The thread's roles for its VMs that need no stream: timers, clocks and the guests' log lines.
 */
import type { Clock } from "../base/clock.ts";
import { LOG_LEVELS, Logger, logLevelOf } from "../base/log.ts";
import {
  type VmPoolStats,
  vmPoolStats,
  type WasmRuntimeStats,
  wasmRuntimeStats,
} from "../metrics/catalogue.ts";
import {
  type WasmPluginStats,
  wasmPluginStats,
  withdrawPluginStats,
} from "../metrics/plugin-stats.ts";
import type { MetricScope } from "../metrics/types.ts";
import type { DnsResolver } from "../upstream/dns.ts";
import type { VmReport } from "../vm/report.ts";
import type { DnsHost, LogHost, TimerHost, VmEventHost } from "../vm/roles.ts";
import type { FailureKind } from "../vm/trap.ts";

import type { PluginCosts } from "./plugin-cost-feed.ts";

const log = new Logger("wasm");

/** Guest levels 0..5 are the first six of LOG_LEVELS, 6 is off (ABI 4.2). */
export const wasmLog: LogHost = {
  log: (level, message) => log.log(LOG_LEVELS[level] ?? "critical", message),
  level: () => LOG_LEVELS.indexOf(logLevelOf("wasm")),
};

/** Look-ups of guests: Envoy's AUTO family, and the time to live of the records. */
export function dnsHost(resolver: DnsResolver): DnsHost {
  return {
    resolve: (host, done) => {
      resolver.resolve({ host, family: "auto", wantTtl: true }, ({ addresses, ttlMs }) =>
        done({ addresses, ttlS: Math.max(0, Math.trunc(ttlMs / 1000)) }),
      );
    },
  };
}

export function systemTimers(clock: Clock): TimerHost {
  return {
    after: (delayMs, run) => {
      const timer = clock.after(delayMs, run);
      return () => timer.cancel();
    },
    wallNs: () => clock.wallNs(),
    monotonicNs: () => clock.monotonicNs(),
  };
}

/** Statistics of the thread's VMs. */
export class SiloVmEvents implements VmEventHost {
  readonly #metrics: MetricScope;
  readonly #costs: PluginCosts;
  readonly #runtime: WasmRuntimeStats;
  readonly #pool: VmPoolStats;
  readonly #plugins = new Map<string, WasmPluginStats>();

  constructor(metrics: MetricScope, costs: PluginCosts) {
    this.#metrics = metrics;
    this.#costs = costs;
    this.#runtime = wasmRuntimeStats(metrics, "v8");
    this.#pool = vmPoolStats(metrics);
  }

  created(): void {
    this.#runtime.created.inc();
    this.#runtime.active.add(1);
  }

  ended(): void {
    this.#runtime.active.add(-1);
  }

  failed(plugin: string, kind: FailureKind): void {
    const stats = this.#plugin(plugin);
    stats.vm_failed.inc();
    if (kind === "cpuBudget") stats.vm_failed_cpu_budget.inc();
    if (kind === "stackOverflow") stats.vm_failed_stack_overflow.inc();
  }

  reloaded(plugin: string, outcome: "success" | "failure" | "backoff"): void {
    this.#plugin(plugin)[`vm_reload_${outcome}`].inc();
  }

  cutOff(plugin: string): void {
    this.#plugin(plugin).vm_cut_off.inc();
  }

  keptOut(plugin: string): void {
    this.#plugin(plugin).vm_kept_out.inc();
  }

  suspended(plugin: string): void {
    this.#plugin(plugin).calls_suspended.inc();
  }

  suspendedTooLong(plugin: string): void {
    this.#plugin(plugin).suspension_timeouts.inc();
  }

  waitRefused(plugin: string): void {
    this.#plugin(plugin).waits_refused.inc();
  }

  waitedTooLong(plugin: string): void {
    this.#plugin(plugin).handlers_given_up.inc();
  }

  pooled(event: "created" | "retired" | "exhausted"): void {
    this.#pool[event].inc();
  }

  /** Brings up to date what is no event. */
  update(vms: readonly VmReport[]): void {
    const pools = vms.flatMap(({ pool }) => (pool === null ? [] : [pool]));
    this.#pool.vms.set(pools.length);
    this.#pool.busy.set(pools.filter(({ isSuspended }) => isSuspended).length);
    this.#pool.waiting.set(pools.reduce((sum, { waiting }) => sum + waiting, 0));
  }

  memoryRefused(plugin: string): void {
    this.#plugin(plugin).memory_refused.inc();
  }

  lineDropped(plugin: string): void {
    this.#plugin(plugin).log_lines_dropped.inc();
  }

  #plugin(name: string): WasmPluginStats {
    const known = this.#plugins.get(name);
    if (known !== undefined) return known;
    const stats = wasmPluginStats(this.#metrics, name);
    this.#plugins.set(name, stats);
    this.#costs.whenGone(name, `wasm.${name}`, () => {
      this.#plugins.delete(name);
      withdrawPluginStats(this.#metrics, name);
    });
    return stats;
  }
}
