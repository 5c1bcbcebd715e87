/**
 * `%GRANARY_PLUGIN(name:what)%`: what a plugin has cost on this silo so far, as its stats tell it:
 * `time_us`, `calls` or `hostcalls`, of all or (`name:calls:proxy_on_log`) of one callback or
 * hostcall; or `memory_bytes`. The configuration has checked the argument.
 */
import type { PluginUse } from "../vm/plugin-use.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Null: there is no such plugin, or it has no such callback or hostcall. */
export function pluginCost(info: StreamInfo, argument: string): string | null {
  const fields = argument.split(":");
  const part = fields.at(-1)?.startsWith("proxy_") ? fields.pop() : undefined;
  const what = fields.pop() ?? "";
  const use = info.costs?.use(fields.join(":")) ?? null;
  const value = use === null ? null : costOf(use, what, part);
  return value === null ? null : String(Math.round(value));
}

function costOf(use: PluginUse, what: string, part: string | undefined): number | null {
  switch (what) {
    case "memory_bytes":
      return use.memoryBytes;
    case "hostcalls":
      return part === undefined ? total(use.hostcalls.values()) : (use.hostcalls.get(part) ?? null);
    case "calls":
    case "time_us": {
      const field = what === "calls" ? "calls" : "timeUs";
      if (part !== undefined) return use.callbacks.get(part)?.[field] ?? null;
      return total([...use.callbacks.values()].map((callback) => callback[field]));
    }
    default:
      return null;
  }
}

function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
