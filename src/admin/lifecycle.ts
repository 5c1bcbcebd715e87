/**
 * `/ready`, `/server_info`, `/memory`, `/hot_restart_version`, and the endpoints that change how
 * the server runs. Source: Envoy, server_info_handler.cc, server_cmd_handler.cc.
 */
import { assertNever } from "../base/assert.ts";
import { type AdminHandler, json, text } from "./types.ts";

const OK = "OK\n";

export const ready: AdminHandler = (_request, source) => {
  const state = source.state();
  return text(`${state}\n`, state === "LIVE" ? 200 : 503);
};

export const serverInfo: AdminHandler = (_request, source) => {
  const { id, cluster } = source.config().node;
  const uptime = `${Math.trunc(source.uptimeMs() / 1000)}s`;
  return json({
    version: source.version,
    state: source.state(),
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: "disabled",
    command_line_options: source.commandLineOptions(),
    node: { id, cluster, user_agent_name: "granary" },
  });
};

/** 64-bit numbers are strings in protobuf's JSON. */
export const memory: AdminHandler = async (_request, source) => {
  const { heapUsed, heapTotal, external, resident } = await source.memory();
  return json({
    allocated: String(heapUsed + external),
    heap_size: String(heapTotal + external),
    pageheap_unmapped: "0",
    pageheap_free: String(heapTotal - heapUsed),
    total_thread_cache: "0",
    total_physical_bytes: String(resident),
  });
};

/** There is no hot restart; Envoy answers so too where it is switched off. */
export const hotRestartVersion: AdminHandler = () => text("disabled");

export const healthcheckFail: AdminHandler = (_request, source) => {
  source.control.setHealthcheck("fail");
  return text(OK);
};

export const healthcheckOk: AdminHandler = (_request, source) => {
  source.control.setHealthcheck("ok");
  return text(OK);
};

export const resetCounters: AdminHandler = (_request, source) => {
  source.control.resetCounters();
  return text(OK);
};

export const reopenLogs: AdminHandler = (_request, source) => {
  source.control.reopenLogs();
  return text(OK);
};

export const drainListeners: AdminHandler = ({ query }, source) => {
  source.control.drainListeners({
    graceful: query.has("graceful"),
    skipExit: query.has("skip_exit"),
    inboundOnly: query.has("inboundonly"),
  });
  return text(OK);
};

export const reload: AdminHandler = async (_request, source) => {
  const report = await source.control.reload();
  switch (report.kind) {
    case "applied":
      return text(`OK: version ${report.version} (${report.summary})\n`);
    case "unchanged":
      return text(`OK: version ${report.version}, no change\n`);
    case "refused":
      return text(report.text, 400);
    default:
      return assertNever(report);
  }
};

export const quit: AdminHandler = (_request, source) => ({
  ...text(OK),
  afterwards: () => source.control.quit(),
});
