/**
 * `/wasm`: the plugins and their VMs on every silo: state, memory, time, failures, versions. A page
 * for people, JSON for programs.
 */
import type { FailureReport, PluginReport, PoolSeat, VmReport } from "../silo/messages.ts";
import { type AdminHandler, type AdminResponse, json, type SiloVms, text, typed } from "./types.ts";

const STYLE = `body, table { font-family: sans-serif }
table { border-collapse: collapse; margin-bottom: 2em }
td, th { text-align: left; padding: 4px 12px 4px 4px; vertical-align: top }
tr { border-top: 1px solid #ccc }
td.number { text-align: right }
td.bad { color: #a00; font-weight: bold }
pre { margin: 0; white-space: pre-wrap }`;

export const wasm: AdminHandler = async (request, source) => {
  const silos = await source.wasm();
  const format = request.query.get("format") ?? "html";
  if (format === "json") return json({ silos: silos.map(asJson) });
  return format === "html" ? page(silos) : text(`unknown format "${format}"`, 400);
};

/** Under proto-like names, as the other pages have them. */
function asJson({ silo, vms }: SiloVms): object {
  return {
    silo,
    vms: vms.map((vm) => ({
      vm_id: vm.vmId,
      mode: vm.mode,
      code_sha256: vm.codeSha256,
      state: vm.state,
      memory_bytes: vm.memoryBytes,
      memory_bytes_max: vm.memoryBytesMax,
      memory_total_bytes: vm.memoryTotalBytes,
      memory_total_bytes_max: vm.memoryTotalBytesMax,
      standby: vm.hasStandby,
      pool:
        vm.pool === null
          ? null
          : {
              index: vm.pool.index,
              vms_max: vm.pool.vmsMax,
              suspended: vm.pool.isSuspended,
              waiting: vm.pool.waiting,
            },
      created: vm.created,
      failures: vm.failures,
      last_failure: vm.lastFailure === null ? null : failureJson(vm.lastFailure),
      plugins: vm.plugins.map((plugin) => ({
        name: plugin.name,
        root_id: plugin.rootId,
        failure_policy: plugin.failurePolicy,
        serving: plugin.isServing,
        streams: plugin.streams,
        calls: plugin.calls,
        time_ms: plugin.timeMs,
        callbacks: plugin.callbacks.map(({ callback, calls, timeUs }) => ({
          callback,
          calls,
          time_us: timeUs,
        })),
        hostcalls: plugin.hostcalls.map(({ hostcall, calls }) => ({ hostcall, calls })),
      })),
    })),
  };
}

function failureJson(failure: FailureReport): object {
  return {
    time: new Date(failure.wallMs).toISOString(),
    kind: failure.kind,
    plugin: failure.plugin,
    callback: failure.callback,
    reason: failure.reason,
    backtrace: failure.backtrace,
  };
}

const COLUMNS = [
  "Plugin",
  "Root",
  "VM",
  "Code",
  "Silo",
  "Pool",
  "State",
  "Policy",
  "Memory",
  "Streams",
  "Calls",
  "Time",
  "us/call",
  "VMs made",
  "Failures",
  "Last failure",
] as const;

function page(silos: readonly SiloVms[]): AdminResponse {
  const rows = silos.flatMap(({ silo, vms }) =>
    vms.flatMap((vm) => vm.plugins.map((plugin) => ({ silo, vm, plugin }))),
  );
  rows.sort((a, b) => a.plugin.name.localeCompare(b.plugin.name) || a.silo - b.silo);
  const heads = COLUMNS.map((name) => `<th>${name}</th>`).join("");
  return typed(
    "text/html; charset=UTF-8",
    `<!DOCTYPE html>
<html lang='en'>
<head>
<meta charset='utf-8' />
<title>Granary: Wasm</title>
<style>
${STYLE}
</style>
</head>
<body>
<table>
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.map(({ silo, vm, plugin }) => row(silo, vm, plugin)).join("")}</tbody>
</table>
</body>
</html>
`,
  );
}

const MIB_BYTES = 1_048_576;
const CODE_DIGITS = 12;

function row(silo: number, vm: VmReport, plugin: PluginReport): string {
  const mib = (bytes: number): string => (bytes / MIB_BYTES).toFixed(1);
  const perCall = plugin.calls === 0 ? 0 : (plugin.timeMs * 1_000) / plugin.calls;
  const { memoryTotalBytes: used, memoryTotalBytesMax: most } = vm;
  const total = most === 0 ? "" : `; in all ${mib(used)} of ${mib(most)} MiB`;
  const standby = vm.hasStandby ? " (+1 waiting)" : "";
  const cells = [
    cell(vm.mode === "shadow" ? `${plugin.name} (shadow)` : plugin.name),
    cell(plugin.rootId),
    cell(vm.vmId),
    cell(vm.codeSha256.slice(0, CODE_DIGITS)),
    number(silo),
    cell(vm.pool === null ? "" : poolText(vm.pool)),
    vm.state === "running" && plugin.isServing ? cell(vm.state) : bad(vm.state),
    cell(plugin.failurePolicy),
    cell(`${mib(vm.memoryBytes)} of ${mib(vm.memoryBytesMax)} MiB${total}`),
    number(plugin.streams),
    number(plugin.calls),
    cell(`${plugin.timeMs.toFixed(1)} ms`),
    number(perCall.toFixed(2)),
    cell(`${vm.created}${standby}`),
    vm.failures === 0 ? number(0) : bad(String(vm.failures)),
    `<td>${vm.lastFailure === null ? "" : failureText(vm.lastFailure)}</td>`,
  ];
  return `<tr>${cells.join("")}</tr>\n`;
}

/** `2 of 8, suspended, 3 wait` */
function poolText({ index, vmsMax, isSuspended, waiting }: PoolSeat): string {
  const parts = [`${index + 1} of ${vmsMax}`];
  if (isSuspended) parts.push("suspended");
  if (waiting > 0) parts.push(`${waiting} wait`);
  return parts.join(", ");
}

function failureText(failure: FailureReport): string {
  const head = `${new Date(failure.wallMs).toISOString()} ${failure.plugin}, ${failure.callback}`;
  const lines = [`${head}: ${failure.reason}`, ...failure.backtrace].map(escapeHtml);
  return `<pre>${lines.join("\n  ")}</pre>`;
}

const cell = (value: string): string => `<td>${escapeHtml(value)}</td>`;
const bad = (value: string): string => `<td class='bad'>${escapeHtml(value)}</td>`;
const number = (value: number | string): string => `<td class='number'>${value}</td>`;

/** Names come from configurations and from guests. */
function escapeHtml(value: string): string {
  return value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("'", "&#39;")
    .replaceAll('"', "&quot;");
}
