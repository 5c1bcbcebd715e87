/**
 * Puts the server together and runs it to its end: doors, silos, admin interface, signals. Doors
 * are bound before the silos start, so that a port in use is found before anything else happens;
 * connections that come early wait for the first silo. Thread: main.
 */
import { writeFileSync } from "node:fs";
import { url as inspectorUrl } from "node:inspector";
import { type AdminServer, createAdminServer } from "../admin/server.ts";
import type { BoundListener } from "../admin/types.ts";
import { present } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import { loadNative, type NativeBindings } from "../base/native.ts";
import type { GranaryConfig, SocketAddress } from "../config/types.ts";
import { Acceptor } from "./acceptor.ts";
import { type AdminLog, createAdminLog } from "./admin-log.ts";
import { createAdminSource, reopenLogs } from "./admin-source.ts";
import { Balancer } from "./balancer.ts";
import type { ServeOptions } from "./cli.ts";
import type { Program } from "./configuration.ts";
import { type DispatchPlan, planDispatch } from "./dispatch.ts";
import { addressText, type ListenFailure, reservePorts } from "./listen.ts";
import { siloLogOptions } from "./log-levels.ts";
import { LogWriter } from "./log-writer.ts";
import { MainMetrics } from "./main-metrics.ts";
import { clearTotals } from "./module-store.ts";
import { Reloader } from "./reloader.ts";
import { Running } from "./running.ts";
import { Server } from "./server.ts";
import { SharedMemory } from "./shared-memory.ts";
import { installSignals, type SignalActions } from "./signals.ts";
import { SiloReserve } from "./silo-reserve.ts";
import { Supervisor } from "./supervisor.ts";
import { TapWriter } from "./tap-writer.ts";
import { planTransports } from "./transports.ts";
import { judgeUws } from "./uws-verdict.ts";
import { versionText } from "./version.ts";
import { XdsStatus } from "./xds-status.ts";

const log = new Logger("main");

const MIB = 1_048_576;

/** Compiled file of the silo's thread. */
const SILO_ENTRY = new URL("../silo/silo.js", import.meta.url);

export interface ServingReport {
  readonly config: GranaryConfig;
  readonly listeners: readonly BoundListener[];
  readonly admin: SocketAddress | null;
}

interface Doors {
  readonly acceptor: Acceptor | null;
  readonly ports: readonly number[];
}

/**
 * Serves until told to end.
 * @param onServing called once, when every listener serves.
 * @returns null after an orderly end, else why the server did not start. Nothing is open then.
 */
export async function serve(
  options: ServeOptions,
  program: Program,
  onServing: (report: ServingReport) => void,
): Promise<string | null> {
  const { config } = program;
  const uws = await judgeUws(options.transport, config);
  const transports = planTransports(options.transport, config.listeners, uws);
  if (transports.kind === "refused") return transports.problem;
  for (const note of transports.notes) log.info(note);
  const native = loadNative();
  const plan = await planDispatch(native, options.concurrency);
  if (plan.warning !== null) log.warn(plan.warning);
  const bindings = native.kind === "loaded" ? native.bindings : null;
  const doors = await openDoors(config, bindings);
  if ("message" in doors) return doors.message;
  const seats = transports.transports.map((transport, id) => ({
    id,
    transport,
    port: present(doors.ports[id], "the listener's port"),
  }));
  const running = new Running(program, seats, systemClock);
  const site = build({ options, running, plan, acceptor: doors.acceptor });
  return site.run(onServing);
}

/** With `native` main accepts; without it the ports are only found out. */
async function openDoors(
  config: GranaryConfig,
  native: NativeBindings | null,
): Promise<Doors | ListenFailure> {
  log.info(`loading ${config.clusters.length} static cluster(s)`);
  log.info(`loading ${config.listeners.length} listener(s)`);
  const { listeners } = config;
  if (native === null) {
    const bound = await reservePorts(listeners);
    return "message" in bound ? bound : { acceptor: null, ports: bound };
  }
  const acceptor = new Acceptor(native, new Balancer("roundRobin"));
  const bound = await acceptor.open(listeners);
  return "message" in bound ? bound : { acceptor, ports: bound };
}

interface Blueprint {
  readonly options: ServeOptions;
  readonly running: Running;
  readonly plan: DispatchPlan;
  readonly acceptor: Acceptor | null;
}

/** Wires the objects of a server; nothing runs yet. */
function build(blueprint: Blueprint): Site {
  const { options, running, plan, acceptor } = blueprint;
  const { concurrency, dispatch } = plan;
  const metrics = new MainMetrics(systemClock, running.program.config, concurrency);
  const shared = new SharedMemory(
    { dataBytes: options.sharedDataMib * MIB, policy: options.sharedDataPolicy },
    systemClock,
  );
  metrics.observe((root) => shared.metrics(root));
  const logWriter = new LogWriter(concurrency, options.accessLogFull);
  const tapWriter = new TapWriter(
    Array.from({ length: concurrency }, (_, index) => shared.bodySlab(index)),
  );
  const nobody = { register: () => {}, unregister: () => {}, takeBack: () => {} };
  const supervisor = new Supervisor({
    entry: SILO_ENTRY,
    concurrency,
    clock: systemClock,
    registry: acceptor ?? nobody,
    isDebugged: () => inspectorUrl() !== undefined,
    reserve: new SiloReserve(SILO_ENTRY, systemClock),
    plan: (index) => ({
      index,
      concurrency,
      config: running.program.config,
      modules: running.program.modules,
      metricRegions: metrics.siloRegions,
      shared: shared.seat(index),
      bodySlab: shared.bodySlab(index),
      logRing: logWriter.boot(index),
      tapRing: tapWriter.boot(index),
      log: siloLogOptions(options),
      seats: running.seats,
      drainCloseMs: server.drainCloseMs,
      dispatch,
      version: versionText(),
    }),
    retire: (index) => {
      metrics.clearGauges(index);
      shared.retire(index);
      clearTotals(running.program.modules, index);
    },
  });
  const drainTimeMs = options.drainTimeS * 1000;
  const server = new Server({
    running,
    clock: systemClock,
    acceptor,
    supervisor,
    drainTimeMs,
    drainStrategy: options.drainStrategy,
    onDraining: (draining, accepting) => metrics.draining(draining, accepting),
  });
  const xds = new XdsStatus(systemClock, metrics.root);
  const { version } = running;
  xds.settle(running.program.xds, { kind: "unchanged", version }, () => null);
  const reloader = new Reloader(options, {
    xds,
    clock: systemClock,
    running,
    supervisor,
    acceptor,
    metrics,
    drainMs: drainTimeMs,
    isOpen: () => server.phase === "live",
  });
  return new Site(blueprint, { metrics, supervisor, server, reloader, logWriter, tapWriter, xds });
}

interface SiteParts {
  readonly metrics: MainMetrics;
  readonly supervisor: Supervisor;
  readonly server: Server;
  readonly reloader: Reloader;
  readonly logWriter: LogWriter;
  readonly tapWriter: TapWriter;
  readonly xds: XdsStatus;
}

/** A server with its admin interface and signals. */
class Site {
  readonly #blueprint: Blueprint;
  readonly #metrics: MainMetrics;
  readonly #supervisor: Supervisor;
  readonly #server: Server;
  readonly #reloader: Reloader;
  readonly #logWriter: LogWriter;
  readonly #tapWriter: TapWriter;
  readonly #xds: XdsStatus;

  constructor(blueprint: Blueprint, parts: SiteParts) {
    this.#blueprint = blueprint;
    this.#metrics = parts.metrics;
    this.#supervisor = parts.supervisor;
    this.#server = parts.server;
    this.#reloader = parts.reloader;
    this.#logWriter = parts.logWriter;
    this.#tapWriter = parts.tapWriter;
    this.#xds = parts.xds;
  }

  /** As `serve`. */
  async run(onServing: (report: ServingReport) => void): Promise<string | null> {
    const { acceptor, running } = this.#blueprint;
    const startMs = systemClock.monotonicMs();
    let admin: Admin | null = null;
    try {
      admin = await this.#openAdmin();
      log.info("all dependencies initialized. starting workers");
      await this.#server.start();
    } catch (error) {
      acceptor?.close();
      await admin?.close();
      await this.#reloader.close();
      await this.#logWriter.stop();
      await this.#tapWriter.stop();
      return error instanceof Error ? error.message : String(error);
    }
    const listeners = running.boundListeners;
    this.#metrics.started(listeners.length, systemClock.monotonicMs() - startMs);
    const removeSignals = this.#handleSignals(admin);
    this.#reloader.start();
    log.info("starting main dispatch loop");
    onServing({
      config: running.program.config,
      listeners,
      admin: admin?.address ?? null,
    });
    await this.#server.ended;
    removeSignals();
    await this.#reloader.close();
    await this.#logWriter.stop();
    await this.#tapWriter.stop();
    await admin?.close();
    log.info("exiting");
    return null;
  }

  #handleSignals(admin: Admin | null): () => void {
    const actions: SignalActions = {
      quit: () => this.#server.quit(),
      abandon: (exitCode) => process.exit(exitCode),
      reopenLogs: () =>
        reopenLogs({
          logWriter: this.#logWriter,
          reopenAdminLog: () => admin?.log?.reopen(),
        }),
      reload: () => void this.#reloader.update.reload("SIGHUP"),
    };
    return installSignals(actions, systemClock);
  }

  /** Null when the configuration has no admin interface. Throws when it cannot be opened. */
  async #openAdmin(): Promise<Admin | null> {
    const { options, running } = this.#blueprint;
    const { config } = running.program;
    if (config.admin === null) return null;
    const adminLog = createAdminLog(config, systemClock);
    const source = createAdminSource({
      version: versionText(),
      clock: systemClock,
      options,
      running,
      update: this.#reloader.update,
      xds: this.#xds,
      server: this.#server,
      supervisor: this.#supervisor,
      metrics: this.#metrics,
      logWriter: this.#logWriter,
      reopenAdminLog: () => adminLog?.reopen(),
    });
    const admin = createAdminServer({
      address: config.admin.address,
      source,
      accessLog: adminLog === null ? null : (access) => adminLog.log(access),
    });
    const address = { ...config.admin.address, port: await bindAdmin(admin, config.admin.address) };
    const problem = writeAddress(options.adminAddressPath, address);
    if (problem !== null) {
      await admin.close();
      throw new Error(problem);
    }
    log.info(`admin address: ${addressText(address.host, address.port)}`);
    return {
      address,
      log: adminLog,
      close: async () => {
        await admin.close();
        adminLog?.flush();
      },
    };
  }
}

interface Admin {
  readonly address: SocketAddress;
  readonly log: AdminLog | null;
  close(): Promise<void>;
}

/** @returns why the file could not be written, or null. */
function writeAddress(path: string, { host, port }: SocketAddress): string | null {
  if (path === "") return null;
  try {
    writeFileSync(path, addressText(host, port));
    return null;
  } catch (error) {
    return `--admin-address-path: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function bindAdmin(admin: AdminServer, { host, port }: SocketAddress): Promise<number> {
  try {
    return await admin.listen();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`admin: cannot bind '${addressText(host, port)}': ${reason}`);
  }
}
