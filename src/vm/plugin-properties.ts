/**
 * Properties that the VM answers itself, from the plugin's configuration: `plugin_*` in every
 * context, and what is known of the listener on roots. Source: ABI 3.3.
 */
import type { PluginConfig, PropertyValue, VmConfig } from "../config/types.ts";
import { byteText, descend } from "./property-codec.ts";

/** A `plugin_*` property by its name, or undefined; `plugin` is null in the VM context. */
export function pluginProperty(
  name: string,
  plugin: PluginConfig | null,
  vm: VmConfig,
): string | undefined {
  if (name === "plugin_vm_id") return byteText(vm.vmId);
  if (plugin === null) return undefined;
  if (name === "plugin_name") return byteText(plugin.name);
  return name === "plugin_root_id" ? byteText(plugin.rootId) : undefined;
}

/** Listener attributes as a root sees them; `xds.` or the flat names of old. */
export function listenerProperty(
  path: readonly string[],
  plugin: PluginConfig,
): PropertyValue | undefined {
  const from = path[0] === "xds" ? 1 : 0;
  const name = path[from];
  if (name === "listener_direction" && path.length === from + 1) {
    return BigInt(plugin.trafficDirection);
  }
  if (name !== "listener_metadata" || plugin.listenerMetadata === null) return undefined;
  return descend(plugin.listenerMetadata, path, from + 1);
}
