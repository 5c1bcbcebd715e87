/**
 * Time limits on clients and upstreams, circuit breakers and the ways to a cluster.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy, TEST_TRANSPORT } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

const ON_UWS = TEST_TRANSPORT === "uws";
const HEADERS_TIMEOUT = "request_headers_timeout: 0.1s";

let upstream: FakeUpstream;
let second: FakeUpstream;
let proxy: ProxyProcess;
/** Called for requests to /wait, which get no answer of themselves. */
let onWait: () => void = () => {};

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      if (request.head.includes(" /wait")) onWait();
      else connection.write(plainResponse(200, "first"));
    },
  });
  second = await FakeUpstream.listen({
    onRequest: (_request, connection) => connection.write(plainResponse(200, "second")),
  });
  const routes = `[
    {match: {prefix: /one}, route: {cluster: one}},
    {match: {prefix: /wait/one}, route: {cluster: one}},
    {match: {prefix: /wait/late}, route: {cluster: upstream, timeout: 0.1s}},
    {match: {prefix: /dns}, route: {cluster: dns}},
    {match: {prefix: /weighted}, route: {weighted_clusters: {clusters: [{name: upstream, weight: 1}, {name: second, weight: 1}]}}},
    {match: {prefix: /}, route: {cluster: upstream}}]`;
  const yaml = bootstrap(
    [
      ...(ON_UWS ? [] : [listener({ name: "headers", routes, hcm: HEADERS_TIMEOUT })]),
      listener({ name: "request", routes, hcm: "request_timeout: 0.1s" }),
      listener({ name: "stream", routes, hcm: "stream_idle_timeout: 0.1s" }),
      listener({
        name: "idle",
        routes,
        hcm: "common_http_protocol_options: {idle_timeout: 0.1s}, drain_timeout: 0.1s",
      }),
      listener({
        name: "old",
        routes,
        hcm: "common_http_protocol_options: {max_connection_duration: 0.1s}, drain_timeout: 60s",
      }),
      listener({
        name: "dropped",
        routes,
        hcm: "common_http_protocol_options: {max_connection_duration: 0.1s}, drain_timeout: 0s",
      }),
      listener({ name: "main", routes }),
    ],
    [
      cluster("upstream", upstream.port),
      cluster("second", second.port),
      cluster("one", upstream.port, "circuit_breakers: {thresholds: [{max_requests: 1}]}"),
      cluster("dns", second.port)
        .replace("STATIC", "STRICT_DNS, dns_lookup_family: V4_ONLY")
        .replace("address: 127.0.0.1", "address: localhost"),
    ],
  );
  proxy = await startProxy({ yaml });
});

after(async () => {
  await upstream.close();
  await second.close();
  assert.equal(await proxy.stop(), 0);
});

const HEAD_END = "host: a\r\nconnection: close\r\n\r\n";

test("a head that does not come to its end is a 408 and closes", async () => {
  const answer = await exchange(proxy.port("headers"), "GET / HTTP/1.1\r\nhost: a\r\n");
  assert.match(answer, /^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*connection: close/);
  assert.equal(await proxy.stat("http.headers.downstream_rq_header_timeout"), 1);
});

test("a body that does not come to its end within request_timeout is a 408", async () => {
  const text = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab";
  const answer = await exchange(proxy.port("request"), text);
  assert.match(answer, /^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*request timeout$/);
  assert.equal(await proxy.stat("http.request.downstream_rq_timeout"), 1);
});

test("a stream on which nothing moves is a 408 while uploading and a 504 while waiting", async () => {
  const text = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab";
  const uploading = await exchange(proxy.port("stream"), text);
  assert.match(uploading, /^HTTP\/1\.1 408 [\s\S]*stream timeout$/);
  const waiting = await exchange(proxy.port("stream"), `GET /wait HTTP/1.1\r\n${HEAD_END}`);
  assert.match(waiting, /^HTTP\/1\.1 504 [\s\S]*stream timeout$/);
  assert.equal(await proxy.stat("http.stream.downstream_rq_idle_timeout"), 2);
});

test("a connection without a request closes after idle_timeout, new or used", async () => {
  const fresh = await RawClient.open(proxy.port("idle"));
  assert.equal(await fresh.untilClosed(), "");
  fresh.close();
  const used = await RawClient.open(proxy.port("idle"));
  used.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  assert.match(await used.untilClosed(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*first$/);
  used.close();
  assert.equal(await proxy.stat("http.idle.downstream_cx_idle_timeout"), 2);
});

test("an old connection is told to close by its next answer, and dropped after drain_timeout", async () => {
  const old = await RawClient.open(proxy.port("old"));
  while ((await proxy.stat("http.old.downstream_cx_max_duration_reached")) !== 1);
  old.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  assert.match(await old.untilClosed(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nconnection: close\r\n/);
  old.close();
  const dropped = await RawClient.open(proxy.port("dropped"));
  assert.equal(await dropped.untilClosed(), "");
  dropped.close();
});

test("an answer that is late is a 504 and counts at its endpoint", async () => {
  const answer = await exchange(proxy.port("main"), `GET /wait/late HTTP/1.1\r\n${HEAD_END}`);
  assert.match(answer, /^HTTP\/1\.1 504 Gateway Timeout\r\n[\s\S]*upstream request timeout$/);
  const { body } = await proxy.admin("/clusters");
  assert.ok(body.includes(`upstream::127.0.0.1:${upstream.port}::rq_timeout::1\n`), body);
  assert.equal(await proxy.stat("cluster.upstream.upstream_rq_timeout"), 1);
});

test("a circuit breaker that is open refuses at once and lets go afterwards", async () => {
  const waiting = new Promise<void>((resolve) => {
    onWait = resolve;
  });
  const held = await RawClient.open(proxy.port("main"));
  held.send("GET /wait/one HTTP/1.1\r\nhost: a\r\n\r\n");
  await waiting;
  const refused = await exchange(proxy.port("main"), `GET /one HTTP/1.1\r\n${HEAD_END}`);
  assert.match(refused, /^HTTP\/1\.1 503 [\s\S]*reset reason: overflow$/);
  assert.match(refused, /\r\nx-envoy-overloaded: true\r\n/);
  const connection = upstream.connections.find((each) =>
    each.requests.some((request) => request.head.includes(" /wait/one ")),
  );
  connection?.write(plainResponse(200, "late"));
  await held.until((text) => text.endsWith("late"));
  held.close();
  const answer = await exchange(proxy.port("main"), `GET /one HTTP/1.1\r\n${HEAD_END}`);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*first$/);
});

test("weighted clusters share the requests", async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 40; i++) {
    const answer = await exchange(proxy.port("main"), `GET /weighted HTTP/1.1\r\n${HEAD_END}`);
    seen.add(answer.slice(answer.lastIndexOf("\n") + 1));
  }
  assert.deepEqual([...seen].sort(), ["first", "second"]);
});

test("a name is resolved before the proxy serves", async () => {
  const answer = await exchange(proxy.port("main"), `GET /dns HTTP/1.1\r\n${HEAD_END}`);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*second$/);
});
