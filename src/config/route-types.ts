/**
 * Routes as the compiled configuration carries them: virtual hosts, matches, actions, retries.
 * Durations are milliseconds.
 */
import type { HeaderMatch } from "../http/header-matcher.ts";
import type { StringMatch } from "../http/string-matcher.ts";
import type { Format } from "./format-types.ts";
import type { FilterOverride, PropertyMessage } from "./types.ts";

export interface RouteTableConfig {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
  readonly headers: HeaderMutations;
  readonly ignorePortInHost: boolean;
}

export interface VirtualHostConfig {
  readonly name: string;
  /** Lower-case: exact names, `*.suffix`, `prefix.*`, `*`. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly headers: HeaderMutations;
  readonly requireTls: "none" | "externalOnly" | "all";
  readonly retryPolicy: RetryPolicyConfig | null;
  /** `x-envoy-attempt-count` in requests to upstreams, in responses to clients. */
  readonly attemptCountInRequest: boolean;
  readonly attemptCountInResponse: boolean;
  readonly metadata: PropertyMessage | null;
}

export interface HeaderMutations {
  readonly requestAdd: readonly HeaderMutation[];
  readonly requestRemove: readonly string[];
  readonly responseAdd: readonly HeaderMutation[];
  readonly responseRemove: readonly string[];
}
export interface HeaderMutation {
  readonly name: string;
  readonly value: Format;
  readonly action: "append" | "addIfAbsent" | "overwrite" | "overwriteIfExists";
  readonly keepEmptyValue: boolean;
}

export interface RouteConfig {
  readonly name: string;
  readonly match: RouteMatchConfig;
  readonly action: RouteActionConfig;
  readonly headers: HeaderMutations;
  readonly metadata: PropertyMessage | null;
  /** Bytes of a body kept for retries (the listener's limit holds too), or -1. */
  readonly perRequestBufferBytes: number;
  /** With those of virtual host and table; null = none. */
  readonly overrides: readonly FilterOverride[] | null;
}

export interface RouteMatchConfig {
  readonly path:
    | { readonly kind: "prefix"; readonly prefix: string }
    | { readonly kind: "path"; readonly path: string }
    | { readonly kind: "pathSeparatedPrefix"; readonly prefix: string }
    | { readonly kind: "regex"; readonly regex: string };
  readonly caseSensitive: boolean;
  readonly headers: readonly HeaderMatchConfig[];
  readonly queryParameters: readonly QueryMatchConfig[];
  /** 0..1 of the requests. */
  readonly share: number;
}

export type StringMatchConfig = StringMatch;
export type HeaderMatchConfig = HeaderMatch;
export interface QueryMatchConfig {
  readonly name: string;
  /** null = present. */
  readonly match: StringMatchConfig | null;
}

export type RouteActionConfig = ForwardActionConfig | RedirectActionConfig | DirectResponseConfig;
export interface ForwardActionConfig {
  readonly kind: "route";
  /** One entry with weight 1 for a plain `cluster`. */
  readonly clusters: readonly WeightedClusterConfig[];
  readonly totalWeight: number;
  readonly prefixRewrite: string | null;
  readonly regexRewrite: { readonly regex: string; readonly substitution: string } | null;
  readonly hostRewriteLiteral: string | null;
  /** The host becomes the endpoint's name, where it has one. */
  readonly autoHostRewrite: boolean;
  /** The host becomes the value of this request header. */
  readonly hostRewriteHeader: string | null;
  /** The host before a rewrite is appended to `x-forwarded-host`. */
  readonly appendForwardedHost: boolean;
  /** 0 = none. Envoy's default 15 s is filled in. */
  readonly timeoutMs: number;
  /** -1 = the connection manager's stream_idle_timeout; 0 = none. */
  readonly idleTimeoutMs: number;
  readonly retryPolicy: RetryPolicyConfig | null;
  /** Status when the cluster is unknown. */
  readonly clusterNotFoundStatus: number;
}
export interface WeightedClusterConfig {
  readonly cluster: string;
  readonly weight: number;
  readonly headers: HeaderMutations;
  /** With those of the route; null = the route's. */
  readonly overrides: readonly FilterOverride[] | null;
}
export interface RedirectActionConfig {
  readonly kind: "redirect";
  readonly status: number;
  readonly scheme: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly path: string | null;
  readonly prefixRewrite: string | null;
  readonly regexRewrite: { readonly regex: string; readonly substitution: string } | null;
  readonly stripQuery: boolean;
}
export interface DirectResponseConfig {
  readonly kind: "directResponse";
  readonly status: number;
  readonly body: Uint8Array;
}

/** Words of Envoy's `retry_on`. */
export const RETRY_ON = [
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "envoy-ratelimited",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
] as const;
export type RetryOn = (typeof RETRY_ON)[number];

export interface RetryPolicyConfig {
  readonly on: readonly RetryOn[];
  readonly retryCount: number;
  /** 0 = none. */
  readonly perTryTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  /** One of them is enough. */
  readonly retriableHeaders: readonly HeaderMatchConfig[];
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}
