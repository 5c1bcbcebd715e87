/** What each plugin of a thread uses in all its VMs: reports summed by the plugin's stat name. */
import type { PluginMode } from "../config/types.ts";
import type { PluginReport, VmReport } from "./report.ts";

/** A plugin in the names of stats: a shadow is another one than its live namesake. */
export function pluginStatName(plugin: string, mode: PluginMode): string {
  return mode === "shadow" ? `${plugin}.shadow` : plugin;
}

export interface PluginUse {
  memoryBytes: number;
  streams: number;
  readonly callbacks: Map<string, { calls: number; timeUs: number }>;
  readonly hostcalls: Map<string, number>;
}

export function pluginUses(vms: readonly VmReport[]): ReadonlyMap<string, PluginUse> {
  const uses = new Map<string, PluginUse>();
  for (const vm of vms) {
    for (const plugin of vm.plugins) {
      const name = pluginStatName(plugin.name, vm.mode);
      const use = uses.get(name) ?? emptyUse();
      uses.set(name, use);
      addUse(use, vm, plugin);
    }
  }
  return uses;
}

function emptyUse(): PluginUse {
  return { memoryBytes: 0, streams: 0, callbacks: new Map(), hostcalls: new Map() };
}

function addUse(use: PluginUse, vm: VmReport, plugin: PluginReport): void {
  use.memoryBytes += vm.memoryBytes;
  use.streams += plugin.streams;
  for (const { callback, calls, timeUs } of plugin.callbacks) {
    const sum = use.callbacks.get(callback) ?? { calls: 0, timeUs: 0 };
    use.callbacks.set(callback, { calls: sum.calls + calls, timeUs: sum.timeUs + timeUs });
  }
  for (const { hostcall, calls } of plugin.hostcalls) {
    use.hostcalls.set(hostcall, (use.hostcalls.get(hostcall) ?? 0) + calls);
  }
}
