/**
 * Puts the server together and runs it to its end: doors, silos, admin interface, signals. Doors
 * are bound before the silos start, so that a port in use is found before anything else happens;
 * connections that come early wait for the first silo. Thread: main.
 */
import { writeFileSync } from "node:fs";
import { type AdminServer, createAdminServer } from "../admin/server.ts";
import type { BoundListener } from "../admin/types.ts";
import { systemClock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import { loadNative, type NativeBindings } from "../base/native.ts";
import type { GranaryConfig, SocketAddress } from "../config/types.ts";
import type { TransportName } from "../silo/messages.ts";
import { Acceptor } from "./acceptor.ts";
import { type AdminLog, createAdminLog } from "./admin-log.ts";
import { createAdminSource, reopenLogs } from "./admin-source.ts";
import { Balancer } from "./balancer.ts";
import type { ServeOptions } from "./cli.ts";
import type { Program } from "./configuration.ts";
import { type DispatchPlan, planDispatch } from "./dispatch.ts";
import { addressText, type ListenFailure, reservePorts } from "./listen.ts";
import { siloLogOptions } from "./log-levels.ts";
import { MainMetrics } from "./main-metrics.ts";
import { Server } from "./server.ts";
import { installSignals, type SignalActions } from "./signals.ts";
import { Supervisor } from "./supervisor.ts";
import { planTransports } from "./transports.ts";
import { judgeUws } from "./uws-verdict.ts";
import { versionText } from "./version.ts";

const log = new Logger("main");

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
  const doors = await openDoors(config, bindings, transports.transports);
  if ("message" in doors) return doors.message;
  const site = build({ options, program, plan, doors, transports: transports.transports });
  return site.run(onServing);
}

/** With `native` main accepts for the codec; all other ports are only found out. */
async function openDoors(
  config: GranaryConfig,
  native: NativeBindings | null,
  transports: readonly TransportName[],
): Promise<Doors | ListenFailure> {
  log.info(`loading ${config.clusters.length} static cluster(s)`);
  log.info(`loading ${config.listeners.length} listener(s)`);
  const { listeners } = config;
  if (native === null) {
    const bound = await reservePorts(listeners);
    return "message" in bound ? bound : { acceptor: null, ports: bound };
  }
  const isUws = (index: number): boolean => transports[index] === "uws";
  const acceptor = new Acceptor(native, new Balancer("roundRobin"));
  const bound = await acceptor.open(listeners.map((each, i) => (isUws(i) ? null : each)));
  if ("message" in bound) return bound;
  const reserved = await reservePorts(listeners.filter((_, i) => isUws(i)));
  if ("message" in reserved) {
    acceptor.close();
    return reserved;
  }
  const rest = [...reserved];
  return { acceptor, ports: bound.map((port, i) => (isUws(i) ? (rest.shift() ?? port) : port)) };
}

interface Blueprint {
  readonly options: ServeOptions;
  readonly program: Program;
  readonly plan: DispatchPlan;
  readonly doors: Doors;
  readonly transports: readonly TransportName[];
}

/** Wires the objects of a server; nothing runs yet. */
function build(blueprint: Blueprint): Site {
  const { options, program, plan, doors } = blueprint;
  const { config, modules } = program;
  const { acceptor, ports } = doors;
  const { concurrency, dispatch } = plan;
  const metrics = new MainMetrics(systemClock, config, concurrency);
  const nobody = { register: () => {}, unregister: () => {}, takeBack: () => {} };
  const supervisor = new Supervisor({
    entry: SILO_ENTRY,
    concurrency,
    clock: systemClock,
    registry: acceptor ?? nobody,
    plan: (index) => ({
      index,
      concurrency,
      config,
      modules,
      metricRegions: metrics.siloRegions,
      log: siloLogOptions(options),
      transports: blueprint.transports,
      dispatch,
      ports,
      version: versionText(),
    }),
    retire: (index) => metrics.clearGauges(index),
  });
  const server = new Server({
    config,
    clock: systemClock,
    acceptor,
    supervisor,
    drainTimeMs: options.drainTimeS * 1000,
    onDraining: (draining, accepting) => metrics.draining(draining, accepting),
  });
  return new Site(blueprint, { metrics, supervisor, server });
}

/** A server with its admin interface and signals. */
class Site {
  readonly #blueprint: Blueprint;
  readonly #metrics: MainMetrics;
  readonly #supervisor: Supervisor;
  readonly #server: Server;

  constructor(
    blueprint: Blueprint,
    parts: { metrics: MainMetrics; supervisor: Supervisor; server: Server },
  ) {
    this.#blueprint = blueprint;
    this.#metrics = parts.metrics;
    this.#supervisor = parts.supervisor;
    this.#server = parts.server;
  }

  /** As `serve`. */
  async run(onServing: (report: ServingReport) => void): Promise<string | null> {
    const { acceptor } = this.#blueprint.doors;
    const startMs = systemClock.monotonicMs();
    let admin: Admin | null = null;
    try {
      admin = await this.#openAdmin();
      log.info("all dependencies initialized. starting workers");
      await this.#server.start();
    } catch (error) {
      acceptor?.close();
      await admin?.close();
      return error instanceof Error ? error.message : String(error);
    }
    this.#metrics.started(this.#listeners.length, systemClock.monotonicMs() - startMs);
    const removeSignals = this.#handleSignals(admin);
    log.info("starting main dispatch loop");
    onServing({
      config: this.#blueprint.program.config,
      listeners: this.#listeners,
      admin: admin?.address ?? null,
    });
    await this.#server.ended;
    removeSignals();
    await admin?.close();
    log.info("exiting");
    return null;
  }

  get #listeners(): readonly BoundListener[] {
    const { program, doors } = this.#blueprint;
    return program.config.listeners.map(({ name, address }, index) => ({
      name,
      address: { host: address.host, port: doors.ports[index] ?? address.port },
    }));
  }

  #handleSignals(admin: Admin | null): () => void {
    const actions: SignalActions = {
      quit: () => this.#server.quit(),
      abandon: (exitCode) => process.exit(exitCode),
      reopenLogs: () =>
        reopenLogs({
          supervisor: this.#supervisor,
          reopenAdminLog: () => admin?.log?.reopen(),
        }),
    };
    return installSignals(actions, systemClock);
  }

  /** Null when the configuration has no admin interface. Throws when it cannot be opened. */
  async #openAdmin(): Promise<Admin | null> {
    const { options, program } = this.#blueprint;
    const { config } = program;
    if (config.admin === null) return null;
    const adminLog = createAdminLog(config, systemClock);
    const source = createAdminSource({
      version: versionText(),
      clock: systemClock,
      options,
      config,
      listeners: this.#listeners,
      server: this.#server,
      supervisor: this.#supervisor,
      metrics: this.#metrics,
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
