/** What a route does: forward to clusters, redirect, answer directly; and retry policies. */
import type {
  DirectResponseAction,
  RedirectAction,
  RetryPolicy,
  Route,
  RouteAction,
  WeightedCluster,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  RedirectAction_RedirectResponseCode as RedirectCode,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { PreviousHostsPredicateSchema } from "../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { compileHeaders } from "./compile-headers.ts";
import { compileHeaderMatch, compileRewrite } from "./compile-match.ts";
import type { FilterBases, OverrideLevel } from "./compile-overrides.ts";
import { compileOverrides, mergeOverrides } from "./compile-overrides.ts";
import { readSource } from "./compile-source.ts";
import type { Place } from "./place.ts";
import { durationMs, unpack, wireText } from "./place.ts";
import { isMessage } from "./protobuf.ts";
import type {
  DirectResponseConfig,
  ForwardActionConfig,
  HeaderMutations,
  RedirectActionConfig,
  RetryOn,
  RetryPolicyConfig,
  RouteActionConfig,
  WeightedClusterConfig,
} from "./types.ts";
import { RETRY_ON } from "./types.ts";

export interface RouteLimits {
  /** Whether a missing cluster is an error (Envoy: yes for static routes). */
  readonly validateClusters: boolean;
  readonly bases: FilterBases;
  /** Of the table, the virtual host and the route, as far as is known. */
  readonly overrides: readonly OverrideLevel[];
  /** Bytes of a direct response (Envoy: 4096). */
  readonly directBodyBytesMax: number;
}

const ROUTE_TIMEOUT_MS = 15_000;
const RETRY_BACKOFF_BASE_MS = 25;
/** Envoy: the maximum interval is ten times the base interval. */
const RETRY_BACKOFF_FACTOR = 10;
const WEIGHT_SUM_MAX = 2 ** 32 - 1;
const NO_HEADERS: HeaderMutations = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};
const NOT_FOUND_STATUS: Readonly<Record<number, number>> = {
  [NotFoundCode.SERVICE_UNAVAILABLE]: 503,
  [NotFoundCode.NOT_FOUND]: 404,
  [NotFoundCode.INTERNAL_SERVER_ERROR]: 500,
};
const REDIRECT_STATUS: Readonly<Record<number, number>> = {
  [RedirectCode.MOVED_PERMANENTLY]: 301,
  [RedirectCode.FOUND]: 302,
  [RedirectCode.SEE_OTHER]: 303,
  [RedirectCode.TEMPORARY_REDIRECT]: 307,
  [RedirectCode.PERMANENT_REDIRECT]: 308,
};

/** The action of a route; null after a problem. */
export function compileAction(
  route: Route,
  limits: RouteLimits,
  place: Place,
): RouteActionConfig | null {
  const { action } = route;
  switch (action.case) {
    case "route":
      return compileForward(action.value, limits, place.child("route"));
    case "redirect":
      return compileRedirect(action.value, place.child("redirect"));
    case "directResponse":
      return compileDirect(action.value, limits, place.child("direct_response"));
    default:
      return null;
  }
}

function compileForward(
  message: RouteAction,
  limits: RouteLimits,
  place: Place,
): ForwardActionConfig {
  const clusters = compileClusters(message, limits, place);
  const rewrite = message.regexRewrite;
  if (message.prefixRewrite !== "" && rewrite !== undefined) {
    const text = "prefix_rewrite and regex_rewrite are both set";
    place.child("regex_rewrite").problem(text, "keep one of the two");
  }
  const host = message.hostRewriteSpecifier;
  const retry = message.retryPolicy;
  const at = place.child("regex_rewrite");
  return {
    kind: "route",
    clusters,
    totalWeight: clusters.reduce((sum, { weight }) => sum + weight, 0),
    prefixRewrite: message.prefixRewrite === "" ? null : wireText(message.prefixRewrite),
    regexRewrite: rewrite === undefined ? null : compileRewrite(rewrite, at),
    hostRewriteLiteral: host.case === "hostRewriteLiteral" ? wireText(host.value) : null,
    autoHostRewrite: host.case === "autoHostRewrite" && (host.value.value ?? false),
    hostRewriteHeader:
      host.case === "hostRewriteHeader" ? wireText(host.value.toLowerCase()) : null,
    appendForwardedHost: message.appendXForwardedHost,
    timeoutMs: durationMs(message.timeout, ROUTE_TIMEOUT_MS),
    idleTimeoutMs: durationMs(message.idleTimeout, -1),
    retryPolicy: retry === undefined ? null : compileRetry(retry, place.child("retry_policy")),
    clusterNotFoundStatus: NOT_FOUND_STATUS[message.clusterNotFoundResponseCode] ?? 503,
  };
}

function compileClusters(
  message: RouteAction,
  limits: RouteLimits,
  place: Place,
): WeightedClusterConfig[] {
  const specifier = message.clusterSpecifier;
  if (specifier.case === "cluster") {
    checkCluster(specifier.value, limits, place.child("cluster"));
    return [{ cluster: specifier.value, weight: 1, headers: NO_HEADERS, overrides: null }];
  }
  if (specifier.case !== "weightedClusters") return [];
  return compileWeighted(specifier.value, limits, place.child("weighted_clusters"));
}

function compileWeighted(
  message: WeightedCluster,
  limits: RouteLimits,
  place: Place,
): WeightedClusterConfig[] {
  const clusters = message.clusters.map((entry, i) => {
    const at = place.child("clusters").item(i);
    if (entry.name === "") at.child("name").problem("name is required", "name a cluster");
    else checkCluster(entry.name, limits, at.child("name"));
    const own = compileOverrides(entry.typedPerFilterConfig, limits.bases, at);
    return {
      cluster: entry.name,
      weight: entry.weight ?? 0,
      headers: compileHeaders(entry, at),
      overrides: own.size === 0 ? null : mergeOverrides(...limits.overrides, own),
    };
  });
  const sum = clusters.reduce((total, { weight }) => total + weight, 0);
  const at = place.child("clusters");
  if (clusters.length > 0 && sum === 0) {
    at.problem("the weights of the clusters sum to 0", "give at least one cluster a weight");
  } else if (sum > WEIGHT_SUM_MAX) {
    at.problem(`the weights sum to ${sum}`, `keep the sum at most ${WEIGHT_SUM_MAX}`);
  }
  const declared = message.totalWeight;
  if (declared !== undefined && sum > 0 && declared !== sum) {
    const text = `total_weight is ${declared}, but the weights sum to ${sum}`;
    place.child("total_weight").problem(text, "remove total_weight");
  }
  return clusters;
}

function checkCluster(name: string, limits: RouteLimits, place: Place): void {
  const { clusterNames } = place.context;
  if (!limits.validateClusters || clusterNames.has(name)) return;
  const known = [...clusterNames].slice(0, 10).join(", ");
  const hint = known === "" ? "add it to static_resources.clusters" : `the clusters are ${known}`;
  place.problem(`there is no cluster "${name}"`, hint);
}

/** A retry policy; words of `retry_on` that are unknown are reported (Envoy ignores them). */
export function compileRetry(message: RetryPolicy, place: Place): RetryPolicyConfig {
  const on: RetryOn[] = [];
  for (const word of message.retryOn.split(",").map((w) => w.trim())) {
    if (word === "") continue;
    const known = RETRY_ON.find((w) => w === word);
    if (known !== undefined) on.push(known);
    else {
      const text = `"${word}" is not a retry condition that Granary implements`;
      place.child("retry_on").problem(text, `the words are ${RETRY_ON.join(", ")}`);
    }
  }
  const base = durationMs(message.retryBackOff?.baseInterval, RETRY_BACKOFF_BASE_MS);
  const most = durationMs(message.retryBackOff?.maxInterval, base * RETRY_BACKOFF_FACTOR);
  if (most < base) {
    const at = place.child("retry_back_off").child("max_interval");
    at.problem("max_interval is less than base_interval", "make it at least base_interval");
  }
  message.retryHostPredicate.forEach((predicate, i) => {
    const { configType } = predicate;
    const found = configType.case === "typedConfig" ? unpack(configType.value) : null;
    if (isMessage(found, PreviousHostsPredicateSchema)) return;
    const text = "this host predicate is not implemented by Granary";
    place.child("retry_host_predicate").item(i).problem(text, "use PreviousHostsPredicate");
  });
  return {
    on,
    retryCount: message.numRetries ?? 1,
    perTryTimeoutMs: durationMs(message.perTryTimeout, 0),
    retriableStatusCodes: message.retriableStatusCodes,
    retriableHeaders: message.retriableHeaders.map((header, i) =>
      compileHeaderMatch(header, place.child("retriable_headers").item(i)),
    ),
    backoffBaseMs: base,
    backoffMaxMs: most,
  };
}

function compileRedirect(message: RedirectAction, place: Place): RedirectActionConfig {
  const scheme = message.schemeRewriteSpecifier;
  const path = message.pathRewriteSpecifier;
  if (message.portRedirect > 65_535) {
    place.child("port_redirect").problem(`${message.portRedirect} is not a port`, "at most 65535");
  }
  const https = scheme.case === "httpsRedirect" && scheme.value ? "https" : null;
  return {
    kind: "redirect",
    status: REDIRECT_STATUS[message.responseCode] ?? 301,
    scheme: scheme.case === "schemeRedirect" ? wireText(scheme.value) : https,
    host: message.hostRedirect === "" ? null : wireText(message.hostRedirect),
    port: message.portRedirect === 0 ? null : message.portRedirect,
    path: path.case === "pathRedirect" ? wireText(path.value) : null,
    prefixRewrite: path.case === "prefixRewrite" ? wireText(path.value) : null,
    regexRewrite:
      path.case === "regexRewrite"
        ? compileRewrite(path.value, place.child("regex_rewrite"))
        : null,
    stripQuery: message.stripQuery,
  };
}

function compileDirect(
  message: DirectResponseAction,
  limits: RouteLimits,
  place: Place,
): DirectResponseConfig {
  const at = place.child("body");
  const most = limits.directBodyBytesMax;
  const read = message.body === undefined ? null : readSource(message.body, at);
  const body = read?.bytes ?? new Uint8Array(0);
  if (body.length > most) {
    const hint = "raise max_direct_response_body_size_bytes of the route configuration";
    at.problem(`the body has ${body.length} bytes, at most ${most} are allowed`, hint);
  }
  return { kind: "directResponse", status: message.status, body };
}
