/** What a configuration becomes: defaults, node, admin, and the whole. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bootstrapText, load } from "./bootstrap-text.ts";
import { cluster, forward, good, hcm } from "./good-config.ts";
import { route } from "./problem-rows.ts";

describe("defaults", () => {
  test("an empty text is an empty configuration", () => {
    const config = good("");
    assert.deepEqual([config.listeners, config.clusters, config.admin], [[], [], null]);
  });

  test("a connection manager that says nothing has Envoy's defaults", () => {
    const { httpFilters, routes, ...rest } = hcm({});
    assert.equal(httpFilters.length, 1);
    assert.equal(routes.virtualHosts.length, 1);
    assert.deepEqual(rest, {
      codec: "auto",
      http2: {
        concurrentStreamsMax: 1_024,
        initialStreamWindowBytes: 1_048_576,
        initialConnectionWindowBytes: 16_777_216,
        keepalive: null,
      },
      statPrefix: "in",
      serverName: "granary",
      serverHeader: "overwrite",
      useRemoteAddress: false,
      xffNumTrustedHops: 0,
      skipXffAppend: false,
      generateRequestId: true,
      preserveExternalRequestId: false,
      alwaysSetRequestIdInResponse: false,
      idleTimeoutMs: 3_600_000,
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      streamIdleTimeoutMs: 300_000,
      requestTimeoutMs: 0,
      requestHeadersTimeoutMs: 0,
      drainTimeoutMs: 5_000,
      delayedCloseTimeoutMs: 1_000,
      maxRequestHeadersBytes: 61_440,
      maxHeadersCount: 100,
      accept10: false,
      defaultHost10: "",
      accessLogs: [],
      accessLogPlugins: [],
      localReply: null,
      normalizePath: false,
      mergeSlashes: false,
      escapedSlashes: "keep",
      via: "",
      stripHostPort: "none",
      stripTrailingHostDot: false,
      forwardClientCert: {
        mode: "sanitize",
        show: { subject: false, cert: false, dns: false, uri: false },
      },
    });
  });

  test("a cluster that says nothing has Envoy's defaults", () => {
    const { endpoints, ...rest } = cluster("");
    assert.deepEqual(endpoints, [
      { host: "127.0.0.1", port: 80, hostname: "", weight: 1, locality: null, metadata: null },
    ]);
    assert.deepEqual(rest, {
      name: "a",
      altStatName: "a",
      type: "static",
      lbPolicy: "roundRobin",
      choiceCount: 2,
      connectTimeoutMs: 5_000,
      dnsRefreshMs: 5_000,
      dnsFamily: "auto",
      respectDnsTtl: false,
      maxConnections: 1_024,
      maxPendingRequests: 1_024,
      maxRequests: 1_024,
      maxRetries: 3,
      maxRequestsPerConnection: 0,
      perConnectionBufferBytes: 1_048_576,
      idleTimeoutMs: 3_600_000,
      maxHeadersBytes: 61_440,
      maxHeadersCount: 100,
      http2: null,
      tls: null,
      metadata: null,
    });
  });

  test("HTTP/2 is spoken to an upstream when it is asked for, with the defaults of Granary", () => {
    assert.deepEqual(cluster("http2_protocol_options: {max_concurrent_streams: 7}").http2, {
      concurrentStreamsMax: 7,
      initialStreamWindowBytes: 1_048_576,
      initialConnectionWindowBytes: 16_777_216,
      keepalive: null,
    });
    assert.equal(cluster("http_protocol_options: {}").http2, null);
  });

  test("a route that says nothing has 15 s and no retry", () => {
    const action = forward("cluster: a");
    assert.deepEqual(
      [action.timeoutMs, action.idleTimeoutMs, action.retryPolicy, action.totalWeight],
      [15_000, -1, null, 1],
    );
  });

  test("the configuration is frozen all the way down", () => {
    const config = good({});
    const chain = config.listeners[0]?.filterChains[0];
    assert.ok(chain?.kind === "http" && Object.isFrozen(chain.http.routes.virtualHosts[0]?.routes));
  });
});

describe("node, admin and the whole", () => {
  test("node metadata is unwrapped and encoded", () => {
    const { node } = good("node: {id: n, cluster: c, metadata: {a: {b: 1}, l: [x, true]}}");
    assert.deepEqual([node.id, node.cluster], ["n", "c"]);
    assert.deepEqual(node.property.fields["metadata"], {
      kind: "map",
      entries: {
        a: { kind: "map", entries: { b: 1 } },
        l: { kind: "list", items: ["x", true] },
      },
    });
    assert.deepEqual(node.property.encoded.subarray(0, 6), Uint8Array.of(10, 1, 110, 18, 1, 99));
  });

  test("admin has an address and access logs; the old log path warns", () => {
    const { config, warnings } = load(
      "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}, access_log_path: /dev/null}",
    );
    assert.deepEqual(config?.admin?.address, { host: "127.0.0.1", port: 1 });
    assert.deepEqual(config?.admin?.accessLogs[0]?.sink, { kind: "file", path: "/dev/null" });
    assert.deepEqual(
      warnings.map(({ path }) => path),
      ["admin.access_log_path"],
    );
  });

  test("JSON, camelCase names and numbers in quotes are read as Envoy reads them", () => {
    const [made] = good(
      '{"staticResources": {"clusters": [\n\t{"name": "a", "connectTimeout": "1s", "maxRequestsPerConnection": "5"}]}}',
    ).clusters;
    assert.deepEqual([made?.connectTimeoutMs, made?.maxRequestsPerConnection], [1_000, 5]);
  });

  test("anchors are resolved", () => {
    const { clusters } = good(
      "static_resources: {clusters: [{name: a, connect_timeout: &t 2s}, {name: b, connect_timeout: *t}]}",
    );
    assert.equal(clusters[1]?.connectTimeoutMs, 2_000);
  });

  test("every problem is reported at once, in the order of the text", () => {
    const { problems } = load(
      bootstrapText({
        listener: "bogus: 1",
        ...route("cluster: nope\ntimeout: 5"),
        cluster: "connect_timeout: 0s",
      }),
    );
    assert.deepEqual(
      problems.map(({ path }) => path.slice(path.lastIndexOf(".") + 1)),
      ["bogus", "cluster", "timeout", "connect_timeout"],
    );
  });
});
