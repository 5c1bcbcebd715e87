/** A plugin host over a hand-written guest: configuration, roles and host in one call. */
import { ISOLATION_DEFAULTS } from "../../src/config/compile-isolation.ts";
import type { GranaryConfig, PluginConfig } from "../../src/config/types.ts";
import { createPluginHost } from "../../src/vm/plugin-host.ts";
import type { Plugin, PluginCode, PluginHost, StreamContext } from "../../src/vm/types.ts";
import { FakeStream, FakeThread } from "./fake-roles.ts";
import { type GuestSource, guestModule } from "./guest-source.ts";

export const CODE_SHA = "00";

/** A plugin configuration; `overrides` replaces single fields. */
export function pluginConfig(overrides: Partial<PluginConfig> = {}): PluginConfig {
  return {
    name: "plugin",
    rootId: "root",
    vm: {
      vmId: "vm",
      vmKey: "vm-key",
      codeSha256: CODE_SHA,
      codeKey: CODE_SHA,
      configuration: Buffer.from("vm config"),
      coroutines: false,
      environment: [],
    },
    configuration: Buffer.from("plugin config"),
    failurePolicy: "closed",
    reloadBaseIntervalMs: 1000,
    allowOnHeadersStopIteration: false,
    allowedCapabilities: null,
    pluginKey: "plugin-key",
    trafficDirection: 1,
    listenerMetadata: null,
    isolation: { ...ISOLATION_DEFAULTS, hasStandby: false },
    mode: "live",
    ...overrides,
  };
}

/** A configuration that has the given plugins as filters of one listener, and nothing else. */
export function configWith(plugins: readonly PluginConfig[]): GranaryConfig {
  const httpFilters = plugins.map((plugin) => ({
    kind: "wasm",
    name: plugin.name,
    plugin,
    versions: null,
  }));
  const node = { id: "n", cluster: "c", property: { kind: "message", encoded: new Uint8Array() } };
  // Only what a plugin host reads; the rest of a configuration is none of its business.
  const http = { httpFilters, accessLogPlugins: [], routes: { virtualHosts: [] } };
  const listeners = [{ filterChains: [{ http }] }];
  const config: unknown = { node, services: [], statSinks: [], listeners };
  return config as GranaryConfig;
}

export interface PluginFixture {
  readonly host: PluginHost;
  readonly plugin: Plugin;
  readonly thread: FakeThread;
  readonly problems: readonly string[];
  /** A new stream with its context; throws when the plugin is left out. */
  open(): { readonly stream: FakeStream; readonly context: StreamContext };
}

/** Starts one plugin with the given guest. */
export function startPlugin(
  source: GuestSource,
  overrides: Partial<PluginConfig> = {},
): PluginFixture {
  return startCode(guestModule(source), overrides);
}

/** Starts one plugin with the given module. */
export function startModule(
  bytes: Uint8Array,
  overrides: Partial<PluginConfig> = {},
): PluginFixture {
  return startCode(new WebAssembly.Module(new Uint8Array(bytes)), overrides);
}

/** Starts one plugin of the null engine: `text` is a CommonJS module that exports handlers. */
export function startScript(text: string, overrides: Partial<PluginConfig> = {}): PluginFixture {
  return startCode({ text, filename: "file:///filters/filter.js" }, overrides);
}

function startCode(code: PluginCode, overrides: Partial<PluginConfig>): PluginFixture {
  const config = pluginConfig(overrides);
  const thread = new FakeThread();
  const modules = new Map([[CODE_SHA, code]]);
  const host = createPluginHost({
    config: configWith([config]),
    modules,
    roles: thread,
    singletons: "here",
  });
  const problems = host.start();
  const plugin = host.plugin(config);
  const open = () => {
    const stream = new FakeStream();
    const context = plugin.createStream(stream);
    if (context === null) throw new Error("the plugin is left out");
    return { stream, context };
  };
  return { host, plugin, thread, problems, open };
}
