/**
 * The admin interface as a table: path, method rule, help, parameters, handler. `/`, `/help` and
 * the 404 text are made from it. Paths, help and method rules are Envoy's.
 */
import { LOG_LEVELS } from "../base/log.ts";
import { certs } from "./certs.ts";
import { clusters, listeners } from "./clusters.ts";
import { configDump } from "./config-dump.ts";
import { helpText, homePage, unknownPath } from "./home.ts";
import {
  drainListeners,
  healthcheckFail,
  healthcheckOk,
  hotRestartVersion,
  memory,
  quit,
  ready,
  reload,
  reopenLogs,
  resetCounters,
  serverInfo,
} from "./lifecycle.ts";
import { logging } from "./logging.ts";
import { STATS_FORMATS, STATS_TYPES, stats, statsPrometheus } from "./stats.ts";
import { HISTOGRAM_MODES } from "./stats-render.ts";
import {
  type AdminHandler,
  type AdminParameter,
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  type AdminSource,
  text,
} from "./types.ts";
import { wasm } from "./wasm.ts";

const textInput = (name: string, help: string): AdminParameter => ({
  name,
  help,
  input: { kind: "text" },
});
const flag = (name: string, help: string): AdminParameter => ({
  name,
  help,
  input: { kind: "flag" },
});
const choice = (name: string, help: string, choices: readonly string[]): AdminParameter => ({
  name,
  help,
  input: { kind: "choice", choices },
});

const reads = (
  path: string,
  help: string,
  handle: AdminHandler,
  parameters: readonly AdminParameter[] = [],
): AdminRoute => ({ path, method: "any", help, parameters, handle });
const changes = (
  path: string,
  help: string,
  handle: AdminHandler,
  parameters: readonly AdminParameter[] = [],
): AdminRoute => ({ path, method: "POST", help, parameters, handle });

const FORMAT = choice("format", "File format to use", ["text", "json"]);
const STAT_SELECTION = [
  flag("usedonly", "Only include stats that have been written by system since restart"),
  textInput("filter", "Regular expression (Google re2) for filtering stats"),
  flag("invert_filter", "Invert the filter regex"),
] as const;

/** Sorted by path. */
export const ADMIN_ROUTES: readonly AdminRoute[] = [
  reads("/", "Admin home page", () => homePage(ADMIN_ROUTES)),
  reads("/certs", "print certs on machine", certs),
  reads("/clusters", "upstream cluster status", clusters, [
    textInput("filter", "Regular expression (Google re2) for filtering clusters by name"),
    FORMAT,
  ]),
  reads("/config_dump", "dump current Granary configs", configDump, [
    textInput("resource", "The resource to dump"),
    textInput("mask", "The mask to apply, as a Protobuf::FieldMask, to every config or resource"),
    textInput("name_regex", "Dump only configurations whose names match the regex as a whole"),
  ]),
  changes("/drain_listeners", "drain listeners", drainListeners, [
    flag("graceful", "Wait out the drain period before listeners close"),
    flag("skip_exit", "Drain the connections but never close the listeners"),
    flag("inboundonly", "Drain only listeners with traffic_direction INBOUND"),
  ]),
  changes("/healthcheck/fail", "cause the server to fail health checks", healthcheckFail),
  changes("/healthcheck/ok", "cause the server to pass health checks", healthcheckOk),
  reads("/help", "print out list of admin commands", () => text(helpText(ADMIN_ROUTES))),
  reads("/hot_restart_version", "print the hot restart compatibility version", hotRestartVersion),
  reads("/listeners", "print listener info", listeners, [FORMAT]),
  changes("/logging", "query/change logging levels", logging, [
    textInput("paths", "Change several levels: <name1>:<level1>,<name2>:<level2>"),
    choice("level", "desired logging level, this will change all loggers's level", [
      "",
      ...LOG_LEVELS,
    ]),
  ]),
  reads("/memory", "print current allocation/heap usage", memory),
  changes("/quitquitquit", "exit the server", quit),
  reads("/ready", "print server state, return 200 if LIVE, otherwise return 503", ready),
  changes("/reload", "read the configuration again and take it if it is right", reload),
  changes("/reopen_logs", "reopen access logs", reopenLogs),
  changes("/reset_counters", "reset all counters to zero", resetCounters),
  reads("/server_info", "print server version/status information", serverInfo),
  reads("/stats", "print server stats", stats, [
    ...STAT_SELECTION,
    choice("format", "Format to use", STATS_FORMATS),
    choice("type", "Stat types to include.", STATS_TYPES),
    choice("histogram_buckets", "Histogram bucket display mode", HISTOGRAM_MODES),
  ]),
  reads("/stats/prometheus", "print server stats in prometheus format", statsPrometheus, [
    ...STAT_SELECTION,
  ]),
  reads("/wasm", "plugins and their VMs: state, memory, time, failures", wasm, [
    choice("format", "File format to use", ["html", "json"]),
  ]),
];

const BY_PATH: ReadonlyMap<string, AdminRoute> = new Map(
  ADMIN_ROUTES.map((route) => [route.path, route]),
);

/** Answers `request`: 404 for a path without a route, 405 for a change that is not a POST. */
export async function dispatch(request: AdminRequest, source: AdminSource): Promise<AdminResponse> {
  const route = BY_PATH.get(request.path);
  if (route === undefined) return unknownPath(ADMIN_ROUTES);
  if (route.method === "POST" && request.method !== "POST") {
    return text(`Method ${request.method} not allowed, POST required.`, 405);
  }
  return route.handle(request, source);
}
