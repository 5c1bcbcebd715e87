/**
 * Where the VM of a thread lives over its failures: a slot keeps its key and makes its content anew
 * when it died, no sooner than the backoff allows, and not at all while it failed too often. A
 * second VM, started and idle, waits to take over. Shared by the plugins with equal VM key. Source:
 * ABI 5.1, 5.2, 5.8.
 */
import { Logger } from "../base/log.ts";
import type { PluginConfig } from "../config/types.ts";
import type { VmEngine } from "./engine.ts";
import { ReloadBackoff } from "./failure.ts";
import { FailureRecord } from "./failure-record.ts";
import { MemoryAccount, type MemoryTotal, PAGE_BYTES } from "./memory-account.ts";
import { OwnedMetrics } from "./owned-metrics.ts";
import type { FailureReport, PluginReport, VmReport, VmReportState } from "./report.ts";
import type { ThreadRoles } from "./roles.ts";
import type { VmFailure } from "./trap.ts";
import type { PluginCode } from "./types.ts";
import { Vm } from "./vm.ts";

const logger = new Logger("wasm");

/** The standby is made when what serves has settled: it is a start like the other. */
const STANDBY_DELAY_MS = 100;

export interface SlotOptions {
  readonly engine: VmEngine;
  readonly roles: ThreadRoles;
  readonly code: PluginCode | null;
  /** Where its VMs count their memory; null = there is no total. */
  readonly total: MemoryTotal | null;
  /** The plugin that asked first; its VM configuration is that of all. */
  readonly plugin: PluginConfig;
}

/** What a slot of a pool has from it. */
interface PoolShare {
  readonly record: FailureRecord;
  readonly hasStandby: boolean;
}

/** A root slot, as its VM slot sees it. */
export interface SlotTenant {
  /** The VM failed a while ago: starts the plugin in the next one, requests or not. */
  revive(): void;
  report(): PluginReport;
}

export function nowMs(roles: ThreadRoles): number {
  return Number(roles.timers.monotonicNs() / 1_000_000n);
}

/** How long the callback that failed had held the thread; 0 = less than anybody looked at. */
function heldMs(vm: Vm, roles: ThreadRoles): number {
  const { firstLookMs } = vm.call;
  return firstLookMs < 0 ? 0 : Number(roles.timers.monotonicNs()) / 1e6 - firstLookMs;
}

export class VmSlot {
  readonly #options: SlotOptions;
  readonly #metrics: OwnedMetrics;
  /** The thread's, with metrics that end with this slot. */
  readonly #roles: ThreadRoles;
  readonly #tenants = new Set<SlotTenant>();
  readonly #record: FailureRecord;
  /** The record is this slot's alone. */
  readonly #ownsRecord: boolean;
  readonly #hasStandby: boolean;
  #backoff: ReloadBackoff;
  #vm: Vm | null = null;
  #standby: Vm | null = null;
  #problem = "not started";
  /** A VM that never ran is not tried again: its module or configuration is wrong. */
  #mayRun = true;
  #created = 0;
  #failures = 0;
  #lastFailure: FailureReport | null = null;
  /** Cancels what the timer will do next: a revival or a standby. */
  #cancelTimer: (() => void) | null = null;

  /** @param share of the pool that it is in; null = it is alone. */
  constructor(options: SlotOptions, share: PoolShare | null = null) {
    this.#options = options;
    this.#metrics = new OwnedMetrics(options.roles.metrics);
    this.#roles = { ...options.roles, metrics: this.#metrics };
    this.#record = share?.record ?? new FailureRecord(options.plugin);
    this.#ownsRecord = share === null;
    this.#hasStandby = share?.hasStandby ?? options.plugin.isolation.hasStandby;
    this.#backoff = new ReloadBackoff(options.plugin.reloadBaseIntervalMs);
  }

  /** Why {@link acquire} gave null. */
  get problem(): string {
    return this.#problem;
  }

  /** A root slot is made over this VM: a new plugin does not pay for failures of another. */
  lease(tenant: SlotTenant): void {
    this.#tenants.add(tenant);
    if (this.#vm?.running === true) return;
    this.#backoff = new ReloadBackoff(this.#options.plugin.reloadBaseIntervalMs);
    if (this.#ownsRecord) this.#record.forgetCrashes(this.#options.plugin);
    this.#mayRun = true;
  }

  /** A root slot has ended; true when none is left. */
  release(tenant: SlotTenant): boolean {
    this.#tenants.delete(tenant);
    return this.#tenants.size === 0;
  }

  /** VMs that serve: none or one. */
  get vmCount(): number {
    return this.#vm?.running === true ? 1 : 0;
  }

  /** The VM, whether or not it still runs. */
  get vm(): Vm | null {
    return this.#vm;
  }

  /** The VM if it runs, or a new one if it may be made now; else null. */
  acquire(): Vm | null {
    if (this.#vm?.running === true) return this.#vm;
    const { roles, plugin } = this.#options;
    const now = nowMs(roles);
    if (!this.#mayRun) return null;
    if (this.#record.restMs(now) > 0 || !this.#backoff.mayLoad(now)) {
      roles.vmEvents.reloaded(plugin.name, "backoff");
      return null;
    }
    this.#backoff.loaded(now);
    const ranBefore = this.#vm !== null;
    const vm = this.#takeStandby() ?? this.#make();
    if (vm === null) {
      this.#mayRun = ranBefore;
      if (!ranBefore) return null;
      logger.error(`vm ${plugin.vm.vmKey} cannot be made anew: ${this.#problem}`);
      roles.vmEvents.reloaded(plugin.name, "failure");
      return null;
    }
    if (ranBefore) {
      logger.warn(`vm ${plugin.vm.vmKey} failed and was made anew`);
      roles.vmEvents.reloaded(plugin.name, "success");
    }
    this.#vm = vm;
    if (this.#hasStandby) this.#later(STANDBY_DELAY_MS, () => this.#makeStandby());
    return vm;
  }

  /** Drops the VMs; there will be no others. */
  close(): void {
    this.#mayRun = false;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#drop(this.#vm);
    this.#drop(this.#standby);
    this.#vm = null;
    this.#standby = null;
    this.#metrics.releaseAll();
  }

  report(): readonly [VmReport] {
    const { plugin, total } = this.#options;
    const report = {
      vmId: plugin.vm.vmId,
      mode: plugin.mode,
      codeSha256: plugin.vm.codeSha256,
      state: this.#reportState(),
      memoryBytes: this.#vm?.running === true ? this.#vm.memory.size() : 0,
      memoryBytesMax: plugin.isolation.memoryBytesMax,
      memoryTotalBytes: (total?.quota.used ?? 0) * PAGE_BYTES,
      memoryTotalBytesMax: plugin.isolation.memoryTotalBytesMax,
      hasStandby: this.#standby !== null,
      created: this.#created,
      failures: this.#failures,
      lastFailure: this.#lastFailure,
      plugins: [...this.#tenants].map((tenant) => tenant.report()),
      pool: null,
    };
    return [report];
  }

  #reportState(): VmReportState {
    if (this.#vm?.running === true) return "running";
    if (this.#record.restMs(nowMs(this.#options.roles)) > 0) return "cut off";
    return this.#vm === null ? "not started" : "failed";
  }

  /** A started VM; null and {@link problem} when it does not start. */
  #make(): Vm | null {
    const { engine, code, plugin } = this.#options;
    const roles = this.#roles;
    const { memoryBytesMax } = plugin.isolation;
    const refused = (): void => roles.vmEvents.memoryRefused(plugin.name);
    const allowed = plugin.allowedCapabilities;
    const vm = new Vm({
      engine,
      config: plugin.vm,
      roles,
      allowed: allowed === null ? null : new Set(allowed),
      isolation: plugin.isolation,
      probation: this.#record.probation,
      account: new MemoryAccount(this.#options.total, memoryBytesMax, refused),
      onFailure: (failure) => this.#failed(vm, failure),
    });
    const problem = code === null ? "its module is not loaded" : vm.start(code);
    if (problem !== null) {
      this.#problem = problem;
      return null;
    }
    this.#created++;
    roles.vmEvents.created();
    return vm;
  }

  #makeStandby(): void {
    if (this.#standby === null && this.#vm?.running === true) this.#standby = this.#make();
  }

  #takeStandby(): Vm | null {
    const standby = this.#standby;
    this.#standby = null;
    return standby;
  }

  /** A VM of this slot died; one that never ran is reported by whoever started it. */
  #failed(vm: Vm, failure: VmFailure): void {
    if (vm !== this.#vm) return;
    const { roles, plugin } = this.#options;
    const now = nowMs(roles);
    const name = failure.plugin === "" ? plugin.name : failure.plugin;
    this.#failures++;
    const wallMs = Number(roles.timers.wallNs() / 1_000_000n);
    this.#lastFailure = { ...failure, plugin: name, wallMs };
    roles.vmEvents.ended();
    roles.vmEvents.failed(name, failure.kind);
    const text = `in ${failure.callback}: ${failure.reason}`;
    logger.error(`plugin "${name}", vm "${plugin.vm.vmId}": failure ${this.#failures}, ${text}`);
    if (this.#record.crashed(now)) this.#cutOff(name);
    if (this.#record.probation.record(now, heldMs(vm, roles))) this.#keepOut(name, now);
    const waitMs = Math.max(this.#record.restMs(now), this.#backoff.waitMs(now));
    // Timers may come a little early.
    this.#later(waitMs === 0 ? 0 : waitMs + 1, () => {
      for (const tenant of this.#tenants) tenant.revive();
    });
  }

  #keepOut(name: string, now: number): void {
    const seconds = (this.#record.probation.waitMs(now) / 1_000).toFixed(1);
    logger.error(`plugin "${name}" held the thread again before it failed: out for ${seconds} s`);
    this.#options.roles.vmEvents.keptOut(name);
  }

  #cutOff(name: string): void {
    const { crashesMax, crashWindowMs } = this.#options.plugin.isolation;
    const seconds = crashWindowMs / 1_000;
    logger.error(
      `plugin "${name}" failed ${crashesMax} times within ${seconds} s: cut off for ${seconds} s`,
    );
    this.#options.roles.vmEvents.cutOff(name);
  }

  #later(delayMs: number, run: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.roles.timers.after(delayMs, () => {
      this.#cancelTimer = null;
      run();
    });
  }

  #drop(vm: Vm | null): void {
    if (vm === null) return;
    if (vm.running) this.#options.roles.vmEvents.ended();
    vm.close();
  }
}
