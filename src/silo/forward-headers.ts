/**
 * What forwarding does to headers: rewrites and the additions and removals that the configuration
 * names, most specific first (weighted cluster, route, virtual host, route table), as in Envoy.
 * @hot per-request
 */
import type { ForwardActionConfig, WeightedClusterConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { mutateRequest, mutateResponse } from "./header-mutations.ts";
import { rewritePath } from "./path-rewrite.ts";
import type { RouteMatch } from "./route-table.ts";
import type { Stream } from "./stream.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Where a request goes. */
export interface ForwardTarget {
  readonly match: RouteMatch;
  readonly action: ForwardActionConfig;
  readonly chosen: WeightedClusterConfig;
}

/** Makes request headers ready for the upstream. */
export function finishRequestHeaders(
  target: ForwardTarget,
  headers: HeaderMap,
  stream: Stream,
): void {
  const { info, manager } = stream;
  const { action, chosen } = target;
  const { route, virtualHost } = target.match;
  if (!manager.suppressEnvoyHeaders && action.timeoutMs > 0) {
    headers.set("x-envoy-expected-rq-timeout-ms", String(action.timeoutMs));
  }
  mutateRequest(headers, chosen.headers, info);
  mutateRequest(headers, route.headers, info);
  mutateRequest(headers, virtualHost.headers, info);
  mutateRequest(headers, manager.routes.config.headers, info);
  rewriteHost(headers, action, hostOfRoute(headers, action));
  const path = headers.get(":path") as string;
  const rewritten = rewritePath(path, action, route.match);
  if (rewritten === path) return;
  if (!manager.suppressEnvoyHeaders) headers.set("x-envoy-original-path", path);
  headers.set(":path", rewritten);
}

function hostOfRoute(headers: HeaderMap, action: ForwardActionConfig): string | null {
  if (action.hostRewriteHeader === null) return action.hostRewriteLiteral;
  const host = headers.get(action.hostRewriteHeader);
  return host === "" ? null : host;
}

function rewriteHost(headers: HeaderMap, action: ForwardActionConfig, host: string | null): void {
  const before = headers.get(":authority");
  if (host === null || host === before) return;
  if (action.appendForwardedHost && before !== null) headers.add("x-forwarded-host", before);
  headers.set(":authority", host);
}

/** What each attempt says anew: its number, and the name of its endpoint. */
export function finishAttemptHeaders(
  headers: HeaderMap,
  { match, action }: Pick<ForwardTarget, "match" | "action">,
  info: StreamInfo,
): void {
  if (match.virtualHost.attemptCountInRequest) {
    headers.set("x-envoy-attempt-count", String(info.attemptCount));
  }
  if (!action.autoHostRewrite) return;
  const name = info.endpoint?.hostname ?? "";
  rewriteHost(headers, action, name === "" ? null : name);
}

/** Applies the response headers that the configuration adds and removes. */
export function finishResponseHeaders(
  headers: HeaderMap,
  match: RouteMatch,
  chosen: WeightedClusterConfig | null,
  stream: Stream,
): void {
  const { info, manager } = stream;
  if (match.virtualHost.attemptCountInResponse) {
    headers.set("x-envoy-attempt-count", String(info.attemptCount));
  }
  if (chosen !== null) mutateResponse(headers, chosen.headers, info);
  mutateResponse(headers, match.route.headers, info);
  mutateResponse(headers, match.virtualHost.headers, info);
  mutateResponse(headers, manager.routes.config.headers, info);
}

/** Draws by weight; `random` in [0, 1). */
export function pickWeighted(action: ForwardActionConfig, random: number): WeightedClusterConfig {
  let point = random * action.totalWeight;
  for (const cluster of action.clusters) {
    point -= cluster.weight;
    if (point < 0) return cluster;
  }
  return action.clusters[action.clusters.length - 1] as WeightedClusterConfig;
}
