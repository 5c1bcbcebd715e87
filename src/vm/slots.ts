/**
 * Where the root of a plugin lives over the failures of its VM: made anew in the next VM. Shared by
 * the plugins with equal plugin key in one VM. Source: ABI 5.1, 5.2, 5.8.
 */
import { Logger } from "../base/log.ts";
import type { PluginConfig } from "../config/types.ts";
import type { QueueListener } from "../shm/queue-seat.ts";
import { CallCost } from "./call-cost.ts";
import { ReloadBackoff } from "./failure.ts";
import type { PluginReport } from "./report.ts";
import type { ThreadRoles } from "./roles.ts";
import { RootContext } from "./root-context.ts";
import type { Vm } from "./vm.ts";
import { nowMs, type SlotOptions, type SlotTenant, type VmSlot } from "./vm-slot.ts";

const logger = new Logger("wasm");

/** A replaced plugin that answered false to proxy_on_done has this long for proxy_done. */
const DONE_GRACE_MS = 10_000;

export class RootSlot implements SlotTenant {
  readonly #vmSlot: VmSlot;
  readonly #plugin: PluginConfig;
  readonly #roles: ThreadRoles;
  readonly #backoff: ReloadBackoff;
  /** Who hears of queues that its root registers; null = the root. */
  readonly #listener: QueueListener | null;
  readonly cost = new CallCost();
  #root: RootContext | null = null;
  /** Where it was started, or tried to be, last. */
  #triedVm: Vm | null = null;
  #problem = "not started";
  /** A root that was refused on its first start is not tried again. */
  #mayRun = true;

  constructor(vmSlot: VmSlot, options: SlotOptions, listener: QueueListener | null = null) {
    this.#listener = listener;
    this.#vmSlot = vmSlot;
    this.#plugin = options.plugin;
    this.#roles = options.roles;
    this.#backoff = new ReloadBackoff(options.plugin.reloadBaseIntervalMs);
    vmSlot.lease(this);
  }

  /** Why {@link acquire} gave null. */
  get problem(): string {
    return this.#problem;
  }

  /** Streams that its root has now. */
  get streamCount(): number {
    return this.#root?.streamCount ?? 0;
  }

  /** Nothing is under way that its root began. */
  get isIdle(): boolean {
    const root = this.#root;
    return root === null || (root.streamCount === 0 && root.calloutCount === 0);
  }

  /** {@link acquire}, of the root that is always there. */
  acquireFirst(): RootContext | null {
    return this.acquire();
  }

  start(): RootContext | null {
    return this.acquire();
  }

  /** The root if streams can use it, or a new one if it may be made now; else null. */
  acquire(): RootContext | null {
    if (this.#root?.usable === true) return this.#root;
    if (!this.#mayRun || !this.#isDue()) return null;
    const vm = this.#vmSlot.acquire();
    if (vm === null) {
      this.#problem = this.#vmSlot.problem;
      return null;
    }
    this.#backoff.loaded(nowMs(this.#roles));
    this.#triedVm = vm;
    const root = new RootContext(vm, this.#plugin, this.cost);
    if (this.#listener !== null) root.queueListener = this.#listener;
    const problem = root.start();
    if (problem !== null) {
      this.#problem = problem;
      this.#mayRun = this.#root !== null;
      if (this.#mayRun) logger.error(`plugin "${this.#plugin.name}" cannot restart: ${problem}`);
      return null;
    }
    this.#root = root;
    return root;
  }

  revive(): void {
    if (this.#root !== null) this.acquire();
  }

  report(): PluginReport {
    const { name, rootId, failurePolicy } = this.#plugin;
    return {
      name,
      rootId,
      failurePolicy,
      isServing: this.#root?.usable === true,
      streams: this.streamCount,
      calls: this.cost.calls,
      timeMs: this.cost.timeMs,
      callbacks: this.cost.byCallback(),
      hostcalls: this.cost.byHostcall(),
    };
  }

  /** As {@link finish}, but after the last stream; a guest that is never done is not waited for. */
  retire(ended: () => void): void {
    this.#mayRun = false;
    const root = this.#root;
    if (root === null) {
      ended();
      return;
    }
    root.whenIdle(() => {
      let cancel = (): void => undefined;
      this.finish(() => {
        cancel();
        // Whoever still holds the slot does not keep the memory.
        this.#root = null;
        this.#triedVm = null;
        ended();
      });
      if (root.isDraining) cancel = this.#roles.timers.after(DONE_GRACE_MS, () => root.delete());
    });
  }

  /** Ends the root; there will be no other. `ended` runs once, when the root is gone. */
  finish(ended: () => void): void {
    this.#mayRun = false;
    if (this.#root === null) ended();
    else this.#root.finish(ended);
  }

  /** When a VM is made is the VM slot's matter; a root that was refused by a live one waits. */
  #isDue(): boolean {
    const { vm } = this.#vmSlot;
    if (vm?.running !== true || vm !== this.#triedVm) return true;
    return this.#backoff.mayLoad(nowMs(this.#roles));
  }
}
