/**
 * The plugins of one thread: which VM and root each has, what streams get of them. The silo's door
 * to this folder. Thread: a silo's.
 */
import { systemClock } from "../base/clock.ts";
import { LIMITS } from "../base/limits.ts";
import type { PluginConfig } from "../config/types.ts";
import { PrivateSharedState } from "../shm/shared-state.ts";
import { HttpStreamContext } from "./contexts.ts";
import { FailedStreamContext } from "./failed-stream.ts";
import { FailedConnection, NetworkContext } from "./network-context.ts";
import { nullEngine } from "./null/null-engine.ts";
import { pluginIdentity, serverPlugins, vmSlotKey, wasmPlugins } from "./plugin-identity.ts";
import type { VmReport } from "./report.ts";
import type { StreamRoles, ThreadRoles } from "./roles.ts";
import { shadowRoles } from "./shadow-roles.ts";
import { RootSlot } from "./slots.ts";
import type {
  ConnectionContext,
  CreatePluginHost,
  Plugin,
  PluginHost,
  PluginModules,
  StreamContext,
} from "./types.ts";
import { v8Engine } from "./v8-engine.ts";
import { type SlotOptions, VmSlot } from "./vm-slot.ts";

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

  createConnection(roles: StreamRoles): ConnectionContext | null {
    const root = this.#slot.acquire();
    if (root !== null) return new NetworkContext(new HttpStreamContext(root, this.config, roles));
    return this.config.failurePolicy === "open" ? null : new FailedConnection(roles);
  }

  log(roles: StreamRoles): void {
    this.#slot.acquire()?.logStream(roles);
  }

  statsUpdate(stats: Uint8Array): void {
    this.#slot.acquire()?.statsUpdate(stats);
  }

  /** Starts it; returns why it cannot, or null. */
  start(): string | null {
    return this.#slot.acquire() === null ? this.#slot.problem : null;
  }
}

type Program = Omit<Parameters<CreatePluginHost>[0], "roles">;

class ThreadPluginHost implements PluginHost {
  readonly #roles: ThreadRoles;
  /** Plugins of the server: they run until it ends. */
  readonly #fixed: readonly PluginConfig[];
  /** What `start` starts. */
  #first: readonly PluginConfig[];
  readonly #vms = new Map<string, VmSlot>();
  readonly #roots = new Map<string, { readonly slot: RootSlot; readonly vmKey: string }>();
  readonly #plugins = new Map<PluginConfig, HostedPlugin>();
  #modules: PluginModules;
  /** Made for the first shadow. */
  #shadowRoles: ThreadRoles | null = null;
  #shadowCallouts = 0;

  constructor(roles: ThreadRoles, { config, modules, singletons }: Program) {
    this.#roles = roles;
    this.#fixed = serverPlugins(config, singletons);
    this.#first = [...wasmPlugins(config.listeners), ...this.#fixed];
    this.#modules = modules;
  }

  get vmCount(): number {
    let count = 0;
    for (const slot of this.#vms.values()) if (slot.vm?.running === true) count++;
    return count;
  }

  get shadowCallouts(): number {
    return this.#shadowCallouts;
  }

  report(): readonly VmReport[] {
    return [...this.#vms.values()].map((slot) => slot.report());
  }

  start(): readonly string[] {
    const first = this.#first;
    // What is replaced later is not kept from here.
    this.#first = [];
    return this.#start(first);
  }

  stage(plugins: readonly PluginConfig[], modules: PluginModules): readonly string[] {
    this.#modules = new Map([...this.#modules, ...modules]);
    // A root that runs, or failed and waits for its reload, is no matter of the new configuration.
    return this.#start(plugins.filter((config) => !this.#roots.has(pluginIdentity(config))));
  }

  retain(listenerPlugins: readonly PluginConfig[]): void {
    const plugins = [...listenerPlugins, ...this.#fixed];
    const kept = new Set(plugins);
    const keptRoots = new Set(plugins.map(pluginIdentity));
    const keptCode = new Set(plugins.map((config) => config.vm.codeKey));
    for (const config of this.#plugins.keys()) if (!kept.has(config)) this.#plugins.delete(config);
    for (const key of [...this.#roots.keys()]) if (!keptRoots.has(key)) this.#retire(key);
    this.#modules = new Map([...this.#modules].filter(([key]) => keptCode.has(key)));
  }

  plugin(config: PluginConfig): Plugin {
    return this.#plugins.get(config) ?? this.#add(config);
  }

  stop(graceMs: number, ended: () => void = () => undefined): void {
    let left = this.#roots.size;
    let isClosed = false;
    const close = (): void => {
      if (isClosed) return;
      isClosed = true;
      this.#close();
      ended();
    };
    const rootEnded = (): void => {
      left--;
      if (left === 0) close();
    };
    for (const { slot } of this.#roots.values()) slot.finish(rootEnded);
    if (left === 0) close();
    else this.#roles.timers.after(graceMs, close);
  }

  #close(): void {
    for (const slot of this.#vms.values()) slot.close();
  }

  #start(plugins: readonly PluginConfig[]): readonly string[] {
    const problems: string[] = [];
    for (const config of plugins) {
      if (this.#plugins.has(config)) continue;
      const problem = this.#add(config).start();
      if (problem !== null) problems.push(`plugin "${config.name}": ${problem}`);
    }
    return problems;
  }

  /** The slot takes no new stream; its VM closes with its last root. */
  #retire(rootKey: string): void {
    const root = this.#roots.get(rootKey);
    if (root === undefined) return;
    this.#roots.delete(rootKey);
    const { vmKey, slot } = root;
    const vmSlot = this.#vms.get(vmKey);
    slot.retire(() => {
      if (vmSlot === undefined || !vmSlot.release(slot)) return;
      this.#vms.delete(vmKey);
      vmSlot.close();
    });
  }

  #rolesOf({ mode }: PluginConfig): ThreadRoles {
    const roles = this.#roles;
    if (mode === "live") return roles;
    if (this.#shadowRoles === null) {
      const shared = new PrivateSharedState(systemClock, LIMITS.shadowSharedBytes);
      this.#shadowRoles = shadowRoles(roles, shared, () => {
        this.#shadowCallouts++;
      });
    }
    return this.#shadowRoles;
  }

  #add(config: PluginConfig): HostedPlugin {
    const roles = this.#rolesOf(config);
    const code = this.#modules.get(config.vm.codeKey) ?? null;
    const engine = code !== null && "text" in code ? nullEngine : v8Engine;
    const options: SlotOptions = { engine, roles, code, plugin: config };
    const vmKey = vmSlotKey(config);
    const vmSlot = this.#vms.get(vmKey) ?? new VmSlot(options);
    this.#vms.set(vmKey, vmSlot);
    const rootKey = pluginIdentity(config);
    const root = this.#roots.get(rootKey) ?? { slot: new RootSlot(vmSlot, options), vmKey };
    this.#roots.set(rootKey, root);
    const plugin = new HostedPlugin(config, root.slot);
    this.#plugins.set(config, plugin);
    return plugin;
  }
}

/** The plugin host of a thread. */
export const createPluginHost: CreatePluginHost = ({ roles, ...program }) =>
  new ThreadPluginHost(roles, program);
