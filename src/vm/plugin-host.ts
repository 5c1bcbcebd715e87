/**
 * The plugins of one thread: which VM and root each has, what streams get of them. The silo's door
 * to this folder. Thread: a silo's.
 */
import type { GranaryConfig, PluginConfig } from "../config/types.ts";
import { HttpStreamContext } from "./contexts.ts";
import type { VmEngine } from "./engine.ts";
import { FailedStreamContext } from "./failed-stream.ts";
import type { StreamRoles, ThreadRoles } from "./roles.ts";
import { RootSlot, type SlotOptions, VmSlot, vmSlotKey } from "./slots.ts";
import type { CreatePluginHost, Plugin, PluginHost, StreamContext } from "./types.ts";
import { v8Engine } from "./v8-engine.ts";

class HostedPlugin implements Plugin {
  readonly config: PluginConfig;
  readonly #slot: RootSlot;

  constructor(config: PluginConfig, slot: RootSlot) {
    this.config = config;
    this.#slot = slot;
  }

  createStream(roles: StreamRoles): StreamContext | null {
    const root = this.#slot.acquire();
    if (root !== null) return new HttpStreamContext(root, this.config, roles);
    return this.config.failurePolicy === "open" ? null : new FailedStreamContext(roles);
  }

  /** Starts it; returns why it cannot, or null. */
  start(): string | null {
    return this.#slot.acquire() === null ? this.#slot.problem : null;
  }
}

/** The plugins of every wasm filter of `config`, in the order of the listeners. */
function wasmPlugins(config: GranaryConfig): PluginConfig[] {
  return config.listeners.flatMap((listener) =>
    listener.filterChain.http.httpFilters.flatMap((filter) =>
      filter.kind === "wasm" ? [filter.plugin] : [],
    ),
  );
}

interface HostOptions {
  readonly config: GranaryConfig;
  readonly modules: ReadonlyMap<string, WebAssembly.Module>;
  readonly roles: ThreadRoles;
  readonly engine: VmEngine;
}

class ThreadPluginHost implements PluginHost {
  readonly #options: HostOptions;
  readonly #vms = new Map<string, VmSlot>();
  readonly #roots = new Map<string, RootSlot>();
  readonly #plugins = new Map<PluginConfig, HostedPlugin>();

  constructor(options: HostOptions) {
    this.#options = options;
  }

  get vmCount(): number {
    let count = 0;
    for (const slot of this.#vms.values()) if (slot.vm?.running === true) count++;
    return count;
  }

  start(): readonly string[] {
    const problems: string[] = [];
    for (const config of wasmPlugins(this.#options.config)) {
      if (this.#plugins.has(config)) continue;
      const problem = this.#add(config).start();
      if (problem !== null) problems.push(`plugin "${config.name}": ${problem}`);
    }
    return problems;
  }

  plugin(config: PluginConfig): Plugin {
    return this.#plugins.get(config) ?? this.#add(config);
  }

  stop(graceMs: number): void {
    let left = this.#roots.size;
    const ended = (): void => {
      left--;
      if (left === 0) this.#close();
    };
    for (const slot of this.#roots.values()) slot.finish(ended);
    if (left > 0) this.#options.roles.timers.after(graceMs, () => this.#close());
  }

  #close(): void {
    for (const slot of this.#vms.values()) slot.close();
  }

  #add(config: PluginConfig): HostedPlugin {
    const { engine, roles, modules } = this.#options;
    const code = modules.get(config.vm.codeSha256) ?? null;
    const options: SlotOptions = { engine, roles, code, plugin: config };
    const vmKey = vmSlotKey(config);
    const vmSlot = this.#vms.get(vmKey) ?? new VmSlot(options);
    this.#vms.set(vmKey, vmSlot);
    const rootKey = `${vmKey} ${config.pluginKey}`;
    const rootSlot = this.#roots.get(rootKey) ?? new RootSlot(vmSlot, options);
    this.#roots.set(rootKey, rootSlot);
    const plugin = new HostedPlugin(config, rootSlot);
    this.#plugins.set(config, plugin);
    return plugin;
  }
}

/** The plugin host of a thread, over the engine built into Node. */
export const createPluginHost: CreatePluginHost = (options) =>
  new ThreadPluginHost({ ...options, engine: v8Engine });
