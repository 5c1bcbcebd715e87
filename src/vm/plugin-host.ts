/**
 * The plugins of one thread: which VM and root each has, what streams get of them. The silo's door
 * to this folder. Thread: a silo's.
 */
import { systemClock } from "../base/clock.ts";
import { LIMITS } from "../base/limits.ts";
import type { PluginConfig } from "../config/types.ts";
import { Quota } from "../shm/quota.ts";
import { PrivateSharedState } from "../shm/shared-state.ts";
import { HttpStreamContext } from "./contexts.ts";
import { FailedStreamContext } from "./failed-stream.ts";
import { hasTotal } from "./memory-account.ts";
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
import { PooledPlugin, VmPool } from "./vm-pool.ts";
import { type SlotOptions, VmSlot } from "./vm-slot.ts";

/** The root of a plugin in its one VM, or its roots in a pool of them. */
type PluginRoots = RootSlot | PooledPlugin;

interface PluginHome {
  readonly roots: PluginRoots;
  readonly vms: VmSlot | VmPool;
  readonly vmKey: string;
  /** The roots have ended; true when the VMs have no others. */
  readonly leave: () => boolean;
}

class HostedPlugin implements Plugin {
  readonly config: PluginConfig;
  readonly #roots: PluginRoots;

  constructor(config: PluginConfig, roots: PluginRoots) {
    this.config = config;
    this.#roots = roots;
  }

  createStream(roles: StreamRoles): StreamContext | null {
    const root = this.#roots.acquire();
    if (root !== null) return new HttpStreamContext(root, this.config, roles);
    return this.config.failurePolicy === "open" ? null : new FailedStreamContext(roles);
  }

  createConnection(roles: StreamRoles): ConnectionContext | null {
    const root = this.#roots.acquire();
    if (root !== null) return new NetworkContext(new HttpStreamContext(root, this.config, roles));
    return this.config.failurePolicy === "open" ? null : new FailedConnection(roles);
  }

  log(roles: StreamRoles): void {
    this.#roots.acquire()?.logStream(roles);
  }

  statsUpdate(stats: Uint8Array): void {
    this.#roots.acquireFirst()?.statsUpdate(stats);
  }

  /** Starts it; returns why it cannot, or null. */
  start(): string | null {
    return this.#roots.start() === null ? this.#roots.problem : null;
  }
}

type Program = Omit<Parameters<CreatePluginHost>[0], "roles">;

class ThreadPluginHost implements PluginHost {
  readonly #roles: ThreadRoles;
  /** Plugins of the server: they run whatever listeners have. */
  #ofServer: readonly PluginConfig[];
  /** What `start` starts. */
  #first: readonly PluginConfig[];
  readonly #vms = new Map<string, VmSlot | VmPool>();
  readonly #homes = new Map<string, PluginHome>();
  readonly #plugins = new Map<PluginConfig, HostedPlugin>();
  #modules: PluginModules;
  /** Made for the first shadow. */
  #shadowRoles: ThreadRoles | null = null;
  #shadowCallouts = 0;
  /** -1: totals are not counted. */
  readonly #seat: number;

  constructor(roles: ThreadRoles, { config, modules, singletons, seat = -1 }: Program) {
    this.#roles = roles;
    this.#seat = seat;
    this.#ofServer = serverPlugins(config, singletons);
    this.#first = [...wasmPlugins(config.listeners), ...this.#ofServer];
    this.#modules = modules;
  }

  get vmCount(): number {
    let count = 0;
    for (const vms of this.#vms.values()) count += vms.vmCount;
    return count;
  }

  get shadowCallouts(): number {
    return this.#shadowCallouts;
  }

  report(): readonly VmReport[] {
    return [...this.#vms.values()].flatMap((vms) => vms.report());
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
    return this.#start(plugins.filter((config) => !this.#homes.has(pluginIdentity(config))));
  }

  replaceServerPlugins(plugins: readonly PluginConfig[]): void {
    this.#ofServer = plugins;
  }

  retain(listenerPlugins: readonly PluginConfig[]): void {
    const plugins = [...listenerPlugins, ...this.#ofServer];
    const kept = new Set(plugins);
    const keptRoots = new Set(plugins.map(pluginIdentity));
    const keptCode = new Set(plugins.map((config) => config.vm.codeKey));
    for (const config of this.#plugins.keys()) if (!kept.has(config)) this.#plugins.delete(config);
    for (const key of [...this.#homes.keys()]) if (!keptRoots.has(key)) this.#retire(key);
    this.#modules = new Map([...this.#modules].filter(([key]) => keptCode.has(key)));
  }

  plugin(config: PluginConfig): Plugin {
    return this.#plugins.get(config) ?? this.#add(config);
  }

  stop(graceMs: number, ended: () => void = () => undefined): void {
    let left = this.#homes.size;
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
    for (const { roots } of this.#homes.values()) roots.finish(rootEnded);
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
    const home = this.#homes.get(rootKey);
    if (home === undefined) return;
    this.#homes.delete(rootKey);
    home.roots.retire(() => {
      if (!home.leave()) return;
      this.#vms.delete(home.vmKey);
      home.vms.close();
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
    const given = this.#modules.get(config.vm.codeKey) ?? null;
    const limited = given !== null && hasTotal(given) ? given : null;
    const code = limited?.module ?? given;
    const seat = this.#seat;
    const total = limited === null || seat < 0 ? null : { quota: new Quota(limited.quota), seat };
    const engine = code !== null && "text" in code ? nullEngine : v8Engine;
    const options: SlotOptions = { engine, roles, code, total, plugin: config };
    const rootKey = pluginIdentity(config);
    const home = this.#homes.get(rootKey) ?? this.#house(options);
    this.#homes.set(rootKey, home);
    const plugin = new HostedPlugin(config, home.roots);
    this.#plugins.set(config, plugin);
    return plugin;
  }

  #house(options: SlotOptions): PluginHome {
    const vmKey = vmSlotKey(options.plugin);
    const known = this.#vms.get(vmKey);
    if (options.plugin.vm.coroutines) {
      const vms = known instanceof VmPool ? known : new VmPool(options);
      this.#vms.set(vmKey, vms);
      const roots = new PooledPlugin(vms, options);
      return { roots, vms, vmKey, leave: () => vms.release(roots) };
    }
    const vms = known instanceof VmSlot ? known : new VmSlot(options);
    this.#vms.set(vmKey, vms);
    const roots = new RootSlot(vms, options);
    return { roots, vms, vmKey, leave: () => vms.release(roots) };
  }
}

/** The plugin host of a thread. */
export const createPluginHost: CreatePluginHost = ({ roles, ...program }) =>
  new ThreadPluginHost(roles, program);
