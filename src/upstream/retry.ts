/**
 * Whether an attempt is worth another, and after how long: pure functions over the retry policy,
 * with Envoy's words. Counting retries, the circuit breaker and the timers belong to the router.
 * Source: Envoy router filter, `x-envoy-retry-on`; retry_state_impl.cc.
 */
import { assertNever } from "../base/assert.ts";
import type { HeaderMatchConfig, RetryOn, RetryPolicyConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { HeaderMatcher } from "../http/header-matcher.ts";
import type { UpstreamResetReason } from "./types.ts";

/** Default base interval of Envoy (`upstream.base_retry_backoff_ms`). */
const RETRY_BACKOFF_BASE_MS = 25;
/** Default maximum: this many times the base. */
const RETRY_BACKOFF_MAX_FACTOR = 10;

/**
 * Whether an answer is to be tried again.
 * @param status 200..599
 * @param headers of the answer; `x-envoy-ratelimited` is looked at first, as Envoy does
 */
export function shouldRetryOnHeaders(
  policy: RetryPolicyConfig,
  status: number,
  headers: HeaderMap,
): boolean {
  if (headers.has("x-envoy-ratelimited")) return policy.on.includes("envoy-ratelimited");
  for (const word of policy.on) {
    if (wordMatchesStatus(word, policy, status) || wordMatchesGrpc(word, headers)) return true;
    if (word === "retriable-headers" && anyMatches(policy.retriableHeaders, headers)) return true;
  }
  return false;
}

/** gRPC statuses by the words that name them. */
const GRPC_WORDS: Readonly<Partial<Record<RetryOn, string>>> = {
  cancelled: "1",
  "deadline-exceeded": "4",
  "resource-exhausted": "8",
  internal: "13",
  unavailable: "14",
};

/** As in Envoy only a status in the head (an answer without a body) counts. */
function wordMatchesGrpc(word: RetryOn, headers: HeaderMap): boolean {
  const status = GRPC_WORDS[word];
  return status !== undefined && headers.get("grpc-status") === status;
}

/** Compiled once per policy; the rules come from the configuration, so the map is bounded by it. */
const compiled = new WeakMap<readonly HeaderMatchConfig[], readonly HeaderMatcher[]>();

function anyMatches(rules: readonly HeaderMatchConfig[], headers: HeaderMap): boolean {
  let matchers = compiled.get(rules);
  if (matchers === undefined) {
    matchers = rules.map((rule) => new HeaderMatcher(rule));
    compiled.set(rules, matchers);
  }
  return matchers.some((matcher) => matcher.matches(headers));
}

function wordMatchesStatus(word: RetryOn, policy: RetryPolicyConfig, status: number): boolean {
  switch (word) {
    case "5xx":
      return status >= 500 && status <= 599;
    case "gateway-error":
      return status >= 502 && status <= 504;
    case "retriable-4xx":
      return status === 409;
    case "retriable-status-codes":
      return policy.retriableStatusCodes.includes(status);
    case "retriable-headers":
    case "reset":
    case "reset-before-request":
    case "connect-failure":
    case "refused-stream":
    case "envoy-ratelimited":
    case "cancelled":
    case "deadline-exceeded":
    case "internal":
    case "resource-exhausted":
    case "unavailable":
      return false;
    default:
      return assertNever(word);
  }
}

/**
 * Whether an attempt that ended without an answer is to be tried again.
 * @param reason `localReset` stands for the per-try timeout
 * @param requestStarted the attempt had a connection (`onConnectionReady` was called)
 */
export function shouldRetryOnReset(
  policy: RetryPolicyConfig,
  reason: UpstreamResetReason,
  requestStarted: boolean,
): boolean {
  if (reason === "overflow" || reason === "noHealthyUpstream") return false;
  for (const word of policy.on) if (wordMatchesReset(word, reason, requestStarted)) return true;
  return false;
}

function wordMatchesReset(
  word: RetryOn,
  reason: UpstreamResetReason,
  requestStarted: boolean,
): boolean {
  switch (word) {
    case "5xx":
    case "gateway-error":
    case "reset":
      return true;
    case "reset-before-request":
      return !requestStarted;
    case "connect-failure":
      return reason === "connectFailure" || reason === "connectTimeout";
    case "refused-stream":
      return reason === "remoteRefused";
    case "retriable-4xx":
    case "retriable-status-codes":
    case "retriable-headers":
    case "envoy-ratelimited":
    case "cancelled":
    case "deadline-exceeded":
    case "internal":
    case "resource-exhausted":
    case "unavailable":
      return false;
    default:
      return assertNever(word);
  }
}

/**
 * How long to wait before retry number `attempt` (1, 2, ...): uniform in [0, base * 2^(attempt-1)),
 * the interval capped at the policy's maximum.
 * @param random uniform in [0, 1)
 * @returns whole milliseconds
 */
export function backoffMs(
  policy: RetryPolicyConfig,
  attempt: number,
  random: () => number,
): number {
  const base = policy.backoffBaseMs > 0 ? policy.backoffBaseMs : RETRY_BACKOFF_BASE_MS;
  const max = policy.backoffMaxMs > 0 ? policy.backoffMaxMs : base * RETRY_BACKOFF_MAX_FACTOR;
  return Math.floor(random() * Math.min(base * 2 ** (attempt - 1), max));
}
