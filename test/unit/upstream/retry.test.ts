import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RETRY_ON, type RetryOn, type RetryPolicyConfig } from "../../../src/config/types.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import {
  backoffMs,
  shouldRetryOnHeaders,
  shouldRetryOnReset,
} from "../../../src/upstream/retry.ts";
import type { UpstreamResetReason } from "../../../src/upstream/types.ts";

function policy(on: readonly RetryOn[], codes: readonly number[] = []): RetryPolicyConfig {
  return {
    on,
    retryCount: 1,
    perTryTimeoutMs: 0,
    retriableStatusCodes: codes,
    retriableHeaders: [],
    backoffBaseMs: 25,
    backoffMaxMs: 250,
  };
}

/** Statuses that each word alone retries, out of these. */
const STATUSES = [200, 302, 400, 404, 409, 429, 500, 501, 502, 503, 504, 505, 599];
const RETRIED_STATUSES: Readonly<Record<RetryOn, readonly number[]>> = {
  "5xx": [500, 501, 502, 503, 504, 505, 599],
  "gateway-error": [502, 503, 504],
  reset: [],
  "reset-before-request": [],
  "connect-failure": [],
  "retriable-4xx": [409],
  "refused-stream": [],
  "retriable-status-codes": [404, 429],
  "retriable-headers": [],
  "envoy-ratelimited": [],
  cancelled: [],
  "deadline-exceeded": [],
  internal: [],
  "resource-exhausted": [],
  unavailable: [],
};

/** Reasons that each word alone retries: before the request had a connection, and after. */
const REASONS: readonly UpstreamResetReason[] = [
  "connectFailure",
  "connectTimeout",
  "connectionTermination",
  "overflow",
  "noHealthyUpstream",
  "protocolError",
  "localReset",
];
const ANY: readonly UpstreamResetReason[] = [
  "connectFailure",
  "connectTimeout",
  "connectionTermination",
  "protocolError",
  "localReset",
];
const CONNECT: readonly UpstreamResetReason[] = ["connectFailure", "connectTimeout"];
const RETRIED_RESETS: Readonly<
  Record<RetryOn, { readonly before: readonly string[]; readonly after: readonly string[] }>
> = {
  "5xx": { before: ANY, after: ANY },
  "gateway-error": { before: ANY, after: ANY },
  reset: { before: ANY, after: ANY },
  "reset-before-request": { before: ANY, after: [] },
  "connect-failure": { before: CONNECT, after: CONNECT },
  "retriable-4xx": { before: [], after: [] },
  "refused-stream": { before: [], after: [] },
  "retriable-status-codes": { before: [], after: [] },
  "retriable-headers": { before: [], after: [] },
  "envoy-ratelimited": { before: [], after: [] },
  cancelled: { before: [], after: [] },
  "deadline-exceeded": { before: [], after: [] },
  internal: { before: [], after: [] },
  "resource-exhausted": { before: [], after: [] },
  unavailable: { before: [], after: [] },
};

describe("retry decisions", () => {
  for (const word of RETRY_ON) {
    test(`"${word}" retries exactly the statuses of its row`, () => {
      const retried = STATUSES.filter((status) =>
        shouldRetryOnHeaders(policy([word], [404, 429]), status, new HeaderMap()),
      );
      assert.deepEqual(retried, RETRIED_STATUSES[word]);
    });

    test(`"${word}" retries exactly the reset reasons of its row`, () => {
      const retriedWhen = (started: boolean): readonly string[] =>
        REASONS.filter((reason) => shouldRetryOnReset(policy([word]), reason, started));
      assert.deepEqual(retriedWhen(false), RETRIED_RESETS[word].before);
      assert.deepEqual(retriedWhen(true), RETRIED_RESETS[word].after);
    });
  }

  test("a rate-limited answer is retried only by its own word, whatever the status", () => {
    const limited = HeaderMap.of([["x-envoy-ratelimited", "true"]]);
    assert.equal(shouldRetryOnHeaders(policy(["5xx"]), 503, limited), false);
    assert.equal(shouldRetryOnHeaders(policy(["envoy-ratelimited"]), 429, limited), true);
  });

  test("words add up", () => {
    const both = policy(["connect-failure", "retriable-status-codes"], [418]);
    assert.equal(shouldRetryOnHeaders(both, 418, new HeaderMap()), true);
    assert.equal(shouldRetryOnReset(both, "connectFailure", false), true);
    assert.equal(shouldRetryOnReset(both, "connectionTermination", true), false);
  });

  test("a policy without words retries nothing", () => {
    assert.equal(shouldRetryOnHeaders(policy([]), 503, new HeaderMap()), false);
    assert.equal(shouldRetryOnReset(policy([]), "connectFailure", false), false);
  });
});

describe("retry backoff", () => {
  const almostOne = (): number => 0.999_999;

  test("the interval doubles from the base up to the maximum", () => {
    const longest = [1, 2, 3, 4, 5, 6, 40].map((attempt) =>
      backoffMs(policy([]), attempt, almostOne),
    );
    assert.deepEqual(longest, [24, 49, 99, 199, 249, 249, 249]);
  });

  test("the jitter is full: it reaches down to zero", () => {
    assert.equal(
      backoffMs(policy([]), 5, () => 0),
      0,
    );
  });

  test("without configured intervals the base is 25 ms and the maximum ten times that", () => {
    const bare = { ...policy([]), backoffBaseMs: 0, backoffMaxMs: 0 };
    assert.equal(backoffMs(bare, 1, almostOne), 24);
    assert.equal(backoffMs(bare, 9, almostOne), 249);
  });

  test("gRPC words retry the status of their name in the head", () => {
    const head = (status: string): HeaderMap => HeaderMap.of([["grpc-status", status]]);
    const rows: [RetryOn, string][] = [
      ["cancelled", "1"],
      ["deadline-exceeded", "4"],
      ["resource-exhausted", "8"],
      ["internal", "13"],
      ["unavailable", "14"],
    ];
    for (const [word, status] of rows) {
      assert.equal(shouldRetryOnHeaders(policy([word]), 200, head(status)), true, word);
      assert.equal(shouldRetryOnHeaders(policy([word]), 200, head("0")), false, word);
    }
    assert.equal(shouldRetryOnHeaders(policy(["5xx"]), 200, head("14")), false);
  });

  test("retriable-headers retries when one of the rules holds", () => {
    const rule = { invert: false, treatMissingAsEmpty: false } as const;
    const retriableHeaders = ["x-a", "x-b"].map((name) => ({
      ...rule,
      name,
      match: { kind: "present", present: true } as const,
    }));
    const on = { ...policy(["retriable-headers"]), retriableHeaders };
    assert.equal(shouldRetryOnHeaders(on, 200, HeaderMap.of([["x-b", "1"]])), true);
    assert.equal(shouldRetryOnHeaders(on, 200, HeaderMap.of([["x-c", "1"]])), false);
    const off = { ...policy(["5xx"]), retriableHeaders };
    assert.equal(shouldRetryOnHeaders(off, 200, HeaderMap.of([["x-b", "1"]])), false);
  });
});
