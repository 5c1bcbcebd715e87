/** Which connections a filter chain serves, and what looks at them before. */
import { isIP } from "node:net";
import type { CidrRange } from "../gen/envoy/config/core/v3/address_pb.ts";
import type {
  FilterChainMatch,
  ListenerFilter,
} from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { FilterChainMatch_ConnectionSourceType as SourceType } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { HttpInspectorSchema } from "../gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts";
import { OriginalDstSchema } from "../gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
import { ProxyProtocolSchema } from "../gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts";
import { TlsInspectorSchema } from "../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import type { Place } from "./place.ts";
import { durationMs, unpack } from "./place.ts";
import { isMessage } from "./protobuf.ts";
import type {
  CidrConfig,
  FilterChainConfig,
  FilterChainMatchConfig,
  ListenerFiltersConfig,
} from "./types.ts";

/** Envoy's default for `listener_filters_timeout`. */
const TIMEOUT_MS = 15_000;
const SOURCE_TYPES: Readonly<Record<number, FilterChainMatchConfig["sourceType"]>> = {
  [SourceType.ANY]: "any",
  [SourceType.SAME_IP_OR_LOOPBACK]: "local",
  [SourceType.EXTERNAL]: "external",
};
const TRANSPORTS = ["", "tls", "raw_buffer"];

/** Null where every connection matches. */
export function compileChainMatch(
  message: FilterChainMatch | undefined,
  place: Place,
): FilterChainMatchConfig | null {
  if (message === undefined) return null;
  const ranges = (list: readonly CidrRange[], field: string): CidrConfig[] =>
    compileRanges(list, place.child(field));
  if (!TRANSPORTS.includes(message.transportProtocol)) {
    const text = `no connection here has the transport protocol "${message.transportProtocol}"`;
    place.child("transport_protocol").problem(text, 'write "tls" or "raw_buffer"');
  }
  message.serverNames.forEach((name, i) => {
    if (!name.slice(name.startsWith("*.") ? 2 : 0).includes("*") && name !== "") return;
    const hint = 'write a full name or "*.example.com"';
    place.child("server_names").item(i).problem(`"${name}" is not a server name`, hint);
  });
  return {
    destinationPort: message.destinationPort ?? -1,
    prefixRanges: ranges(message.prefixRanges, "prefix_ranges"),
    serverNames: message.serverNames.map((name) => name.toLowerCase()),
    transportProtocol: message.transportProtocol,
    applicationProtocols: message.applicationProtocols,
    directSourceRanges: ranges(message.directSourcePrefixRanges, "direct_source_prefix_ranges"),
    sourceType: SOURCE_TYPES[message.sourceType] ?? "any",
    sourceRanges: ranges(message.sourcePrefixRanges, "source_prefix_ranges"),
    sourcePorts: message.sourcePorts,
  };
}

function compileRanges(list: readonly CidrRange[], place: Place): CidrConfig[] {
  return list.map((range, i) => {
    const { addressPrefix: address } = range;
    const length = range.prefixLen ?? 0;
    const at = place.item(i);
    const version = isIP(address);
    if (version === 0) {
      at.child("address_prefix").problem(`"${address}" is not an IP address`, "write 10.0.0.0");
    } else if (length > (version === 4 ? 32 : 128)) {
      at.child("prefix_len").problem(`${length} is longer than the address`, "shorten it");
    }
    return { address, length };
  });
}

/** Two chains that ask for the same could never both be used. */
export function checkDistinct(chains: readonly FilterChainConfig[], place: Place): void {
  const seen = new Map<string, number>();
  chains.forEach((chain, i) => {
    if (chain.isDefault) return;
    const key = JSON.stringify(chain.match);
    const other = seen.get(key);
    if (other === undefined) seen.set(key, i);
    else {
      const text = `filter_chains[${other}] has the same filter_chain_match`;
      place.item(i).problem(text, "give each chain a match of its own");
    }
  });
}

export function compileListenerFilters(
  message: Listener,
  chains: readonly FilterChainConfig[],
  place: Place,
): ListenerFiltersConfig {
  let proxyProtocol: ListenerFiltersConfig["proxyProtocol"] = null;
  let inspectsHttp = false;
  message.listenerFilters.forEach((filter, i) => {
    const at = place.child("listener_filters").item(i);
    const found = compileFilter(filter, at);
    if (found !== null && typeof found === "object") proxyProtocol = found;
    if (found === "http") inspectsHttp = true;
  });
  const asks = chains.flatMap(({ match }) => (match === null ? [] : [match]));
  const protocols = asks.some(({ applicationProtocols: { length } }) => length > 0);
  return {
    proxyProtocol,
    // Envoy adds its TLS inspector by itself where a chain asks for what it finds.
    inspectsTls:
      protocols ||
      asks.some((match) => match.serverNames.length > 0 || match.transportProtocol !== ""),
    inspectsHttp: inspectsHttp && protocols,
    timeoutMs: durationMs(message.listenerFiltersTimeout, TIMEOUT_MS),
    continueOnTimeout: message.continueOnListenerFiltersTimeout,
  };
}

function compileFilter(
  filter: ListenerFilter,
  place: Place,
): "tls" | "http" | { readonly isOptional: boolean } | null {
  const at = place.child("typed_config");
  const { configType } = filter;
  if (configType.case !== "typedConfig") {
    at.problem("typed_config is required", 'add typed_config with "@type"');
    return null;
  }
  const message = unpack(configType.value);
  if (isMessage(message, ProxyProtocolSchema)) {
    return { isOptional: message.allowRequestsWithoutProxyProtocol };
  }
  if (isMessage(message, TlsInspectorSchema)) return "tls";
  if (isMessage(message, HttpInspectorSchema)) return "http";
  if (isMessage(message, OriginalDstSchema)) {
    const hint = "chains see the address that the connection was accepted on";
    place.warn("original_dst has no effect in Granary", hint);
    return null;
  }
  if (message !== null) {
    const hint = "use ProxyProtocol, TlsInspector or HttpInspector";
    at.problem(`the listener filter ${message.$typeName} is not implemented by Granary`, hint);
  }
  return null;
}
