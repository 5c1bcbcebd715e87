/**
 * Composition root of one silo: the worker thread that owns its connections, VMs and upstream
 * connections. Started by main with a SiloBoot; serves until it is stopped or an assertion ends it.
 */
import { parentPort, workerData } from "node:worker_threads";
import { present } from "../base/assert.ts";
import { systemClock, type Timer } from "../base/clock.ts";
import { exposeOn } from "../base/comlink.ts";
import { Logger, setComponentLogLevel, setLogFormat, setLogLevel } from "../base/log.ts";
import { loadNative } from "../base/native.ts";
import type { ServerPluginsConfig } from "../config/types.ts";
import { MetricSnapshots } from "../metrics/snapshot.ts";
import { BodySlab } from "../shm/body-slab.ts";
import { attachHeartbeat, HEARTBEAT_WORDS } from "../shm/heartbeat-layout.ts";
import { createServices, singletonsOf } from "./create-services.ts";
import { type ChainManager, httpManager } from "./downstream/chain-slot.ts";
import { SiloListener } from "./downstream/listener.ts";
import type { DownstreamListener } from "./downstream/types.ts";
import { UwsListener } from "./downstream/uws.ts";
import { loadUws, type UwsLibrary } from "./downstream/uws-library.ts";
import { LiveConfig } from "./live-config.ts";
import type {
  ConfigUpdate,
  FromSilo,
  ListenerSeat,
  RESERVE,
  SiloBoot,
  SiloControl,
  ToSilo,
} from "./messages.ts";
import { StatsFeed } from "./stats-feed.ts";

const HEARTBEAT_MS = 500;
const STOP_POLL_MS = 20;
/** How long plugins that are not done when the silo stops may go on (ABI 2.9). */
const PLUGIN_GRACE_MS = 5_000;

const port = present(parentPort, "the silo's parent port");
const boot = await bootData();
const log = new Logger("main");
const loaded = loadNative();
const native = loaded.kind === "loaded" ? loaded.bindings : null;
const send = (message: FromSilo): void => port.postMessage(message);

/** A thread in reserve has loaded all of its code when it comes here to wait. */
function bootData(): Promise<SiloBoot> {
  const given = workerData as SiloBoot | typeof RESERVE;
  if (!("isReserve" in given)) return Promise.resolve(given);
  return new Promise((resolve) => port.once("message", resolve));
}

/** @param beside runs with each beat */
function startHeartbeat(beside: () => void): void {
  const beat = attachHeartbeat(boot.heartbeat);
  const again = (): void => {
    beside();
    // Read by the supervisor, which only looks for change.
    Atomics.add(beat, HEARTBEAT_WORDS.pulse, 1);
    systemClock.after(HEARTBEAT_MS, again);
  };
  again();
}

/** The guard comes before the library: it closes what uWS leaves open if this thread is killed. */
async function openUws(): Promise<UwsLibrary> {
  native?.armLoopGuard();
  const load = await loadUws();
  if (load.kind === "absent") throw new Error(load.reason);
  return load.library;
}

class Silo implements SiloControl {
  readonly #slab = new BodySlab(boot.bodySlab);
  readonly #services = createServices(boot, this.#slab);
  readonly #live = new LiveConfig(this.#services, (seat, managers) => this.#open(seat, managers), {
    singletons: singletonsOf(boot.index),
    use: (server) => this.#feedStatSinks(server),
  });
  #stats: StatsFeed | null = null;
  #nextFlush: Timer | null = null;
  #uws: UwsLibrary | null = null;

  async start(): Promise<void> {
    const failures = this.#services.plugins.start();
    this.#services.shared.queues.listen();
    for (const [index, config] of boot.config.listeners.entries()) {
      await this.#live.open(present(boot.seats[index], "the listener's seat"), config);
    }
    this.setDrainClose(boot.drainCloseMs);
    const words = attachHeartbeat(boot.heartbeat);
    port.on("message", (message: ToSilo) => {
      // Counted before it is touched: main gives uncounted descriptors of a dead silo to another.
      Atomics.add(words, HEARTBEAT_WORDS.adopted, 1);
      const listener = this.#live.listener(message.listener);
      if (listener === null) {
        this.#refuse(message);
        return;
      }
      listener.accept({ fd: message.fd });
    });
    exposeOn(boot.controlPort, this);
    this.#feedStatSinks(boot.config);
    startHeartbeat(this.#tellCosts);
    // A cluster whose names are not resolved yet would refuse the first requests.
    await this.#services.clusters.ready;
    if (failures.length > 0) log.warn(`silo ${boot.index}: ${failures.length} plugin(s) failed`);
    send({ kind: "ready", failures });
  }

  async #open(seat: ListenerSeat, managers: readonly ChainManager[]): Promise<DownstreamListener> {
    const { id, port } = seat;
    const closed = (): void => send({ kind: "connectionClosed", listener: id });
    if (seat.transport === "uws") {
      this.#uws ??= await openUws();
      const socketEnds = (fd: number): string => native?.socketEnds(fd) ?? "";
      const capReceiveBuffer = (fd: number, bytes: number): void => {
        native?.capReceiveBuffer(fd, bytes);
      };
      const gate = { closed, socketEnds, capReceiveBuffer, slab: this.#slab };
      const listener = new UwsListener(httpManager(managers[0]), this.#uws, gate);
      if (boot.dispatch !== "fd") await listener.listen(port);
      return listener;
    }
    const listener = new SiloListener(managers, this.#slab, closed);
    if (boot.dispatch !== "fd") {
      await listener.listen({ port, reusePort: boot.dispatch === "reusePort" });
    }
    return listener;
  }

  readonly #tellCosts = (): void => {
    const { plugins, costs, vmEvents } = this.#services;
    const vms = plugins.report();
    costs.update(vms);
    vmEvents.update(vms);
  };

  #feedStatSinks({ statSinks, statsFlushMs }: ServerPluginsConfig): void {
    if (singletonsOf(boot.index) === "elsewhere") return;
    const plugins = statSinks.map((config) => this.#services.plugins.plugin(config));
    this.#nextFlush?.cancel();
    this.#nextFlush = null;
    this.#stats?.use(plugins);
    if (plugins.length === 0) return;
    const feed = this.#stats ?? new StatsFeed(new MetricSnapshots(boot.metricRegions), plugins);
    this.#stats = feed;
    const again = (): void => {
      feed.flush();
      this.#nextFlush = systemClock.after(statsFlushMs, again);
    };
    this.#nextFlush = systemClock.after(statsFlushMs, again);
  }

  /** The listener was removed while the descriptor was on its way. */
  #refuse({ listener, fd }: ToSilo): void {
    native?.closeFd(fd);
    send({ kind: "connectionClosed", listener });
  }

  prepare(update: ConfigUpdate): Promise<readonly string[]> {
    return this.#live.prepare(update);
  }

  commit(): void {
    // Stats go with plugins that were seen: also with those that lived for less than a heartbeat.
    this.#tellCosts();
    this.#live.commit();
  }

  abandon(): void {
    this.#live.abandon();
  }

  drain(): void {
    this.#services.draining = true;
    for (const listener of this.#live.listeners) listener.drain();
  }

  drainListeners(ids: readonly number[]): void {
    this.#live.drainListeners(ids);
  }

  setDrainClose(spanMs: number | null): void {
    const { drainClose } = this.#services;
    if (spanMs === null) drainClose.forget();
    else drainClose.ask(spanMs);
  }

  async stop(graceMs: number): Promise<number> {
    this.drain();
    const deadline = systemClock.monotonicMs() + graceMs;
    while (this.#openConnections() > 0 && systemClock.monotonicMs() < deadline) {
      await new Promise<void>((resolve) => systemClock.after(STOP_POLL_MS, resolve));
    }
    const cut = this.#openConnections();
    for (const listener of this.#live.listeners) listener.destroyAll();
    this.#services.shared.queues.close();
    const left = Math.max(0, Math.min(PLUGIN_GRACE_MS, deadline - systemClock.monotonicMs()));
    await new Promise<void>((resolve) => this.#services.plugins.stop(left, resolve));
    this.#services.clusters.close();
    this.#services.accessLogs.flush();
    this.#services.wheel.close();
    return cut;
  }

  #openConnections(): number {
    return this.#live.listeners.reduce((sum, listener) => sum + listener.connectionCount, 0);
  }

  setLogLevel = setLogLevel;
  setComponentLogLevel = setComponentLogLevel;

  clusters() {
    return this.#services.clusters.all().map((cluster) => ({
      name: cluster.config.name,
      endpoints: cluster.describe().map((row) => ({
        address: row.endpoint.address,
        hostname: row.endpoint.hostname,
        healthy: row.healthy,
        weight: row.weight,
        stats: row.stats,
      })),
    }));
  }

  wasm() {
    return this.#services.plugins.report();
  }

  memory() {
    const { heapUsed, heapTotal, external } = process.memoryUsage();
    return { heapUsed, heapTotal, external };
  }
}

setLogLevel(boot.log.level);
for (const [component, level] of boot.log.components) setComponentLogLevel(component, level);
setLogFormat(boot.log.format);
new Silo().start().catch((error: unknown) => {
  log.error(`silo ${boot.index} did not start: ${String(error)}`);
  send({ kind: "failed", reason: String(error) });
});
