/** Listeners: address, filter chains, their connection managers and TLS. */
import { isIP } from "node:net";
import { LIMITS } from "../base/limits.ts";
import type { Address } from "../gen/envoy/config/core/v3/address_pb.ts";
import type {
  Filter,
  FilterChain,
} from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { HttpConnectionManagerSchema } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { TcpProxySchema } from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { WasmSchema as NetworkWasmSchema } from "../gen/envoy/extensions/filters/network/wasm/v3/wasm_pb.ts";
import {
  checkDistinct,
  compileChainMatch,
  compileListenerFilters,
} from "./compile-filter-chain.ts";
import { compileHcm } from "./compile-hcm.ts";
import { ISOLATION_KEY, readIsolation } from "./compile-isolation.ts";
import { propertyOrNull } from "./compile-property.ts";
import { compileNetworkWasm, compileTcpProxy } from "./compile-tcp.ts";
import { compileDownstreamTls } from "./compile-tls.ts";
import type { ListenerOfPlugin } from "./compile-wasm.ts";
import type { IsolationLayer } from "./isolation-types.ts";
import type { Place } from "./place.ts";
import { unpack } from "./place.ts";
import { isMessage } from "./protobuf.ts";
import type {
  FilterChainConfig,
  HttpChainConfig,
  HttpConnectionManagerConfig,
  ListenerConfig,
  PluginConfig,
  SocketAddress,
  TcpProxyConfig,
} from "./types.ts";

/** Backlog where `tcp_backlog_size` is not set: Node's and libuv's own. */
const BACKLOG_DEFAULT = 511;

/** All listeners; those with problems are left out. */
export function compileListeners(listeners: readonly Listener[], place: Place): ListenerConfig[] {
  const names = new Set<string>();
  const made: ListenerConfig[] = [];
  listeners.forEach((listener, i) => {
    const at = place.item(i);
    if (listener.name !== "" && names.has(listener.name)) {
      const text = `there are two listeners "${listener.name}"`;
      at.child("name").problem(text, "rename one of them");
    }
    names.add(listener.name);
    const compiled = compileListener(listener, i, at);
    if (compiled !== null) made.push(compiled);
  });
  return made;
}

function compileListener(message: Listener, index: number, place: Place): ListenerConfig | null {
  const address = compileAddress(message.address, place.child("address"));
  const plugin: ListenerOfPlugin = {
    trafficDirection: message.trafficDirection,
    metadata: message.metadata,
    isolation: [listenerIsolation(message, place), place.context.isolation],
  };
  const filterChains = compileChains(message, plugin, place);
  const listenerFilters = compileListenerFilters(message, filterChains, place);
  if (address === null || filterChains.length === 0) return null;
  return {
    name: message.name === "" ? `listener_${index}` : message.name,
    address,
    trafficDirection: message.trafficDirection,
    metadata: propertyOrNull(message.metadata),
    perConnectionBufferBytes: message.perConnectionBufferLimitBytes ?? LIMITS.bufferBytesDefault,
    backlog: message.tcpBacklogSize ?? BACKLOG_DEFAULT,
    filterChains,
    listenerFilters,
  };
}

function listenerIsolation({ metadata }: Listener, place: Place): IsolationLayer {
  const at = place.child("metadata").child("filter_metadata").key(ISOLATION_KEY);
  return readIsolation(metadata?.filterMetadata[ISOLATION_KEY], at);
}

/** An address to listen on: an IP literal and a port. Null after a problem. */
export function compileAddress(message: Address | undefined, place: Place): SocketAddress | null {
  if (message === undefined) {
    place.problem("address is required", "add address.socket_address");
    return null;
  }
  const { address } = message;
  if (address.case !== "socketAddress") return null;
  const { address: host, portSpecifier } = address.value;
  if (portSpecifier.case !== "portValue") return null;
  if (isIP(host) === 0) {
    const hint = "write an IPv4 or IPv6 address without brackets, such as 0.0.0.0 or ::";
    place.child("socket_address").child("address").problem(`"${host}" is not an IP address`, hint);
    return null;
  }
  return { host, port: portSpecifier.value };
}

function compileChains(
  message: Listener,
  listener: ListenerOfPlugin,
  place: Place,
): FilterChainConfig[] {
  const at = place.child("filter_chains");
  const chains = message.filterChains.map((chain, i) =>
    compileChain({ chain, isDefault: false }, listener, at.item(i)),
  );
  const { defaultFilterChain } = message;
  if (defaultFilterChain !== undefined) {
    const where = place.child("default_filter_chain");
    const chain = { chain: defaultFilterChain, isDefault: true };
    chains.push(compileChain(chain, listener, where));
    if (defaultFilterChain.filterChainMatch !== undefined) {
      const text = "the default filter chain takes what no other chain matches";
      where.child("filter_chain_match").problem(text, "remove it");
    }
  }
  if (chains.length === 0) at.problem("a filter chain is required", "add one to filter_chains");
  const made = chains.filter((chain) => chain !== null);
  if (made.length === chains.length) checkDistinct(made, at);
  return made;
}

function compileChain(
  { chain, isDefault }: { readonly chain: FilterChain; readonly isDefault: boolean },
  listener: ListenerOfPlugin,
  place: Place,
): FilterChainConfig | null {
  const tls = compileDownstreamTls(chain.transportSocket, place.child("transport_socket"));
  const at = place.child("filters");
  if (chain.filters.length === 0) {
    at.problem("a network filter is required", "add an HttpConnectionManager");
  }
  const match = compileChainMatch(chain.filterChainMatch, place.child("filter_chain_match"));
  const filters = chain.filters.map((filter, i) =>
    compileNetworkFilter(filter, listener, at.item(i).child("typed_config")),
  );
  const parts = filters.filter((part) => part !== null);
  if (parts.length !== filters.length) return null;
  const common = { name: chain.name, isDefault, match, tls };
  return assembleChain(parts, common, at);
}

type NetworkFilter =
  | { readonly kind: "http"; readonly http: HttpConnectionManagerConfig }
  | { readonly kind: "tcpProxy"; readonly proxy: TcpProxyConfig }
  | { readonly kind: "wasm"; readonly plugin: PluginConfig };

function compileNetworkFilter(
  { configType }: Filter,
  listener: ListenerOfPlugin,
  where: Place,
): NetworkFilter | null {
  if (configType.case === undefined) {
    where.problem("typed_config is required", 'add typed_config with "@type"');
    return null;
  }
  const message = configType.case === "typedConfig" ? unpack(configType.value) : null;
  if (message === null) return null;
  if (isMessage(message, HttpConnectionManagerSchema)) {
    const http = compileHcm(message, listener, where);
    return http === null ? null : { kind: "http", http };
  }
  if (isMessage(message, TcpProxySchema)) {
    return { kind: "tcpProxy", proxy: compileTcpProxy(message, listener, where) };
  }
  if (isMessage(message, NetworkWasmSchema)) {
    const plugin = compileNetworkWasm(message, listener, where);
    return plugin === null ? null : { kind: "wasm", plugin };
  }
  const text = `the network filter ${message.$typeName} is not implemented by Granary`;
  where.problem(text, "use HttpConnectionManager, TcpProxy or Wasm");
  return null;
}

/** An HttpConnectionManager alone, or Wasm filters and then a TcpProxy. */
function assembleChain(
  parts: readonly NetworkFilter[],
  common: Omit<HttpChainConfig, "kind" | "http">,
  place: Place,
): FilterChainConfig | null {
  const last = parts.at(-1);
  if (last === undefined) return null;
  const before = parts.slice(0, -1);
  if (last.kind === "http") {
    if (before.length === 0) return { ...common, kind: "http", http: last.http };
    const at = place.item(parts.length - 1).child("typed_config");
    const text = "network filters before an HttpConnectionManager are not implemented";
    at.problem(text, "keep it alone, or use TcpProxy behind them");
    return null;
  }
  if (last.kind === "wasm") {
    place.problem(
      "the last network filter must be a TcpProxy",
      "add envoy.filters.network.tcp_proxy",
    );
    return null;
  }
  const filters = before.flatMap((part) => (part.kind === "wasm" ? [part.plugin] : []));
  if (filters.length === before.length) {
    return { ...common, kind: "tcp", tcp: { filters, proxy: last.proxy } };
  }
  place.problem("a TcpProxy and another such filter cannot stand in one chain", "keep one");
  return null;
}
