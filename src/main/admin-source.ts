/**
 * What the admin interface sees and may change: answers from main's own objects, and from the silos
 * by control calls. Thread: main.
 */
import {
  type AdminControl,
  type AdminSource,
  type MemoryReport,
  SERVER_STATES,
  type ServerState,
  type SiloVms,
} from "../admin/types.ts";
import type { Clock } from "../base/clock.ts";
import type { Remote } from "../base/comlink.ts";
import { setComponentLogLevel, setLogLevel } from "../base/log.ts";
import { helpTexts } from "../metrics/help.ts";
import type { SiloControl } from "../silo/messages.ts";
import { CLUSTER_STATS } from "../upstream/stats.ts";
import type { ServeOptions } from "./cli.ts";
import type { LiveUpdate } from "./live-update.ts";
import { currentLevels } from "./log-levels.ts";
import type { LogWriter } from "./log-writer.ts";
import type { MainMetrics } from "./main-metrics.ts";
import type { Running } from "./running.ts";
import type { Server } from "./server.ts";
import { tagRulesOf } from "./stat-tags.ts";
import type { Supervisor } from "./supervisor.ts";
import type { XdsStatus } from "./xds-status.ts";

export interface AdminParts {
  readonly version: string;
  readonly clock: Clock;
  readonly options: ServeOptions;
  readonly running: Running;
  readonly update: LiveUpdate;
  readonly xds: XdsStatus;
  readonly server: Server;
  readonly supervisor: Supervisor;
  readonly metrics: MainMetrics;
  readonly logWriter: LogWriter;
  reopenAdminLog(): void;
}

export function createAdminSource(parts: AdminParts): AdminSource {
  const { clock, running, server, supervisor, metrics } = parts;
  const startMs = clock.monotonicMs();
  const help = helpTexts([["cluster.x", CLUSTER_STATS]]);
  const tags = tagRulesOf(running.program.config.statTags);
  const uptimeMs = () => clock.monotonicMs() - startMs;
  const state = () => stateOf(server);
  return {
    version: parts.version,
    configLoadedWallMs: () => running.loadedWallMs,
    updateFailure: () => running.failure,
    xds: () => parts.xds.states,
    state,
    uptimeMs,
    commandLineOptions: () => commandLineOptions(parts.options),
    config: () => running.program.config,
    listeners: () => running.boundListeners,
    snapshot: () =>
      metrics.snapshot({
        stateIndex: SERVER_STATES.indexOf(state()),
        isLive: server.isLive,
        uptimeMs: uptimeMs(),
        openConnections: supervisor.openConnections,
      }),
    helpTexts: () => help,
    tagRules: () => tags,
    clusters: () => askAll(supervisor, (remote) => remote.clusters()),
    wasm: () => vmsOf(supervisor),
    memory: () => memoryOf(supervisor),
    logLevels: currentLevels,
    control: createControl(parts),
  };
}

function createControl(parts: AdminParts): AdminControl {
  const { server, supervisor, metrics } = parts;
  return {
    setLogLevel: (level) => {
      setLogLevel(level);
      void askAll(supervisor, (remote) => remote.setLogLevel(level));
    },
    setComponentLogLevel: (component, level) => {
      setComponentLogLevel(component, level);
      void askAll(supervisor, (remote) => remote.setComponentLogLevel(component, level));
    },
    resetCounters: () => metrics.resetCounters(),
    reopenLogs: () => reopenLogs(parts),
    setHealthcheck: (outcome) => server.setHealthcheck(outcome),
    drainListeners: (options) => server.drainListeners(options),
    reload: () => parts.update.reload("POST /reload"),
    quit: () => server.quit(),
  };
}

/** Access logs of the admin interface and of every silo go on in new files. */
export function reopenLogs(parts: Pick<AdminParts, "logWriter" | "reopenAdminLog">): void {
  parts.reopenAdminLog();
  parts.logWriter.reopen();
}

/** Answers of the silos that gave one. */
async function askAll<T>(
  supervisor: Supervisor,
  run: (remote: Remote<SiloControl>) => Promise<T>,
): Promise<readonly T[]> {
  const answers = await Promise.all(supervisor.silos.map((silo) => silo.call(run)));
  return answers.filter((answer) => answer !== null) as readonly T[];
}

async function vmsOf(supervisor: Supervisor): Promise<readonly SiloVms[]> {
  const reports = await Promise.all(
    supervisor.silos.map(async (silo): Promise<SiloVms | null> => {
      const vms = await silo.call((remote) => remote.wasm());
      return vms === null ? null : { silo: silo.index, vms };
    }),
  );
  return reports.filter((report) => report !== null);
}

async function memoryOf(supervisor: Supervisor): Promise<MemoryReport> {
  const own = process.memoryUsage();
  const silos = await askAll(supervisor, (remote) => remote.memory());
  const sum = (field: "heapUsed" | "heapTotal" | "external") =>
    silos.reduce((total, silo) => total + silo[field], own[field]);
  return {
    heapUsed: sum("heapUsed"),
    heapTotal: sum("heapTotal"),
    external: sum("external"),
    resident: own.rss,
  };
}

function stateOf(server: Server): ServerState {
  if (server.phase === "initializing") return "INITIALIZING";
  return server.isLive ? "LIVE" : "DRAINING";
}

/** Under Envoy's names; durations as protobuf's JSON writes them. */
function commandLineOptions(
  options: ServeOptions,
): Readonly<Record<string, string | number | boolean>> {
  return {
    concurrency: options.concurrency,
    mode: options.mode === "serve" ? "Serve" : "Validate",
    config_path: options.configPath,
    config_yaml: options.configYaml,
    admin_address_path: options.adminAddressPath,
    log_level: options.logLevel,
    component_log_level: options.componentLevels.map((pair) => pair.join(":")).join(","),
    log_format: options.logFormat,
    drain_time: `${options.drainTimeS}s`,
    drain_strategy: options.drainStrategy === "gradual" ? "Gradual" : "Immediate",
    transport: options.transport,
    shared_data_mib: options.sharedDataMib,
    shared_data_policy: options.sharedDataPolicy,
    access_log_full: options.accessLogFull,
  };
}
