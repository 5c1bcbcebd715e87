/**
 * The bootstrap under which the conformance cases run: one listener, one toolbox filter, one
 * upstream. Only fields that Envoy and Granary share, as a plain object for JSON.
 */
import type { Sdk } from "./case.ts";

export const NODE_ID = "conformance-node";
export const NODE_CLUSTER = "conformance";
export const UPSTREAM_CLUSTER = "conformance_upstream";
export const ROUTE_NAME = "conformance_route";
export const PLUGIN_NAME = "toolbox-plugin";
export const PLUGIN_ROOT_ID = "toolbox-root";
export const PLUGIN_VM_ID = "toolbox-vm";
export const PLUGIN_CONFIGURATION = "text for the plugin";
export const VM_CONFIGURATION = "text for the VM";

/** Committed modules, relative to the repository's root. */
export const TOOLBOX_FILES: Readonly<Record<Sdk, string>> = {
  rust: "examples/filters/rust/toolbox/toolbox.wasm",
  go: "examples/filters/go/toolbox/toolbox.wasm",
  assemblyscript: "examples/filters/assemblyscript/toolbox/toolbox.wasm",
  typescript: "examples/filters/typescript/toolbox/toolbox.ts",
};

export interface ConformanceSetup {
  /** Path of the module, as the proxy's process resolves it. */
  readonly moduleFile: string;
  readonly failOpen: boolean;
  /** Other texts than the usual ones. */
  readonly pluginConfiguration?: string;
  readonly vmConfiguration?: string;
  /** `allow_on_headers_stop_iteration`; Envoy's default is false. */
  readonly headersStopIteration?: boolean;
  readonly listenerPort: number;
  readonly adminPort: number;
  readonly upstreamPort: number;
}

export function conformanceBootstrap(setup: ConformanceSetup): object {
  return {
    node: { id: NODE_ID, cluster: NODE_CLUSTER },
    admin: { address: socketAddress(setup.adminPort) },
    static_resources: {
      listeners: [
        {
          name: "conformance_listener",
          address: socketAddress(setup.listenerPort),
          filter_chains: [{ filters: [connectionManager(setup)] }],
        },
      ],
      clusters: [upstreamCluster(setup.upstreamPort)],
    },
  };
}

function connectionManager(setup: ConformanceSetup): object {
  return {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: {
      "@type":
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3." +
        "HttpConnectionManager",
      stat_prefix: "conformance",
      codec_type: "AUTO",
      route_config: {
        name: "local_route",
        virtual_hosts: [
          {
            name: "all",
            domains: ["*"],
            routes: [
              {
                name: ROUTE_NAME,
                match: { prefix: "/" },
                route: { cluster: UPSTREAM_CLUSTER },
              },
            ],
          },
        ],
      },
      http_filters: [
        { name: "toolbox", typed_config: wasmFilter(setup) },
        {
          name: "envoy.filters.http.router",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
          },
        },
      ],
    },
  };
}

function wasmFilter(setup: ConformanceSetup): object {
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
    config: {
      name: PLUGIN_NAME,
      root_id: PLUGIN_ROOT_ID,
      fail_open: setup.failOpen,
      allow_on_headers_stop_iteration: setup.headersStopIteration ?? false,
      configuration: stringValue(setup.pluginConfiguration ?? PLUGIN_CONFIGURATION),
      vm_config: {
        vm_id: PLUGIN_VM_ID,
        runtime: `envoy.wasm.runtime.${setup.moduleFile.endsWith(".ts") ? "null" : "v8"}`,
        code: { local: { filename: setup.moduleFile } },
        configuration: stringValue(setup.vmConfiguration ?? VM_CONFIGURATION),
      },
    },
  };
}

function upstreamCluster(port: number): object {
  return {
    name: UPSTREAM_CLUSTER,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: UPSTREAM_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(port) } }] }],
    },
  };
}

function socketAddress(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}

function stringValue(value: string): object {
  return { "@type": "type.googleapis.com/google.protobuf.StringValue", value };
}
