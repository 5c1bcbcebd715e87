/** TCP chains in a real proxy: listeners with Wasm network filters, upstreams that a test scripts. */
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { type ProxyProcess, startProxy } from "./proxy.ts";
import { RawClient } from "./raw-client.ts";

const E = "type.googleapis.com/envoy.extensions";

export interface TcpListenerSpec {
  readonly name: string;
  /** Code of Wasm filters by plugin name, or file names of scripts. */
  readonly filters?: Readonly<Record<string, Uint8Array | string>>;
  /** Further fields of each plugin. */
  readonly plugin?: object;
  /** Fields of tcp_proxy; `cluster: upstream` by default. */
  readonly proxy?: object;
  readonly listener?: object;
  readonly chain?: object;
}

/** The access log of every listener. */
const LOG_FORMAT =
  "tcp %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% " +
  "%CONNECTION_TERMINATION_DETAILS% %PROTOCOL%\n";

function wasmFilter(name: string, code: Uint8Array | string, more: object): object {
  const isScript = typeof code === "string";
  const local = isScript
    ? { filename: code }
    : { inline_bytes: Buffer.from(code).toString("base64") };
  const runtime = isScript ? { runtime: "envoy.wasm.runtime.null" } : {};
  const vm = { vm_id: name, code: { local }, ...runtime };
  const config = { name, vm_config: vm, ...more };
  return { name, typed_config: { "@type": `${E}.filters.network.wasm.v3.Wasm`, config } };
}

function listener(spec: TcpListenerSpec): object {
  const format = { text_format_source: { inline_string: `${spec.name} ${LOG_FORMAT}` } };
  const log = {
    "@type": `${E}.access_loggers.stream.v3.StdoutAccessLog`,
    log_format: format,
  };
  const proxy = {
    "@type": `${E}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: spec.name,
    access_log: [{ name: "log", typed_config: log }],
    ...(spec.proxy ?? { cluster: "upstream" }),
  };
  const filters = Object.entries(spec.filters ?? {}).map(([name, code]) =>
    wasmFilter(name, code, spec.plugin ?? {}),
  );
  const last = { name: "envoy.filters.network.tcp_proxy", typed_config: proxy };
  return {
    name: spec.name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [{ filters: [...filters, last], ...spec.chain }],
    ...spec.listener,
  };
}

export class TcpRig {
  readonly proxy: ProxyProcess;
  /** Sockets that reached the upstream, in their order. */
  readonly sockets: Socket[];
  readonly #server: Server;

  private constructor(proxy: ProxyProcess, server: Server, sockets: Socket[]) {
    this.proxy = proxy;
    this.#server = server;
    this.sockets = sockets;
  }

  /** @param serve what the upstream does with a connection @param clusters further clusters */
  static async start(
    listeners: readonly TcpListenerSpec[],
    serve: (socket: Socket) => void,
    clusters: readonly object[] = [],
  ): Promise<TcpRig> {
    const sockets: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on("error", () => socket.destroy());
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const all = [tcpCluster("upstream", port), ...clusters];
    const yaml = `static_resources:
  listeners: ${JSON.stringify(listeners.map(listener))}
  clusters: ${JSON.stringify(all)}
`;
    const proxy = await startProxy({ yaml });
    return new TcpRig(proxy, server, sockets);
  }

  get upstreamPort(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  open(name: string): Promise<RawClient> {
    return RawClient.open(this.proxy.port(name));
  }

  /** What the plugin logged so far. */
  lines(plugin: string): string[] {
    const mark = new RegExp(`wasm log ${plugin}(?: [^ :]+)*: (.*)$`);
    return this.proxy.log.split("\n").flatMap((line) => mark.exec(line)?.[1] ?? []);
  }

  /** Resolves with the plugin's lines once one of them begins with `start`. */
  async linesUntil(plugin: string, start: string): Promise<string[]> {
    while (!this.lines(plugin).some((line) => line.startsWith(start))) await wait(5);
    return this.lines(plugin);
  }

  /** The access log lines of a listener, once there are `count`. */
  async logged(name: string, count = 1): Promise<string[]> {
    const isOwn = (line: string): boolean => line.startsWith(`${name} tcp `);
    for (;;) {
      const lines = this.proxy.output.split("\n").filter(isOwn);
      if (lines.length >= count) return lines;
      await wait(5);
    }
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export function tcpCluster(name: string, port: number, more: object = {}): object {
  const endpoint = { address: { socket_address: { address: "127.0.0.1", port_value: port } } };
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    ...more,
  };
}
