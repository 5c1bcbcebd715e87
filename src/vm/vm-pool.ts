/**
 * Several VMs of one plugin that has coroutines. A guest that waits keeps its VM busy, so new
 * streams begin in another one: an idle one, or one that is made for them, or, when there may be no
 * more, the one for which the fewest wait. Streams stay where they began. VMs beyond the least
 * number that nobody needs for a while are closed. Plugins with equal VM key share the VMs: each
 * has a root in the one where it could start, and in those where it had a stream. Source: ADR 56.
 * @hot per-request
 */
import { Logger } from "../base/log.ts";
import type { PluginConfig } from "../config/types.ts";
import type { QueueListener } from "../shm/queue-seat.ts";
import { FailureRecord } from "./failure-record.ts";
import type { VmReport } from "./report.ts";
import type { RootContext } from "./root-context.ts";
import { RootSlot } from "./slots.ts";
import type { Vm } from "./vm.ts";
import { nowMs, type SlotOptions, VmSlot } from "./vm-slot.ts";

const logger = new Logger("wasm");

/** A VM that did not start beside others that run is not tried again for so long. */
const GROWTH_RETRY_MS = 10_000;
/** How often idle VMs are looked for, at most. */
const SWEEP_MS_MIN = 250;
const SWEEPS_PER_IDLE_TIME = 4;

interface PoolRoot {
  readonly owner: PooledPlugin;
  readonly slot: RootSlot;
}

interface Member {
  readonly vmSlot: VmSlot;
  readonly roots: PoolRoot[];
  /** A stream began since the last sweep. */
  isUsed: boolean;
  idleSinceMs: number;
}

function isFree(vm: Vm | null): boolean {
  return vm?.running === true && !vm.suspended && vm.waitingCount === 0;
}

function streamsOf(member: Member): number {
  let streams = 0;
  for (const { slot } of member.roots) streams += slot.streamCount;
  return streams;
}

function hasRootOf(member: Member, plugin: PooledPlugin): boolean {
  return member.roots.some(({ owner }) => owner === plugin);
}

/** Whether some plugin lasts as long as this VM. */
function isHome(member: Member): boolean {
  return member.roots.some(({ owner, slot }) => owner.first === slot);
}

function isIdle(member: Member): boolean {
  return isFree(member.vmSlot.vm) && member.roots.every(({ slot }) => slot.isIdle);
}

export class VmPool {
  readonly #options: SlotOptions;
  readonly #record: FailureRecord;
  readonly #plugins = new Set<PooledPlugin>();
  /** In one of them, the first where it could, each plugin has a root as long as it lasts. */
  readonly #members: Member[] = [];
  #growthAtMs = Number.NEGATIVE_INFINITY;
  #cancelSweep: (() => void) | null = null;

  /** @param options of the plugin that asked first; its limits are those of the pool. */
  constructor(options: SlotOptions) {
    this.#options = options;
    this.#record = new FailureRecord(options.plugin);
  }

  get vmCount(): number {
    return this.#members.filter(({ vmSlot }) => vmSlot.vm?.running === true).length;
  }

  report(): readonly VmReport[] {
    const { vmPoolMax } = this.#options.plugin.isolation;
    return this.#members.flatMap(({ vmSlot }, index) => {
      const { vm } = vmSlot;
      const waiting = vm?.waitingCount ?? 0;
      const pool = { index, vmsMax: vmPoolMax, isSuspended: vm?.suspended === true, waiting };
      return vmSlot.report().map((report) => ({ ...report, pool }));
    });
  }

  /** Drops all VMs. */
  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
    for (const { vmSlot } of this.#members) vmSlot.close();
  }

  // --- from plugins -----------------------------------------------------------------------------

  join(plugin: PooledPlugin): RootSlot {
    this.#plugins.add(plugin);
    if (this.#members[0]?.vmSlot.vm?.running !== true) this.#record.forgetCrashes(plugin.config);
    return this.#slotIn(this.#home(), plugin);
  }

  /** Where a plugin can start: not in a VM that is busy; if all are, in one more. */
  #home(): Member {
    const able = this.#members.find(({ vmSlot }) => vmSlot.vm?.suspended !== true);
    return able ?? this.#addMember();
  }

  /** The plugin has ended; true when none is left. */
  release(plugin: PooledPlugin): boolean {
    this.#plugins.delete(plugin);
    return this.#plugins.size === 0;
  }

  /** Makes VMs up to the least number. */
  fill(plugin: PooledPlugin): void {
    while (this.#members.length < this.#leastCount() && this.#grow(plugin) !== null);
  }

  /** The root for a new stream; null: none runs, and none may be made now. */
  acquire(plugin: PooledPlugin): RootContext | null {
    const idle = this.#freest();
    if (idle !== null) return this.#rootIn(idle, plugin);
    const grown = this.#mayGrow() ? this.#grow(plugin) : null;
    if (grown !== null) return grown;
    const busy = this.#leastWaited(plugin);
    if (busy === null) return plugin.first.acquire();
    this.#options.roles.vmEvents.pooled("exhausted");
    return this.#rootIn(busy, plugin);
  }

  /** The root slots of `plugin`; `ended` runs when `end` has ended all of them. */
  endAll(
    plugin: PooledPlugin,
    end: (slot: RootSlot, ended: () => void) => void,
    ended: () => void,
  ): void {
    const found = this.#members.flatMap((member) => {
      const root = member.roots.find(({ owner }) => owner === plugin);
      return root === undefined ? [] : [{ member, root }];
    });
    let left = found.length;
    for (const { member, root } of found) {
      end(root.slot, () => {
        this.#rootEnded(member, root);
        left--;
        if (left === 0) ended();
      });
    }
  }

  // --- inside -----------------------------------------------------------------------------------

  /** The idle VM with the fewest streams. */
  #freest(): Member | null {
    let best: Member | null = null;
    let fewest = 0;
    for (const member of this.#members) {
      if (!isFree(member.vmSlot.vm)) continue;
      const streams = streamsOf(member);
      if (best !== null && streams >= fewest) continue;
      best = member;
      fewest = streams;
    }
    return best;
  }

  /** Of those where `plugin` has a root: a busy VM cannot start one. */
  #leastWaited(plugin: PooledPlugin): Member | null {
    let best: Member | null = null;
    let fewest = 0;
    for (const member of this.#members) {
      const { vm } = member.vmSlot;
      if (vm === null || !vm.running || !hasRootOf(member, plugin)) continue;
      const waiting = vm.waitingCount;
      if (best !== null && waiting >= fewest) continue;
      best = member;
      fewest = waiting;
    }
    return best;
  }

  /** Not in place of VMs that failed: when those are made anew is their slots' matter. */
  #mayGrow(): boolean {
    const { plugin, roles } = this.#options;
    if (this.#members.length >= plugin.isolation.vmPoolMax) return false;
    for (const { vmSlot } of this.#members) if (vmSlot.vm?.running !== true) return false;
    return nowMs(roles) >= this.#growthAtMs;
  }

  #grow(plugin: PooledPlugin): RootContext | null {
    const { roles } = this.#options;
    const member = this.#addMember();
    const root = this.#rootIn(member, plugin);
    if (root === null) {
      this.#members.pop();
      const { problem } = this.#slotIn(member, plugin);
      member.vmSlot.close();
      this.#growthAtMs = nowMs(roles) + GROWTH_RETRY_MS;
      logger.warn(`plugin "${plugin.config.name}": no further VM for its pool: ${problem}`);
      return null;
    }
    roles.vmEvents.pooled("created");
    this.#armSweep();
    return root;
  }

  #addMember(): Member {
    const isFirst = this.#members.length === 0;
    const vmSlot = new VmSlot(this.#options, {
      record: this.#record,
      hasStandby: isFirst && this.#options.plugin.isolation.hasStandby,
    });
    const member: Member = { vmSlot, roots: [], isUsed: true, idleSinceMs: 0 };
    this.#members.push(member);
    return member;
  }

  #rootIn(member: Member, plugin: PooledPlugin): RootContext | null {
    member.isUsed = true;
    return this.#slotIn(member, plugin).acquire();
  }

  #slotIn(member: Member, owner: PooledPlugin): RootSlot {
    for (const root of member.roots) if (root.owner === owner) return root.slot;
    const slot = new RootSlot(member.vmSlot, owner.options, owner);
    member.roots.push({ owner, slot });
    return slot;
  }

  #rootEnded(member: Member, root: PoolRoot): void {
    member.roots.splice(member.roots.indexOf(root), 1);
    if (!member.vmSlot.release(root.slot)) return;
    const index = this.#members.indexOf(member);
    if (index >= 0) this.#members.splice(index, 1);
    member.vmSlot.close();
  }

  #armSweep(): void {
    if (this.#cancelSweep !== null) return;
    const { plugin, roles } = this.#options;
    const delayMs = Math.max(SWEEP_MS_MIN, plugin.isolation.vmPoolIdleMs / SWEEPS_PER_IDLE_TIME);
    this.#cancelSweep = roles.timers.after(delayMs, () => {
      this.#cancelSweep = null;
      this.#sweep();
      if (this.#members.length > this.#leastCount()) this.#armSweep();
    });
  }

  #leastCount(): number {
    const { vmPoolMin, vmPoolMax } = this.#options.plugin.isolation;
    return Math.min(vmPoolMin, vmPoolMax);
  }

  /** Closes VMs that were idle for long, the last ones first. */
  #sweep(): void {
    const { plugin, roles } = this.#options;
    const now = nowMs(roles);
    for (let index = this.#members.length - 1; index >= this.#leastCount(); index--) {
      const member = this.#members[index];
      if (member === undefined) continue;
      if (member.isUsed || isHome(member) || !isIdle(member)) {
        member.isUsed = false;
        member.idleSinceMs = now;
      } else if (now - member.idleSinceMs >= plugin.isolation.vmPoolIdleMs) {
        this.#members.splice(index, 1);
        this.#retire(member);
      }
    }
  }

  #retire(member: Member): void {
    this.#options.roles.vmEvents.pooled("retired");
    for (const root of [...member.roots]) {
      // What it has cost is not forgotten: counters do not fall.
      root.owner.first.cost.absorb(root.slot.cost);
      root.slot.retire(() => this.#rootEnded(member, root));
    }
  }
}

/** A plugin in all VMs of its pool; what a `RootSlot` is to plugins with one VM. */
export class PooledPlugin implements QueueListener {
  readonly config: PluginConfig;
  readonly options: SlotOptions;
  /** In the VM that is always there. */
  readonly first: RootSlot;
  readonly #pool: VmPool;
  #isEnding = false;

  constructor(pool: VmPool, options: SlotOptions) {
    this.#pool = pool;
    this.config = options.plugin;
    this.options = options;
    this.first = pool.join(this);
  }

  /** Why {@link acquire} gave null. */
  get problem(): string {
    return this.first.problem;
  }

  acquire(): RootContext | null {
    return this.#isEnding ? this.first.acquire() : this.#pool.acquire(this);
  }

  acquireFirst(): RootContext | null {
    return this.first.acquire();
  }

  /** Starts as many VMs as there are at least; null when there is none. */
  start(): RootContext | null {
    const root = this.first.acquire();
    if (root !== null) this.#pool.fill(this);
    return root;
  }

  /** An item lies in a queue that a root of it registered: one VM is told. */
  onQueueReady(queue: number): void {
    this.acquire()?.onQueueReady(queue);
  }

  /** As `RootSlot.retire`, in all VMs. */
  retire(ended: () => void): void {
    this.#isEnding = true;
    this.#pool.endAll(this, (slot, done) => slot.retire(done), ended);
  }

  /** As `RootSlot.finish`, in all VMs. */
  finish(ended: () => void): void {
    this.#isEnding = true;
    this.#pool.endAll(this, (slot, done) => slot.finish(done), ended);
  }
}
