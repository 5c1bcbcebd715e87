/**
 * `typed_per_filter_config`: what routes, virtual hosts and weighted clusters change about the Wasm
 * filters of their connection manager. A filter is left out, put in again, or gets another plugin:
 * the filter's own with single fields replaced. As long as no field of the VM is among them, it is
 * another root context in the same VM, not another VM. Source: Envoy, RouteConfiguration,
 * FilterConfig.
 */
import { FilterConfigSchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { WasmSchema } from "../gen/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
import type { PluginConfig as PluginMessage } from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import { PluginConfigSchema } from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import { compilePlugin, type ListenerOfPlugin, mergedPlugin } from "./compile-wasm.ts";
import type { Place } from "./place.ts";
import { unpack } from "./place.ts";
import type { Any } from "./protobuf.ts";
import { isMessage } from "./protobuf.ts";
import type { FilterOverride, WasmFilterConfig } from "./types.ts";

/** A Wasm filter of the connection manager, as overrides start from it. */
export interface FilterBase {
  readonly filter: WasmFilterConfig;
  readonly message: PluginMessage;
  readonly listener: ListenerOfPlugin;
}

/** Wasm filters by the name of their http_filters entry; null: another filter has the name. */
export type FilterBases = ReadonlyMap<string, FilterBase | null>;

/** The overrides of one level, by filter. */
export type OverrideLevel = ReadonlyMap<string, FilterOverride>;

type PerFilter = Readonly<Record<string, Any>>;

/** `place` is that of the message that has `typed_per_filter_config`. */
export function compileOverrides(
  configs: PerFilter,
  bases: FilterBases,
  place: Place,
): OverrideLevel {
  const made = new Map<string, FilterOverride>();
  for (const [name, any] of Object.entries(configs)) {
    const at = place.child("typed_per_filter_config").key(name);
    const override = compileOne(name, any, { bases, at });
    if (override !== null) made.set(name, override);
  }
  return made;
}

/** The most specific level wins, filter by filter. Null when nothing is overridden. */
export function mergeOverrides(...levels: readonly OverrideLevel[]): FilterOverride[] | null {
  const merged = new Map(levels.flatMap((level) => [...level]));
  return merged.size === 0 ? null : [...merged.values()];
}

function compileOne(
  name: string,
  any: Any,
  { bases, at }: { bases: FilterBases; at: Place },
): FilterOverride | null {
  let message = unpack(any);
  const wrapper = isMessage(message, FilterConfigSchema) ? message : null;
  const base = bases.get(name);
  if (base === undefined) {
    const hint = `the HTTP filters are ${[...bases.keys()].join(", ")}`;
    if (wrapper?.isOptional !== true) at.problem(`there is no HTTP filter "${name}"`, hint);
    return null;
  }
  if (base === null) {
    at.problem(`the HTTP filter "${name}" has no configuration for routes`, "remove it");
    return null;
  }
  if (wrapper !== null) {
    if (wrapper.disabled) return { filter: name, plugin: null };
    if (wrapper.config === undefined) return { filter: name, plugin: base.filter.plugin };
    message = unpack(wrapper.config);
  }
  if (isMessage(message, WasmSchema)) message = message.config ?? null;
  if (!isMessage(message, PluginConfigSchema)) {
    const type = message === null ? "nothing" : message.$typeName;
    at.problem(`${type} does not configure a Wasm filter`, "write a Wasm or a PluginConfig");
    return null;
  }
  const shared = message.vm.case === undefined ? base.filter.plugin : null;
  const plugin = compilePlugin(mergedPlugin(base.message, message), base.listener, at, shared);
  return plugin === null ? null : { filter: name, plugin };
}
