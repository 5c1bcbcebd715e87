/**
 * Plugins of the whole server: `bootstrap_extensions` (WasmService) and `stats_sinks`. They belong
 * to no listener.
 */
import type { Bootstrap } from "../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import type { TypedExtensionConfig } from "../gen/envoy/config/core/v3/extension_pb.ts";
import type { StatsSink } from "../gen/envoy/config/metrics/v3/stats_pb.ts";
import { WasmSchema as StatSinkSchema } from "../gen/envoy/extensions/stat_sinks/wasm/v3/wasm_pb.ts";
import type { PluginConfig as PluginMessage } from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import { WasmServiceSchema } from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
import { compilePlugin, type ListenerOfPlugin } from "./compile-wasm.ts";
import type { Place } from "./place.ts";
import { durationMs, unpack } from "./place.ts";
import { isMessage } from "./protobuf.ts";
import type { GranaryConfig, PluginConfig, WasmServiceConfig } from "./types.ts";

/** Envoy's default of `stats_flush_interval`. */
const STATS_FLUSH_MS = 5_000;

/** `root` is the place of the bootstrap. */
export function compileServices(
  bootstrap: Bootstrap,
  root: Place,
): Pick<GranaryConfig, "services" | "statSinks" | "statsFlushMs"> {
  const extensions = root.child("bootstrap_extensions");
  const services = bootstrap.bootstrapExtensions.map((message, i) =>
    compileService(message, extensions.item(i).child("typed_config")),
  );
  const sinks = root.child("stats_sinks");
  const statSinks = bootstrap.statsSinks.map((message, i) =>
    compileStatSink(message, sinks.item(i).child("typed_config")),
  );
  const flush = bootstrap.statsFlush;
  const interval = flush.case === undefined ? bootstrap.statsFlushInterval : undefined;
  return {
    services: services.filter((service) => service !== null),
    statSinks: statSinks.filter((sink) => sink !== null),
    statsFlushMs: durationMs(interval, STATS_FLUSH_MS),
  };
}

function compileService(message: TypedExtensionConfig, place: Place): WasmServiceConfig | null {
  const typed = unpack(message.typedConfig);
  if (isMessage(typed, WasmServiceSchema)) {
    const { singleton } = typed;
    const plugin = pluginOf(typed.config, place.child("config"));
    return plugin === null
      ? null
      : { plugin: singleton ? apart(plugin, "singleton") : plugin, singleton };
  }
  refuse(place, typed?.$typeName, "use envoy.extensions.wasm.v3.WasmService");
  return null;
}

function compileStatSink(message: StatsSink, place: Place): PluginConfig | null {
  const { configType } = message;
  const typed = configType.case === "typedConfig" ? unpack(configType.value) : null;
  if (isMessage(typed, StatSinkSchema)) {
    const plugin = pluginOf(typed.config, place.child("config"));
    return plugin === null ? null : apart(plugin, "sink");
  }
  refuse(place, typed?.$typeName, "use envoy.extensions.stat_sinks.wasm.v3.Wasm");
  return null;
}

function refuse(place: Place, typeName: string | undefined, hint: string): void {
  if (typeName === undefined) place.problem("typed_config is required", hint);
  else place.problem(`the extension ${typeName} is not implemented by Granary`, hint);
}

function pluginOf(message: PluginMessage | undefined, place: Place): PluginConfig | null {
  const none: ListenerOfPlugin = {
    trafficDirection: 0,
    metadata: undefined,
    isolation: [place.context.isolation],
  };
  if (message !== undefined) return compilePlugin(message, none, place);
  place.problem("config is required", "add config with vm_config");
  return null;
}

/** What runs once in the server has a VM of its own, whatever filters run on the same silo. */
function apart(plugin: PluginConfig, use: string): PluginConfig {
  return { ...plugin, vm: { ...plugin.vm, vmKey: `${plugin.vm.vmKey} ${use}` } };
}
