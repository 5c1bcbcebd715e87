/** The route table of one connection manager: virtual hosts and their routes. */

import type { Route, VirtualHost } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { VirtualHost_TlsRequirementType as TlsRequirement } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { RouteConfiguration } from "../gen/envoy/config/route/v3/route_pb.ts";
import { compileHeaders } from "./compile-headers.ts";
import { compileMatch } from "./compile-match.ts";
import type { FilterBases } from "./compile-overrides.ts";
import { compileOverrides, mergeOverrides } from "./compile-overrides.ts";
import { propertyOrNull } from "./compile-property.ts";
import type { RouteLimits } from "./compile-route-action.ts";
import { compileAction, compileRetry } from "./compile-route-action.ts";
import type { Place } from "./place.ts";
import { wireText } from "./place.ts";
import type { RouteConfig, RouteTableConfig, VirtualHostConfig } from "./types.ts";

/** Envoy's default for `max_direct_response_body_size_bytes`. */
const DIRECT_BODY_BYTES_DEFAULT = 4_096;
const REQUIRE_TLS: Readonly<Record<number, VirtualHostConfig["requireTls"]>> = {
  [TlsRequirement.NONE]: "none",
  [TlsRequirement.EXTERNAL_ONLY]: "externalOnly",
  [TlsRequirement.ALL]: "all",
};

/** @param bases the Wasm filters that `typed_per_filter_config` may change. */
export function compileRoutes(
  message: RouteConfiguration,
  bases: FilterBases,
  place: Place,
): RouteTableConfig {
  const limits: RouteLimits = {
    bases,
    overrides: [compileOverrides(message.typedPerFilterConfig, bases, place)],
    validateClusters: message.validateClusters ?? true,
    directBodyBytesMax: message.maxDirectResponseBodySizeBytes ?? DIRECT_BODY_BYTES_DEFAULT,
  };
  const at = place.child("virtual_hosts");
  const domains = new Map<string, string>();
  const names = new Set<string>();
  const virtualHosts = message.virtualHosts.map((host, i) => {
    if (host.name !== "" && names.has(host.name)) {
      const text = `there are two virtual hosts "${host.name}"`;
      at.item(i).child("name").problem(text, "rename one of them");
    }
    names.add(host.name);
    checkDomains(host, domains, at.item(i).child("domains"));
    return compileHost(host, limits, at.item(i));
  });
  return {
    name: message.name,
    virtualHosts,
    headers: compileHeaders(message, place),
    ignorePortInHost: message.ignorePortInHostMatching,
  };
}

/** Each domain belongs to one virtual host; a wildcard stands at one end. */
function checkDomains(host: VirtualHost, seen: Map<string, string>, place: Place): void {
  host.domains.forEach((domain, i) => {
    const lower = domain.toLowerCase();
    const other = seen.get(lower);
    if (other !== undefined) {
      const text = `the domain "${domain}" is already in virtual host "${other}"`;
      place.item(i).problem(text, "remove it from one of the two");
    }
    seen.set(lower, host.name);
    const inner = lower.replace(/^\*|\*$/, "");
    if (inner.includes("*") || domain === "") {
      const hint = 'write "*", "*.example.com", "example.*" or a full name';
      place.item(i).problem(`"${domain}" is not a domain pattern`, hint);
    }
  });
}

function compileHost(message: VirtualHost, limits: RouteLimits, place: Place): VirtualHostConfig {
  const at = place.child("routes");
  const bufferBytes = message.perRequestBufferLimitBytes ?? -1;
  const own = compileOverrides(message.typedPerFilterConfig, limits.bases, place);
  const overrides = [...limits.overrides, own];
  const routes = message.routes.map((route, i) =>
    compileRoute(route, { ...limits, overrides, bufferBytes }, at.item(i)),
  );
  const retry = message.retryPolicy;
  return {
    name: message.name,
    domains: message.domains.map((domain) => wireText(domain.toLowerCase())),
    routes: routes.filter((route) => route !== null),
    headers: compileHeaders(message, place),
    requireTls: REQUIRE_TLS[message.requireTls] ?? "none",
    attemptCountInRequest: message.includeRequestAttemptCount,
    attemptCountInResponse: message.includeAttemptCountInResponse,
    retryPolicy: retry === undefined ? null : compileRetry(retry, place.child("retry_policy")),
    metadata: propertyOrNull(message.metadata),
  };
}

interface HostLimits extends RouteLimits {
  /** `per_request_buffer_limit_bytes` of the virtual host, or -1. */
  readonly bufferBytes: number;
}

function compileRoute(message: Route, limits: HostLimits, place: Place): RouteConfig | null {
  const headers = compileHeaders(message, place);
  const own = compileOverrides(message.typedPerFilterConfig, limits.bases, place);
  const overrides = [...limits.overrides, own];
  const action = compileAction(message, { ...limits, overrides }, place);
  const match =
    message.match === undefined ? null : compileMatch(message.match, place.child("match"));
  if (action === null || match === null) return null;
  return {
    name: message.name,
    match,
    action,
    headers,
    metadata: propertyOrNull(message.metadata),
    perRequestBufferBytes: message.perRequestBufferLimitBytes ?? limits.bufferBytes,
    overrides: mergeOverrides(...overrides),
  };
}
