/**
 * Where the VMs and roots of a thread live over their failures: a slot keeps its key and makes its
 * content anew when it died, no sooner than the backoff allows. A VM slot is shared by the plugins
 * with equal VM key, a root slot by those with equal plugin key in it. Source: ABI 5.1, 5.2, 5.8.
 */
import { Logger } from "../base/log.ts";
import type { PluginConfig } from "../config/types.ts";
import type { VmEngine } from "./engine.ts";
import { ReloadBackoff } from "./failure.ts";
import type { ThreadRoles } from "./roles.ts";
import { RootContext } from "./root-context.ts";
import { Vm } from "./vm.ts";

const logger = new Logger("wasm");

/** A replaced plugin that answered false to proxy_on_done has this long for proxy_done. */
const DONE_GRACE_MS = 10_000;

export interface SlotOptions {
  readonly engine: VmEngine;
  readonly roles: ThreadRoles;
  readonly code: WebAssembly.Module | null;
  /** The plugin that asked first; its VM configuration is that of all. */
  readonly plugin: PluginConfig;
}

function nowMs(roles: ThreadRoles): number {
  return Number(roles.timers.monotonicNs() / 1_000_000n);
}

export class VmSlot {
  readonly #options: SlotOptions;
  #backoff: ReloadBackoff;
  #vm: Vm | null = null;
  #problem = "not started";
  /** A VM that never ran is not tried again: its module or configuration is wrong. */
  #mayRun = true;
  #rootCount = 0;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#backoff = new ReloadBackoff(options.plugin.reloadBaseIntervalMs);
  }

  /** Why {@link acquire} gave null. */
  get problem(): string {
    return this.#problem;
  }

  /** A root slot is made over this VM: a new plugin does not wait for a failed VM's backoff. */
  lease(): void {
    this.#rootCount++;
    if (this.#vm?.running === true) return;
    this.#backoff = new ReloadBackoff(this.#options.plugin.reloadBaseIntervalMs);
    this.#mayRun = true;
  }

  /** A root slot has ended; true when none is left. */
  release(): boolean {
    this.#rootCount--;
    return this.#rootCount === 0;
  }

  /** The VM, whether or not it still runs. */
  get vm(): Vm | null {
    return this.#vm;
  }

  /** The VM if it runs, or a new one if it may be made now; else null. */
  acquire(): Vm | null {
    if (this.#vm?.running === true) return this.#vm;
    const { engine, roles, code, plugin } = this.#options;
    if (!this.#mayRun || !this.#backoff.mayLoad(nowMs(roles))) return null;
    this.#backoff.loaded(nowMs(roles));
    const ranBefore = this.#vm !== null;
    const allowed = plugin.allowedCapabilities;
    const vm = new Vm({
      engine,
      config: plugin.vm,
      roles,
      allowed: allowed === null ? null : new Set(allowed),
      isolation: plugin.isolation,
    });
    const problem = code === null ? "its module is not loaded" : vm.start(code);
    if (problem !== null) {
      this.#problem = problem;
      this.#mayRun = ranBefore;
      if (ranBefore) logger.error(`vm ${plugin.vm.vmKey} cannot be made anew: ${problem}`);
      return null;
    }
    if (ranBefore) logger.warn(`vm ${plugin.vm.vmKey} failed and was made anew`);
    this.#vm = vm;
    return vm;
  }

  /** Drops the VM; there will be no other. */
  close(): void {
    this.#mayRun = false;
    this.#vm?.close();
    this.#vm = null;
  }
}

export class RootSlot {
  readonly #vmSlot: VmSlot;
  readonly #plugin: PluginConfig;
  readonly #roles: ThreadRoles;
  readonly #backoff: ReloadBackoff;
  #root: RootContext | null = null;
  #problem = "not started";
  /** A root that was refused on its first start is not tried again. */
  #mayRun = true;

  constructor(vmSlot: VmSlot, options: SlotOptions) {
    vmSlot.lease();
    this.#vmSlot = vmSlot;
    this.#plugin = options.plugin;
    this.#roles = options.roles;
    this.#backoff = new ReloadBackoff(options.plugin.reloadBaseIntervalMs);
  }

  /** Why {@link acquire} gave null. */
  get problem(): string {
    return this.#problem;
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
    const root = new RootContext(vm, this.#plugin);
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

  /** A root whose VM another plugin has replaced starts at once; one that was refused waits. */
  #isDue(): boolean {
    const vm = this.#vmSlot.vm;
    const isReplaced = vm?.running === true && this.#root !== null && this.#root.vm !== vm;
    return isReplaced || this.#backoff.mayLoad(nowMs(this.#roles));
  }
}
