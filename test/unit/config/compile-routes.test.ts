/** Each implemented field of routes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ForwardActionConfig } from "../../../src/config/types.ts";
import { firstRoute, forward, hcm } from "./good-config.ts";
import { match, ROUTE, route } from "./problem-rows.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

describe("routes", () => {
  test("every way to match is read", () => {
    assert.deepEqual(firstRoute(match("path: /é\ncase_sensitive: false")).match.path, {
      kind: "path",
      path: "/\u00c3\u00a9",
    });
    assert.deepEqual(firstRoute(match("path_separated_prefix: /a")).match.path, {
      kind: "pathSeparatedPrefix",
      prefix: "/a",
    });
    assert.deepEqual(firstRoute(match('safe_regex: {google_re2: {}, regex: "/a+"}')).match.path, {
      kind: "regex",
      regex: "/a+",
    });
    const { headers, queryParameters } = firstRoute(
      match(
        "prefix: /\nheaders:\n- {name: A, exact_match: x}\n- {name: b, range_match: {start: -1, end: 5}}\n- {name: c}\n" +
          "- {name: d, string_match: {suffix: s, ignore_case: true}, invert_match: true, treat_missing_header_as_empty: true}\n" +
          "query_parameters: [{name: q}, {name: r, string_match: {exact: z}}]",
      ),
    ).match;
    assert.deepEqual(
      headers.map((h) => [h.name, h.match]),
      [
        ["a", { kind: "string", string: { kind: "exact", value: "x", ignoreCase: false } }],
        ["b", { kind: "range", start: -1, end: 5 }],
        ["c", { kind: "present", present: true }],
        ["d", { kind: "string", string: { kind: "suffix", value: "s", ignoreCase: true } }],
      ],
    );
    assert.deepEqual([headers[3]?.invert, headers[3]?.treatMissingAsEmpty], [true, true]);
    assert.deepEqual(queryParameters, [
      { name: "q", match: null },
      { name: "r", match: { kind: "exact", value: "z", ignoreCase: false } },
    ]);
  });

  test("every field of a forwarding action is read", () => {
    const action = forward(
      "weighted_clusters: {clusters: [{name: a, weight: 3}, {name: a, weight: 1}], total_weight: 4}\n" +
        "regex_rewrite: {pattern: {regex: '^/(.)'}, substitution: '/\\1'}\nhost_rewrite_literal: h\n" +
        "timeout: 0s\nidle_timeout: 2s\n" +
        'retry_policy: {retry_on: "5xx, reset", num_retries: 4, per_try_timeout: 1s, retriable_status_codes: [418], retry_back_off: {base_interval: 0.1s}}',
    );
    assert.deepEqual(
      action.clusters.map((c) => [c.cluster, c.weight]),
      [
        ["a", 3],
        ["a", 1],
      ],
    );
    assert.deepEqual(action.regexRewrite, { regex: "^/(.)", substitution: "/\\1" });
    assert.deepEqual(
      [action.totalWeight, action.hostRewriteLiteral, action.timeoutMs, action.idleTimeoutMs],
      [4, "h", 0, 2_000],
    );
    assert.equal(action.clusterNotFoundStatus, 503);
    assert.deepEqual(action.retryPolicy, {
      on: ["5xx", "reset"],
      retryCount: 4,
      perTryTimeoutMs: 1_000,
      retriableStatusCodes: [418],
      retriableHeaders: [],
      backoffBaseMs: 100,
      backoffMaxMs: 1_000,
    });
    assert.equal(forward("cluster: a\nprefix_rewrite: /x").prefixRewrite, "/x");
  });

  test("a redirect and a direct response are read", () => {
    const redirect = `- ${ROUTE}\n  redirect: {https_redirect: true, host_redirect: h, port_redirect: 8443, path_redirect: /p, response_code: SEE_OTHER, strip_query: true}`;
    assert.deepEqual(firstRoute({ routes: redirect }).action, {
      kind: "redirect",
      status: 303,
      scheme: "https",
      host: "h",
      port: 8443,
      path: "/p",
      prefixRewrite: null,
      regexRewrite: null,
      stripQuery: true,
    });
    const direct = `- ${ROUTE}\n  direct_response: {status: 200, body: {inline_string: hi}}`;
    assert.deepEqual(firstRoute({ routes: direct }).action, {
      kind: "directResponse",
      status: 200,
      body: bytes("hi"),
    });
  });

  test("headers are added and removed on every level", () => {
    const { routes } = hcm({
      table: "response_headers_to_remove: [X-A]\nignore_port_in_host_matching: true",
      host: "request_headers_to_add: [{header: {key: X-B, value: é}, append_action: ADD_IF_ABSENT, keep_empty_value: true}]\nretry_policy: {}",
      domains: '["*.Example.com"]',
      routes: `- ${ROUTE}\n  name: r\n  route: {cluster: a}\n  request_headers_to_add: [{header: {key: c, value: "%PROTOCOL%"}, append: false}]`,
    });
    const [host] = routes.virtualHosts;
    assert.deepEqual(routes.headers.responseRemove, ["x-a"]);
    assert.equal(routes.ignorePortInHost, true);
    assert.deepEqual(host?.headers.requestAdd, [
      {
        name: "x-b",
        value: [{ kind: "text", text: "\u00c3\u00a9" }],
        action: "addIfAbsent",
        keepEmptyValue: true,
      },
    ]);
    assert.deepEqual(host?.domains, ["*.example.com"]);
    assert.equal(host?.retryPolicy?.retryCount, 1);
    assert.equal(host?.routes[0]?.headers.requestAdd[0]?.action, "overwrite");
  });

  test("a missing cluster is allowed when validate_clusters is false", () => {
    const action = firstRoute({ ...route("cluster: later"), table: "validate_clusters: false" });
    assert.equal((action.action as ForwardActionConfig).clusters[0]?.cluster, "later");
  });

  test("host rewrites, attempt counts and the retry policy of a service mesh are read", () => {
    assert.equal(forward("cluster: a\nauto_host_rewrite: true").autoHostRewrite, true);
    const action = forward(
      "cluster: a\nhost_rewrite_header: X-Host\nappend_x_forwarded_host: true",
    );
    assert.deepEqual([action.hostRewriteHeader, action.appendForwardedHost], ["x-host", true]);
    const predicate =
      '{name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}';
    const { retryPolicy } = forward(
      `cluster: a\nretry_policy: {retry_on: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", num_retries: 2, retry_host_predicate: [${predicate}], host_selection_retry_max_attempts: 5, retriable_status_codes: [503], retriable_headers: [{name: x-retry}]}`,
    );
    assert.deepEqual(retryPolicy?.on.slice(2, 4), ["unavailable", "cancelled"]);
    assert.equal(retryPolicy?.retriableHeaders[0]?.name, "x-retry");
    const host = "include_request_attempt_count: true\ninclude_attempt_count_in_response: true";
    const [made] = hcm({ host }).routes.virtualHosts;
    assert.deepEqual([made?.attemptCountInRequest, made?.attemptCountInResponse], [true, true]);
  });
});
