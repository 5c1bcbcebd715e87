/**
 * `granary dev FILTER`: the configuration under which a filter's author tries it, when there is
 * none of their own: one listener, the filter, and what stands behind it. Pure.
 */
import { isIP } from "node:net";
import { resolve } from "node:path";

export const DEV_PORT = 10_000;

export interface DevOptions {
  /** The filter's file. */
  readonly path: string;
  /** Where requests go; null: each is answered on the spot. */
  readonly upstream: URL | null;
  /** Of the listener, on loopback. */
  readonly port: number;
}

const TYPE = "type.googleapis.com/envoy.extensions";
const CLUSTER = "upstream";
const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/** What requests get that pass the filter, where no upstream was named. */
const PASSED = "the filter let the request pass\n";

/** The upstream that `text` names, or null when it is no http or https URL. */
export function upstreamUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  return Object.hasOwn(PORTS, url.protocol) && url.hostname !== "" ? url : null;
}

/** The bootstrap as JSON, which is YAML. */
export function devBootstrap({ path, upstream, port }: DevOptions): string {
  const config = {
    name: "dev",
    vm_config: {
      vm_id: "dev",
      runtime: "envoy.wasm.runtime.null",
      code: { local: { filename: resolve(path) } },
    },
  };
  const action =
    upstream === null
      ? { direct_response: { status: 200, body: { inline_string: PASSED } } }
      : { route: { cluster: CLUSTER, host_rewrite_literal: upstream.host } };
  const manager = {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "dev",
    route_config: {
      name: "dev",
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, ...action }] },
      ],
    },
    http_filters: [
      { name: "dev", typed_config: { "@type": `${TYPE}.filters.http.wasm.v3.Wasm`, config } },
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": `${TYPE}.filters.http.router.v3.Router` },
      },
    ],
  };
  const name = "envoy.filters.network.http_connection_manager";
  const listener = {
    name: "dev",
    address: address("127.0.0.1", port),
    filter_chains: [{ filters: [{ name, typed_config: manager }] }],
  };
  const clusters = upstream === null ? [] : [cluster(upstream)];
  return JSON.stringify({ static_resources: { listeners: [listener], clusters } });
}

function address(host: string, port: number): object {
  return { socket_address: { address: host, port_value: port } };
}

function cluster(url: URL): object {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? PORTS[url.protocol] : Number(url.port);
  const endpoint = { address: address(host, port ?? 0) };
  const tls = {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": `${TYPE}.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: host,
    },
  };
  return {
    name: CLUSTER,
    type: isIP(host) === 0 ? "STRICT_DNS" : "STATIC",
    load_assignment: { cluster_name: CLUSTER, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    ...(url.protocol === "https:" ? { transport_socket: tls } : {}),
  };
}
