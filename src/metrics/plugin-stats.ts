/**
 * Stats of one plugin, `wasm.<plugin>.<row>`: what happens to its VMs and what it costs. They
 * disappear with the plugin. Beside `catalogue.ts`.
 */
import { statNamePart } from "./catalogue.ts";
import {
  type HandlesOf,
  handlesOf,
  type MetricRow,
  type MetricRows,
  withdrawRows,
} from "./handles.ts";
import type { MetricScope } from "./types.ts";

const row = <Kind extends MetricRow["kind"]>(kind: Kind, help: string) => ({ kind, help });
const counter = (help: string) => row("counter", help);
const gauge = (help: string) => row("gauge", help);

/** `wasm.<plugin>.<row>`: how the VM of a plugin failed and was made anew. */
export const WASM_PLUGIN_STATS = {
  vm_reload_success: counter("VMs made anew after a failure"),
  vm_reload_backoff: counter("Times a new VM was put off"),
  vm_reload_failure: counter("VMs that could not be made anew"),
  vm_failed: counter("Times a VM failed in a callback of the plugin"),
  vm_failed_cpu_budget: counter("Times a callback of the plugin used up its CPU budget"),
  vm_failed_stack_overflow: counter("Times a callback of the plugin used up the stack"),
  handlers_given_up: counter(
    "Handlers of a script that were given up because they waited too long",
  ),
  memory_refused: counter("Times memory of a VM could not grow over the total of all"),
  log_lines_dropped: counter("Lines that the plugin logged beyond what it may"),
  calls_suspended: counter("Calls of the plugin that were suspended"),
  suspension_timeouts: counter("Times what a suspended call awaited did not come in time"),
  waits_refused: counter("Callbacks that could not wait for a suspended call: too many did"),
  vm_cut_off: counter("Times the plugin was cut off because it kept failing"),
  vm_kept_out: counter("Times it was kept out because it held the thread before it failed"),
} as const satisfies MetricRows;

/** `wasm.<plugin>.<row>`: what a plugin uses; brought up to date every half second. */
export const WASM_COST_STATS = {
  "cost.memory_bytes": gauge("Linear memory of the VMs that serve the plugin, in bytes"),
  "cost.streams_active": gauge("Streams that pass through the plugin now"),
} as const satisfies MetricRows;

/** `wasm.<plugin>.cost.<callback>.<row>`. */
export const WASM_CALLBACK_STATS = {
  calls: counter("Calls of a callback of the plugin"),
  time_us: counter("Time in a callback of the plugin, in microseconds, from samples"),
} as const satisfies MetricRows;

/** `wasm.<plugin>.cost.<hostcall>.<row>`. */
export const WASM_HOSTCALL_STATS = {
  hostcalls: counter("Calls of a hostcall by the plugin"),
} as const satisfies MetricRows;

export type WasmCostStats = HandlesOf<typeof WASM_COST_STATS>;
export type WasmCallbackStats = HandlesOf<typeof WASM_CALLBACK_STATS>;
export type WasmPluginStats = HandlesOf<typeof WASM_PLUGIN_STATS>;
export type WasmHostcallStats = HandlesOf<typeof WASM_HOSTCALL_STATS>;

function pluginScope(root: MetricScope, plugin: string): MetricScope {
  return root.scope(`wasm.${statNamePart(plugin)}`);
}

export function wasmPluginStats(root: MetricScope, plugin: string): WasmPluginStats {
  return handlesOf(WASM_PLUGIN_STATS, pluginScope(root, plugin));
}

/** The plugin is gone. */
export function withdrawPluginStats(root: MetricScope, plugin: string): void {
  withdrawRows(WASM_PLUGIN_STATS, pluginScope(root, plugin));
}

/** Stats of what one plugin costs, made when they are first asked for. */
export class PluginCostStats {
  readonly #scope: MetricScope;
  readonly #callbacks = new Map<string, WasmCallbackStats>();
  readonly #hostcalls = new Map<string, WasmHostcallStats>();
  readonly whole: WasmCostStats;

  constructor(root: MetricScope, plugin: string) {
    this.#scope = pluginScope(root, plugin);
    this.whole = handlesOf(WASM_COST_STATS, this.#scope);
  }

  callback(name: string): WasmCallbackStats {
    const known = this.#callbacks.get(name);
    if (known !== undefined) return known;
    const stats = handlesOf(WASM_CALLBACK_STATS, this.#scope.scope(`cost.${name}`));
    this.#callbacks.set(name, stats);
    return stats;
  }

  hostcall(name: string): WasmHostcallStats {
    const known = this.#hostcalls.get(name);
    if (known !== undefined) return known;
    const stats = handlesOf(WASM_HOSTCALL_STATS, this.#scope.scope(`cost.${name}`));
    this.#hostcalls.set(name, stats);
    return stats;
  }

  /** The plugin is gone, and with it all that was told of it. */
  withdraw(): void {
    const scope = this.#scope;
    withdrawRows(WASM_COST_STATS, scope);
    for (const name of this.#callbacks.keys()) {
      withdrawRows(WASM_CALLBACK_STATS, scope.scope(`cost.${name}`));
    }
    for (const name of this.#hostcalls.keys()) {
      withdrawRows(WASM_HOSTCALL_STATS, scope.scope(`cost.${name}`));
    }
  }
}
