/** The HTTP connection manager: limits, timeouts, headers, and its chain of HTTP filters. */
import { LIMITS } from "../base/limits.ts";
import { RouterSchema } from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { TapSchema } from "../gen/envoy/extensions/filters/http/tap/v3/tap_pb.ts";
import { WasmSchema } from "../gen/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
import type {
  HttpConnectionManager,
  HttpFilter,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import {
  HttpConnectionManager_ForwardClientCertDetails as CertDetails,
  HttpConnectionManager_CodecType as CodecType,
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { WasmVersionsSchema } from "../gen/granary/filters/http/wasm/v1/wasm_versions_pb.ts";
import { compileAccessLogs } from "./compile-access-log.ts";
import { compileClientHttp2 } from "./compile-http2.ts";
import { compileLocalReply } from "./compile-local-reply.ts";
import type { FilterBase } from "./compile-overrides.ts";
import { compileRoutes } from "./compile-routes.ts";
import { compileTap } from "./compile-tap.ts";
import { compileVersions } from "./compile-versions.ts";
import type { ListenerOfPlugin } from "./compile-wasm.ts";
import { compileWasm } from "./compile-wasm.ts";
import type { Place } from "./place.ts";
import { durationMs, unpack, wireText } from "./place.ts";
import { isMessage } from "./protobuf.ts";
import type { HttpConnectionManagerConfig, HttpFilterConfig } from "./types.ts";

/** Envoy's defaults, in milliseconds. */
const DEFAULT_MS = {
  idle: 3_600_000,
  streamIdle: 300_000,
  drain: 5_000,
  delayedClose: 1_000,
} as const;
const SERVER_NAME = "granary";
const CODECS: Readonly<Record<number, HttpConnectionManagerConfig["codec"]>> = {
  [CodecType.AUTO]: "auto",
  [CodecType.HTTP1]: "http1",
  [CodecType.HTTP2]: "http2",
};
const SERVER_HEADER: Readonly<Record<number, HttpConnectionManagerConfig["serverHeader"]>> = {
  [ServerHeader.OVERWRITE]: "overwrite",
  [ServerHeader.APPEND_IF_ABSENT]: "appendIfAbsent",
  [ServerHeader.PASS_THROUGH]: "passThrough",
};

const CERT_MODES: Readonly<
  Record<number, HttpConnectionManagerConfig["forwardClientCert"]["mode"]>
> = {
  [CertDetails.SANITIZE]: "sanitize",
  [CertDetails.FORWARD_ONLY]: "forward",
  [CertDetails.APPEND_FORWARD]: "append",
  [CertDetails.SANITIZE_SET]: "set",
  [CertDetails.ALWAYS_FORWARD_ONLY]: "alwaysForward",
};
/** Envoy's own default keeps them, unless a runtime key says otherwise. */
const ESCAPED_SLASHES: Readonly<Record<number, HttpConnectionManagerConfig["escapedSlashes"]>> = {
  [EscapedSlashes.IMPLEMENTATION_SPECIFIC_DEFAULT]: "keep",
  [EscapedSlashes.KEEP_UNCHANGED]: "keep",
  [EscapedSlashes.REJECT_REQUEST]: "reject",
  [EscapedSlashes.UNESCAPE_AND_REDIRECT]: "redirect",
  [EscapedSlashes.UNESCAPE_AND_FORWARD]: "unescape",
};

/** `place` is that of the typed_config. Null after a problem. */
export function compileHcm(
  message: HttpConnectionManager,
  listener: ListenerOfPlugin,
  place: Place,
): HttpConnectionManagerConfig | null {
  const common = message.commonHttpProtocolOptions;
  const bases = new Map<string, FilterBase | null>();
  const filtersAt = place.child("http_filters");
  const httpFilters = compileFilters(message.httpFilters, { listener, bases }, filtersAt);
  const loggers = { listener, made: [] };
  const accessLogs = compileAccessLogs(message.accessLog, place.child("access_log"), loggers);
  if (message.httpProtocolOptions?.allowAbsoluteUrl === false) {
    const at = place.child("http_protocol_options").child("allow_absolute_url");
    at.problem("allow_absolute_url: false is not implemented by Granary", "remove it");
  }
  const { routeSpecifier } = message;
  if (routeSpecifier.case !== "routeConfig") return null;
  const routes = compileRoutes(routeSpecifier.value, bases, place.child("route_config"));
  return {
    codec: CODECS[message.codecType] ?? "auto",
    http2: compileClientHttp2(message.http2ProtocolOptions, place.child("http2_protocol_options")),
    statPrefix: message.statPrefix,
    serverName: message.serverName === "" ? SERVER_NAME : wireText(message.serverName),
    serverHeader: SERVER_HEADER[message.serverHeaderTransformation] ?? "overwrite",
    useRemoteAddress: message.useRemoteAddress ?? false,
    xffNumTrustedHops: message.xffNumTrustedHops,
    skipXffAppend: message.skipXffAppend,
    generateRequestId: message.generateRequestId ?? true,
    preserveExternalRequestId: message.preserveExternalRequestId,
    alwaysSetRequestIdInResponse: message.alwaysSetRequestIdInResponse,
    idleTimeoutMs: durationMs(common?.idleTimeout, DEFAULT_MS.idle),
    maxConnectionDurationMs: durationMs(common?.maxConnectionDuration, 0),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    streamIdleTimeoutMs: durationMs(message.streamIdleTimeout, DEFAULT_MS.streamIdle),
    requestTimeoutMs: durationMs(message.requestTimeout, 0),
    requestHeadersTimeoutMs: durationMs(message.requestHeadersTimeout, 0),
    drainTimeoutMs: durationMs(message.drainTimeout, DEFAULT_MS.drain),
    delayedCloseTimeoutMs: durationMs(message.delayedCloseTimeout, DEFAULT_MS.delayedClose),
    maxRequestHeadersBytes: (message.maxRequestHeadersKb ?? LIMITS.requestHeadKibDefault) * 1024,
    maxHeadersCount: common?.maxHeadersCount ?? LIMITS.headersCountDefault,
    accept10: message.httpProtocolOptions?.acceptHttp10 ?? false,
    defaultHost10: wireText(message.httpProtocolOptions?.defaultHostForHttp10 ?? ""),
    httpFilters,
    accessLogs,
    accessLogPlugins: loggers.made,
    localReply: compileLocalReply(message.localReplyConfig, place.child("local_reply_config")),
    routes,
    normalizePath: message.normalizePath ?? false,
    mergeSlashes: message.mergeSlashes,
    escapedSlashes: ESCAPED_SLASHES[message.pathWithEscapedSlashesAction] ?? "keep",
    via: wireText(message.via),
    stripHostPort:
      message.stripPortMode.case === "stripAnyHostPort" && message.stripPortMode.value
        ? "any"
        : message.stripMatchingHostPort
          ? "matching"
          : "none",
    stripTrailingHostDot: message.stripTrailingHostDot,
    forwardClientCert: compileClientCert(message, place),
  };
}

function compileClientCert(
  message: HttpConnectionManager,
  place: Place,
): HttpConnectionManagerConfig["forwardClientCert"] {
  const details = message.setCurrentClientCertDetails;
  const mode = CERT_MODES[message.forwardClientCertDetails] ?? "sanitize";
  if (details !== undefined && mode !== "append" && mode !== "set") {
    const text = "the details are sent with APPEND_FORWARD and SANITIZE_SET only";
    place.child("set_current_client_cert_details").problem(text, "remove it");
  }
  const { subject = false, cert = false, dns = false, uri = false } = details ?? {};
  return { mode, show: { subject, cert, dns, uri } };
}

/** The filters in order; the last one that is not disabled must be the router. */
function compileFilters(
  filters: readonly HttpFilter[],
  context: FilterContext,
  place: Place,
): HttpFilterConfig[] {
  const made: HttpFilterConfig[] = [];
  let routers = 0;
  const active = filters.map((filter, i) => ({ filter, at: place.item(i) }));
  const enabled = active.filter(({ filter }) => !filter.disabled);
  active.forEach(({ filter, at }) => {
    if (filter.disabled && filter.configType.case === undefined) return;
    const compiled = compileFilter(filter, context, at.child("typed_config"));
    const last = filter === enabled.at(-1)?.filter;
    if (filter.disabled) {
      if (compiled?.kind === "wasm") made.push({ ...compiled, disabled: true });
      return;
    }
    if (compiled?.kind === "router") {
      routers++;
      if (!last) at.problem("the router must be the last HTTP filter", "move it to the end");
    } else if (last && compiled !== null) {
      at.problem(
        "the last HTTP filter must be the router",
        "add envoy.filters.http.router after it",
      );
    }
    if (compiled !== null) made.push(compiled);
  });
  if (enabled.length === 0 && routers === 0) {
    place.problem("there is no router among the HTTP filters", "add envoy.filters.http.router");
  }
  return made;
}

interface FilterContext {
  readonly listener: ListenerOfPlugin;
  /** Filled: what routes may override. */
  readonly bases: Map<string, FilterBase | null>;
}

function compileFilter(
  filter: HttpFilter,
  { listener, bases }: FilterContext,
  place: Place,
): HttpFilterConfig | null {
  const { configType, name } = filter;
  if (configType.case === undefined) {
    place.problem("typed_config is required", 'add typed_config with "@type"');
    return null;
  }
  const message = configType.case === "typedConfig" ? unpack(configType.value) : null;
  bases.set(name, null);
  if (isMessage(message, RouterSchema)) {
    if (message.dynamicStats === false) {
      const at = place.child("dynamic_stats");
      at.problem("dynamic_stats: false is not implemented by Granary", "remove it");
    }
    return { kind: "router", name, suppressEnvoyHeaders: message.suppressEnvoyHeaders };
  }
  if (isMessage(message, TapSchema)) return compileTap(message, name, place);
  if (isMessage(message, WasmSchema)) {
    const made = compileWasm(message, name, listener, place);
    const { config } = message;
    if (made !== null && config !== undefined) {
      bases.set(name, { filter: made, message: config, listener });
    }
    return made;
  }
  if (isMessage(message, WasmVersionsSchema)) {
    const made = compileVersions(message, name, listener, place);
    const { config } = message;
    if (made !== null && config !== undefined) {
      bases.set(name, { filter: made, message: config, listener });
    }
    return made;
  }
  if (message !== null) {
    const hint =
      "use envoy.extensions.filters.http.wasm.v3.Wasm, ...tap.v3.Tap or ...router.v3.Router";
    place.problem(`the HTTP filter ${message.$typeName} is not implemented by Granary`, hint);
  }
  return null;
}
