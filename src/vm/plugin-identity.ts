/**
 * When two plugin configurations are the same plugin, and when they share a VM. Source: ABI 5.1.
 */
import type {
  FilterOverride,
  GranaryConfig,
  ListenerConfig,
  PluginConfig,
  RouteTableConfig,
  WasmFilterConfig,
} from "../config/types.ts";

/** Plugins share a VM when these are equal: beside the VM key, what the guest may see and do. */
export function vmSlotKey(plugin: PluginConfig): string {
  const allowed = plugin.allowedCapabilities;
  const restriction = allowed === null ? null : [...allowed].sort();
  const { mode, vm } = plugin;
  return JSON.stringify([vm.vmKey, vm.codeKey, vm.environment, restriction, mode]);
}

/** Plugins with equal identities share a root context. */
export function pluginIdentity(plugin: PluginConfig): string {
  return `${vmSlotKey(plugin)} ${plugin.pluginKey} ${JSON.stringify(plugin.isolation)}`;
}

/** The plugins of these listeners, in their order: filters, those of routes, access loggers. */
export function wasmPlugins(listeners: readonly ListenerConfig[]): PluginConfig[] {
  return listeners
    .flatMap(({ filterChains }) => filterChains)
    .flatMap((chain) => {
      if (chain.kind === "tcp") return [...chain.tcp.filters, ...chain.tcp.proxy.accessLogPlugins];
      const { httpFilters, accessLogPlugins, routes } = chain.http;
      const filters = httpFilters.flatMap((each) => (each.kind === "wasm" ? pluginsOf(each) : []));
      const ofRoutes = overridesOf(routes).flatMap((overrides) =>
        overrides.flatMap(({ plugin }) => (plugin === null ? [] : [plugin])),
      );
      return [...filters, ...ofRoutes, ...accessLogPlugins];
    });
}

/** The filter's own plugin unless its versions serve in its place, then those, then shadows. */
function pluginsOf({ plugin, versions }: WasmFilterConfig): PluginConfig[] {
  if (versions === null) return [plugin];
  const { weighted, shadows } = versions;
  const own = weighted.length === 0 ? [plugin] : [];
  return [...own, ...[...weighted, ...shadows].map((version) => version.plugin)];
}

/** Every list of overrides in `routes`. */
export function overridesOf(routes: RouteTableConfig): (readonly FilterOverride[])[] {
  return routes.virtualHosts.flatMap((host) =>
    host.routes.flatMap(({ action, overrides }) => [
      ...(overrides === null ? [] : [overrides]),
      ...(action.kind === "route" ? action.clusters : []).flatMap((cluster) =>
        cluster.overrides === null ? [] : [cluster.overrides],
      ),
    ]),
  );
}

/**
 * The plugins that belong to the server and not to a listener.
 * @param singletons whether those that run on one silo only are meant to run here.
 */
export function serverPlugins(
  config: Pick<GranaryConfig, "services" | "statSinks">,
  singletons: Singletons,
): PluginConfig[] {
  const isHere = singletons === "here";
  const services = config.services.filter(({ singleton }) => isHere || !singleton);
  return [...services.map(({ plugin }) => plugin), ...(isHere ? config.statSinks : [])];
}

export type Singletons = "here" | "elsewhere";
