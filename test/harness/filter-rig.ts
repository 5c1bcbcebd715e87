/**
 * Plugins in a real proxy: one process, many listeners, each with filters of its own, one upstream.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { cluster } from "./config.ts";
import { FakeUpstream, plainResponse } from "./fake-upstream.ts";
import { BUILD_ROOT, type ProxyOptions, type ProxyProcess, startProxy } from "./proxy.ts";
import { RawClient } from "./raw-client.ts";
import type { RawRequest } from "./raw-requests.ts";
import { parseResponse, type RawResponse } from "./raw-responses.ts";

/** Where package.json and examples are: `build/<name>` and `dist` lie at different depths. */
export const REPOSITORY_ROOT = repositoryRoot(BUILD_ROOT);

function repositoryRoot(from: string): string {
  const parent = join(from, "..");
  return existsSync(join(from, "examples")) || parent === from ? from : repositoryRoot(parent);
}

const VERSIONS = "type.googleapis.com/granary.filters.http.wasm.v1.WasmVersions";
const TYPE = "type.googleapis.com/envoy.extensions.filters";

export interface PluginSpec {
  readonly name: string;
  /** A module, or the file name of a script for the null engine. */
  readonly code: Uint8Array | string;
  readonly configuration?: string;
  readonly vmId?: string;
  readonly vmConfiguration?: string;
  /** Further fields of the plugin's `config`. */
  readonly more?: object;
  /** Other versions of it. */
  readonly versions?: {
    readonly weighted?: readonly VersionSpec[];
    readonly shadows?: readonly VersionSpec[];
  };
}

export interface VersionSpec {
  readonly name: string;
  /** Further fields of the version. */
  readonly more?: object;
  readonly plugin?: PluginSpec;
}

export interface ListenerSpec {
  readonly name: string;
  readonly plugins: readonly PluginSpec[];
  /** Bytes that filters may hold. */
  readonly bufferBytes?: number;
  /** Limits of the plugins. */
  readonly limits?: object;
  /** Further fields of the connection manager. */
  readonly manager?: object;
}

function stringValue(value: string): object {
  return { "@type": "type.googleapis.com/google.protobuf.StringValue", value };
}

function codeFields(code: Uint8Array | string): object {
  return typeof code === "string"
    ? { runtime: "envoy.wasm.runtime.null", code: { local: { filename: code } } }
    : {
        runtime: "envoy.wasm.runtime.v8",
        code: { local: { inline_bytes: Buffer.from(code).toString("base64") } },
      };
}

function pluginMessage(spec: PluginSpec): object {
  const vm = {
    vm_id: spec.vmId ?? "",
    ...codeFields(spec.code),
    ...(spec.vmConfiguration === undefined
      ? {}
      : { configuration: stringValue(spec.vmConfiguration) }),
  };
  return {
    name: spec.name,
    vm_config: vm,
    ...(spec.configuration === undefined ? {} : { configuration: stringValue(spec.configuration) }),
    ...spec.more,
  };
}

function versionMessage({ name, more, plugin }: VersionSpec): object {
  return { name, ...more, ...(plugin === undefined ? {} : { config: pluginMessage(plugin) }) };
}

function wasmFilter(spec: PluginSpec): object {
  const config = pluginMessage(spec);
  const weighted = spec.versions?.weighted?.map(versionMessage) ?? [];
  const shadows = spec.versions?.shadows?.map(versionMessage) ?? [];
  const typed =
    spec.versions === undefined
      ? { "@type": `${TYPE}.http.wasm.v3.Wasm`, config }
      : { "@type": VERSIONS, config, weighted, shadows };
  return { name: spec.name, typed_config: typed };
}

function listener(spec: ListenerSpec): object {
  const router = { "@type": `${TYPE}.http.router.v3.Router` };
  const routes = [{ name: "the-route", match: { prefix: "/" }, route: { cluster: "upstream" } }];
  const manager = {
    "@type": `${TYPE}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: spec.name,
    ...spec.manager,
    route_config: {
      name: "local",
      virtual_hosts: [{ name: "the-host", domains: ["*"], routes }],
    },
    http_filters: [
      ...spec.plugins.map(wasmFilter),
      { name: "envoy.filters.http.router", typed_config: router },
    ],
  };
  const name = "envoy.filters.network.http_connection_manager";
  return {
    name: spec.name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    ...(spec.bufferBytes === undefined
      ? {}
      : { per_connection_buffer_limit_bytes: spec.bufferBytes }),
    ...(spec.limits === undefined
      ? {}
      : { metadata: { filter_metadata: { "granary.wasm": spec.limits } } }),
    filter_chains: [{ filters: [{ name, typed_config: manager }] }],
  };
}

/** Resolves when the proxy has logged a line that `isIt`; the test's own time limit bounds it. */
export async function untilLogged(
  proxy: ProxyProcess,
  isIt: (line: string) => boolean,
): Promise<void> {
  while (!proxy.log.split("\n").some(isIt)) await wait(5);
}

export interface RequestParts {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: string;
  readonly body?: string;
}

export class FilterRig {
  readonly proxy: ProxyProcess;
  readonly upstream: FakeUpstream;
  /** Requests that reached the upstream whole. */
  readonly requests: RawRequest[] = [];
  /** Text of the upstream's answer. */
  answer: (request: RawRequest) => string = () =>
    plainResponse(200, "hello", "x-upstream: yes\r\n");

  private constructor(proxy: ProxyProcess, upstream: FakeUpstream) {
    this.proxy = proxy;
    this.upstream = upstream;
  }

  /** @param moreClusters rows of `static_resources.clusters`, as `cluster()` makes them */
  static async start(
    listeners: readonly ListenerSpec[],
    moreClusters = "",
    options: Omit<ProxyOptions, "yaml"> = {},
  ): Promise<FilterRig> {
    const holder: { rig: FilterRig | null } = { rig: null };
    const upstream = await FakeUpstream.listen({
      onRequest: (request, connection) => {
        holder.rig?.requests.push(request);
        connection.write(holder.rig?.answer(request) ?? plainResponse(500, ""));
      },
    });
    const node = { id: "the-node", cluster: "the-cluster", metadata: { zone: "z1", count: 3 } };
    const yaml = `node: ${JSON.stringify(node)}
static_resources:
  listeners: ${JSON.stringify(listeners.map(listener))}
  clusters:
${cluster("upstream", upstream.port)}${moreClusters}`;
    const proxy = await startProxy({ ...options, yaml }).catch(async (error: unknown) => {
      await upstream.close();
      throw error;
    });
    holder.rig = new FilterRig(proxy, upstream);
    return holder.rig;
  }

  /** Sends one request on a connection of its own. */
  async send(listenerName: string, parts: RequestParts = {}): Promise<RawResponse> {
    const method = parts.method ?? "GET";
    const client = await RawClient.open(this.proxy.port(listenerName));
    const length = parts.body === undefined ? "" : `content-length: ${parts.body.length}\r\n`;
    const head = `${method} ${parts.path ?? "/"} HTTP/1.1\r\nhost: a.example\r\n${length}`;
    client.send(`${head}connection: close\r\n${parts.headers ?? ""}\r\n${parts.body ?? ""}`);
    const text = await client.untilClosed();
    client.close();
    return parseResponse(text, method);
  }

  open(listenerName: string): Promise<RawClient> {
    return RawClient.open(this.proxy.port(listenerName));
  }

  /** What the plugin logged so far. */
  lines(plugin: string): string[] {
    // Root id and VM id follow the name when they are not empty.
    const mark = new RegExp(`wasm log ${plugin}(?: [^ :]+)*: (.*)$`);
    return this.proxy.log.split("\n").flatMap((line) => {
      const text = mark.exec(line)?.[1];
      return text === undefined ? [] : [text];
    });
  }

  /** Resolves with the plugin's lines once one of them is `last`. */
  async linesUntil(plugin: string, last: string): Promise<string[]> {
    while (!this.lines(plugin).includes(last)) await wait(5);
    return this.lines(plugin);
  }

  async stop(): Promise<number | null> {
    const code = await this.proxy.stop();
    await this.upstream.close();
    return code;
  }
}
