/**
 * The listeners of one silo, and how a new configuration takes their place while they serve: first
 * everything that is new is made beside what runs, then one synchronous step switches over. Streams
 * keep the HttpManager (routes, plugins, logs) and the clusters that they began with; what nobody
 * uses any more is freed with its last stream. Thread: one silo, off the hot way.
 */
import { assert } from "../base/assert.ts";
import { Logger } from "../base/log.ts";
import type { ListenerConfig, PluginConfig, ServerPluginsConfig } from "../config/types.ts";
import type { ClusterChange } from "../upstream/types.ts";
import { type Singletons, serverPlugins, wasmPlugins } from "../vm/plugin-identity.ts";
import type { ChainManager } from "./downstream/chain-slot.ts";
import type { DownstreamListener } from "./downstream/types.ts";
import { HttpManager } from "./http-manager.ts";
import type { ConfigUpdate, ListenerSeat } from "./messages.ts";
import type { SiloServices } from "./services.ts";
import { TcpManager } from "./tcp/tcp-manager.ts";

const log = new Logger("main");

/** Makes the silo's end of a listener; it accepts when the promise is resolved. */
export type OpenListener = (
  seat: ListenerSeat,
  managers: readonly ChainManager[],
) => Promise<DownstreamListener>;

/** What a silo does with plugins of the server. */
export interface ServerSeat {
  readonly singletons: Singletons;
  /** They are in use from now on. */
  use(server: ServerPluginsConfig): void;
}

interface OpenSeat {
  readonly config: ListenerConfig;
  readonly listener: DownstreamListener;
}

interface Staged {
  readonly update: ConfigUpdate;
  readonly clusters: ClusterChange;
  /** Listeners that are new. */
  readonly opened: ReadonlyMap<number, OpenSeat>;
  /** Listeners that changed: their configuration, and what switches them over. */
  readonly changed: ReadonlyMap<number, { config: ListenerConfig; switchOver: () => void }>;
}

export class LiveConfig {
  readonly #services: SiloServices;
  readonly #openListener: OpenListener;
  readonly #server: ServerSeat;
  readonly #seats = new Map<number, OpenSeat>();
  /** Removed, with connections that are still open. */
  readonly #leaving = new Set<DownstreamListener>();
  #staged: Staged | null = null;

  constructor(services: SiloServices, openListener: OpenListener, server: ServerSeat) {
    this.#services = services;
    this.#openListener = openListener;
    this.#server = server;
  }

  /** The listeners, those that are being drained included. */
  get listeners(): readonly DownstreamListener[] {
    return [...[...this.#seats.values()].map(({ listener }) => listener), ...this.#leaving];
  }

  /** The listener of a seat; null when it has been removed. */
  listener(id: number): DownstreamListener | null {
    return this.#seats.get(id)?.listener ?? this.#staged?.opened.get(id)?.listener ?? null;
  }

  /** Opens one listener at the start. */
  async open(seat: ListenerSeat, config: ListenerConfig): Promise<void> {
    this.#seats.set(seat.id, await this.#make(seat, config));
  }

  /** As SiloControl. */
  async prepare(update: ConfigUpdate): Promise<readonly string[]> {
    this.abandon();
    const { plugins, clusters } = this.#services;
    const modules = new Map(update.modules.map(({ key, module }) => [key, module]));
    const wanted = wasmPlugins(update.listeners.map(({ config }) => config));
    const problems = plugins.stage([...wanted, ...this.#serverPlugins(update)], modules);
    if (problems.length > 0) {
      this.#dropUnusedPlugins();
      return problems;
    }
    let change: ClusterChange | null = null;
    const opened = new Map<number, OpenSeat>();
    const changed = new Map<number, { config: ListenerConfig; switchOver: () => void }>();
    try {
      change = clusters.stage(update.clusters);
      for (const { seat, config } of update.listeners) {
        const open = this.#seats.get(seat.id);
        if (open === undefined) opened.set(seat.id, await this.#make(seat, config));
        else changed.set(seat.id, { config, switchOver: this.#replacement(open, config) });
      }
      await change.ready;
    } catch (error) {
      change?.discard();
      for (const { listener } of opened.values()) listener.destroyAll();
      this.#dropUnusedPlugins();
      return [error instanceof Error ? error.message : String(error)];
    }
    this.#staged = { update, clusters: change, opened, changed };
    return [];
  }

  /** As SiloControl. */
  commit(): void {
    const staged = this.#staged;
    assert(staged !== null, "an update is prepared before it is committed");
    this.#staged = null;
    const { update } = staged;
    staged.clusters.commit(update.removedClusters);
    for (const [id, seat] of staged.opened) this.#seats.set(id, seat);
    for (const [id, { config, switchOver }] of staged.changed) {
      switchOver();
      const { listener } = this.#seats.get(id) as OpenSeat;
      this.#seats.set(id, { config, listener });
    }
    if (update.server !== null) {
      this.#services.plugins.replaceServerPlugins(this.#serverPlugins(update));
      this.#server.use(update.server);
    }
    for (const id of update.removedListeners) this.#remove(id, update.drainMs);
    this.#dropUnusedPlugins();
    log.debug(`configuration ${update.version} is in use`);
  }

  /** As SiloControl. */
  abandon(): void {
    const staged = this.#staged;
    if (staged === null) return;
    this.#staged = null;
    staged.clusters.discard();
    for (const { listener } of staged.opened.values()) listener.destroyAll();
    this.#dropUnusedPlugins();
  }

  /** As SiloControl. */
  drainListeners(ids: readonly number[]): void {
    for (const id of ids) this.#seats.get(id)?.listener.drain();
  }

  #serverPlugins({ server }: ConfigUpdate): readonly PluginConfig[] {
    return server === null ? [] : serverPlugins(server, this.#server.singletons);
  }

  #dropUnusedPlugins(): void {
    const configs = [...this.#seats.values()].map(({ config }) => config);
    this.#services.plugins.retain(wasmPlugins(configs));
    this.#services.accessLogs.retain(
      configs.flatMap(({ filterChains }) =>
        filterChains.flatMap((chain) =>
          chain.kind === "http" ? chain.http.accessLogs : chain.tcp.proxy.accessLogs,
        ),
      ),
    );
  }

  async #make(seat: ListenerSeat, config: ListenerConfig): Promise<OpenSeat> {
    return { config, listener: await this.#openListener(seat, this.#managers(config)) };
  }

  #replacement(open: OpenSeat, config: ListenerConfig): () => void {
    return open.listener.replacement(this.#managers(config));
  }

  #managers(config: ListenerConfig): ChainManager[] {
    return config.filterChains.map((chain) =>
      chain.kind === "http"
        ? new HttpManager(this.#services, config, chain)
        : new TcpManager(this.#services, config, chain),
    );
  }

  #remove(id: number, drainMs: number): void {
    const seat = this.#seats.get(id);
    if (seat === undefined) return;
    this.#seats.delete(id);
    const { listener } = seat;
    this.#leaving.add(listener);
    listener.drain();
    this.#services.clock.after(drainMs, () => {
      listener.destroyAll();
      this.#leaving.delete(listener);
    });
  }
}
