import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  RouteConfig,
  RouteMatchConfig,
  VirtualHostConfig,
} from "../../../src/config/types.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { redirectLocation, rewritePath } from "../../../src/silo/path-rewrite.ts";
import { RouteTable } from "../../../src/silo/route-table.ts";
import type { StreamInfo } from "../../../src/silo/stream-info.ts";

const NO_HEADERS = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

function route(name: string, match: Partial<RouteMatchConfig>): RouteConfig {
  return {
    name,
    match: {
      path: { kind: "prefix", prefix: "/" },
      caseSensitive: true,
      headers: [],
      queryParameters: [],
      share: 1,
      ...match,
    },
    action: { kind: "directResponse", status: 200, body: new Uint8Array(0) },
    headers: NO_HEADERS,
    metadata: null,
    perRequestBufferBytes: -1,
    overrides: null,
  };
}

function host(name: string, domains: string[], routes: RouteConfig[]): VirtualHostConfig {
  const more = {
    requireTls: "none",
    retryPolicy: null,
    attemptCountInRequest: false,
    attemptCountInResponse: false,
    metadata: null,
  } as const;
  return { name, domains, routes, headers: NO_HEADERS, ...more };
}

function table(...virtualHosts: VirtualHostConfig[]): RouteTable {
  return new RouteTable({ name: "t", virtualHosts, headers: NO_HEADERS, ignorePortInHost: false });
}

// biome-ignore lint/complexity/useMaxParams: what a request has that routes look at
function find(
  routes: RouteTable,
  path: string,
  authority = "x",
  more: [string, string][] = [],
  share = Number.NaN,
) {
  const headers = HeaderMap.of([[":authority", authority], [":path", path], ...more]);
  const match = routes.match(headers, share);
  return match === null ? null : `${match.virtualHost.name}/${match.route.name}`;
}

test("an exact domain wins over a suffix, the longest suffix over a prefix, and * is last", () => {
  const any = [route("r", {})];
  const routes = table(
    host("star", ["*"], any),
    host("prefix", ["api.*"], any),
    host("suffix", ["*.example.com"], any),
    host("longer", ["*.a.example.com"], any),
    host("exact", ["api.example.com"], any),
  );
  assert.equal(find(routes, "/", "API.example.com"), "exact/r");
  assert.equal(find(routes, "/", "b.example.com"), "suffix/r");
  assert.equal(find(routes, "/", "b.a.example.com"), "longer/r");
  assert.equal(find(routes, "/", "api.org"), "prefix/r");
  assert.equal(find(routes, "/", "other"), "star/r");
});

test("a request for no known domain has no route", () => {
  assert.equal(find(table(host("h", ["a"], [route("r", {})])), "/", "b"), null);
});

const PATHS: [RouteMatchConfig["path"], boolean, string, boolean][] = [
  [{ kind: "prefix", prefix: "/a" }, true, "/ab", true],
  [{ kind: "prefix", prefix: "/a" }, true, "/A", false],
  [{ kind: "prefix", prefix: "/a" }, false, "/A", true],
  [{ kind: "path", path: "/a" }, true, "/a?q=1", true],
  [{ kind: "path", path: "/a" }, true, "/a/", false],
  [{ kind: "pathSeparatedPrefix", prefix: "/a" }, true, "/a", true],
  [{ kind: "pathSeparatedPrefix", prefix: "/a" }, true, "/a/b", true],
  [{ kind: "pathSeparatedPrefix", prefix: "/a" }, true, "/ab", false],
  [{ kind: "regex", regex: "/v[0-9]+/.*" }, true, "/v12/x?q", true],
  [{ kind: "regex", regex: "/v[0-9]+" }, true, "/v12/x", false],
];
for (const [path, caseSensitive, target, expected] of PATHS) {
  test(`${JSON.stringify(path)} ${expected ? "matches" : "does not match"} ${target}`, () => {
    const routes = table(host("h", ["*"], [route("r", { path, caseSensitive })]));
    assert.equal(find(routes, target) !== null, expected);
  });
}

test("header rules: exact, presence, range, inversion, and absence matches no value rule", () => {
  const rule = (match: RouteMatchConfig["headers"][number]["match"], invert = false) =>
    table(
      host(
        "h",
        ["*"],
        [route("r", { headers: [{ name: "k", match, invert, treatMissingAsEmpty: false }] })],
      ),
    );
  const exact = {
    kind: "string",
    string: { kind: "exact", value: "v", ignoreCase: false },
  } as const;
  assert.equal(find(rule(exact), "/", "x", [["k", "v"]]), "h/r");
  assert.equal(find(rule(exact), "/", "x", [["k", "w"]]), null);
  assert.equal(find(rule(exact), "/"), null);
  assert.equal(find(rule(exact, true), "/", "x", [["k", "w"]]), "h/r");
  assert.equal(find(rule(exact, true), "/"), null);
  assert.equal(find(rule({ kind: "present", present: true }), "/", "x", [["k", ""]]), "h/r");
  assert.equal(find(rule({ kind: "present", present: true }), "/"), null);
  assert.equal(find(rule({ kind: "present", present: false }), "/"), "h/r");
  assert.equal(find(rule({ kind: "range", start: 1, end: 5 }), "/", "x", [["k", "4"]]), "h/r");
  assert.equal(find(rule({ kind: "range", start: 1, end: 5 }), "/", "x", [["k", "5"]]), null);
});

test("query rules look at the first value of the parameter", () => {
  const match = { kind: "exact", value: "1", ignoreCase: false } as const;
  const routes = table(
    host(
      "h",
      ["*"],
      [
        route("value", { queryParameters: [{ name: "a", match }] }),
        route("there", { queryParameters: [{ name: "b", match: null }] }),
      ],
    ),
  );
  assert.equal(find(routes, "/?a=1"), "h/value");
  assert.equal(find(routes, "/?a=2&a=1"), null);
  assert.equal(find(routes, "/?x&b"), "h/there");
  assert.equal(find(routes, "/"), null);
});

test("a prefix rewrite keeps the rest of the path and the query", () => {
  const match = route("r", { path: { kind: "prefix", prefix: "/old" } }).match;
  const rules = { prefixRewrite: "/new", regexRewrite: null };
  assert.equal(rewritePath("/old/a?q=1", rules, match), "/new/a?q=1");
});

test("a regex rewrite changes the path only and knows capture groups", () => {
  const match = route("r", {}).match;
  const regexRewrite = { regex: "^/(\\w+)/(\\w+)$", substitution: "/\\2/\\1" };
  const rules = { prefixRewrite: null, regexRewrite };
  assert.equal(rewritePath("/a/b?/c/d", rules, match), "/b/a?/c/d");
});

test("a redirect to https drops the default port of http and keeps path and query", () => {
  const info = {
    requestHeaders: HeaderMap.of([
      [":authority", "h:80"],
      [":path", "/p?q"],
      ["x-forwarded-proto", "http"],
    ]),
  } as unknown as StreamInfo;
  const location = redirectLocation(
    {
      kind: "redirect",
      status: 301,
      scheme: "https",
      host: null,
      port: null,
      path: null,
      prefixRewrite: null,
      regexRewrite: null,
      stripQuery: false,
    },
    route("r", {}),
    info,
  );
  assert.equal(location, "https://h/p?q");
});

test("a route with a fraction takes the requests whose share lies below it", () => {
  const routes = table(
    host(
      "h",
      ["*"],
      [route("part", { share: 0.25 }), route("none", { share: 0 }), route("rest", {})],
    ),
  );
  assert.equal(routes.hasShares, true);
  const at = (share: number) => find(routes, "/", "x", [], share);
  assert.deepEqual([0, 0.24, 0.25, 0.99].map(at), ["h/part", "h/part", "h/rest", "h/rest"]);
  assert.equal(table(host("h", ["*"], [route("r", {})])).hasShares, false);
});
