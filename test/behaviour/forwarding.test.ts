import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

let upstream: FakeUpstream;
let proxy: ProxyProcess;
/** What the upstream answers next; the default echoes the request's head as its body. */
let answers: string[] = [];

function head(path: string, more = ""): string {
  return `GET ${path} HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n${more}\r\n`;
}

function bodyOf(text: string): string {
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

function headOf(text: string): string {
  return text.slice(0, text.indexOf("\r\n\r\n"));
}

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      const scripted = answers.shift();
      if (scripted !== undefined) connection.write(scripted);
      else {
        const text = request.head.replaceAll("\r\n", "\n");
        connection.write(plainResponse(200, text + request.body));
      }
    },
  });
  const routes = `[
    {match: {path: /direct}, direct_response: {status: 418, body: {inline_string: short}}},
    {match: {prefix: /old}, redirect: {path_redirect: /new, response_code: FOUND}},
    {match: {prefix: /api/}, route: {cluster: upstream, prefix_rewrite: /v1/, host_rewrite_literal: inner}},
    {match: {prefix: /slow}, route: {cluster: upstream, timeout: 0.2s}},
    {match: {prefix: /dead}, route: {cluster: dead}},
    {match: {prefix: /retry}, route: {cluster: upstream, retry_policy: {retry_on: 5xx, num_retries: 2}}},
    {match: {prefix: /headers}, route: {cluster: upstream},
      request_headers_to_add: [{header: {key: x-added, value: "%PROTOCOL%"}}], request_headers_to_remove: [x-secret],
      response_headers_to_add: [{header: {key: x-out, value: "%UPSTREAM_CLUSTER%"}}]},
    {match: {prefix: /none, headers: [{name: x-never, present_match: true}]}, route: {cluster: upstream}},
    {match: {prefix: /u}, route: {cluster: upstream}}]`;
  const yaml = bootstrap(
    [listener({ routes, hcm: "http_protocol_options: {accept_http_10: true}" })],
    [cluster("upstream", upstream.port), cluster("dead", 1)],
  );
  proxy = await startProxy({ yaml });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
});

beforeEach(() => {
  answers = [];
});

test("a request reaches the upstream with Envoy's default headers and the answer comes back", async () => {
  const answer = await exchange(proxy.port("main"), head("/u/x?q=1", "X-Mixed: Value\r\n"));
  assert.match(headOf(answer), /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(headOf(answer), /\r\nserver: granary(\r\n|$)/);
  assert.match(headOf(answer), /\r\nx-envoy-upstream-service-time: \d+/);
  assert.match(headOf(answer), /\r\ndate: /i);
  assert.match(headOf(answer), /\r\nconnection: close/);
  const seen = bodyOf(answer);
  assert.match(seen, /^GET \/u\/x\?q=1 HTTP\/1\.1\n/);
  assert.match(seen, /\nhost: example\.com\n/);
  assert.match(seen, /\nx-mixed: Value\n/);
  assert.match(seen, /\nx-forwarded-proto: http\n/);
  assert.match(seen, /\nx-request-id: [0-9a-f-]{36}\n/);
  assert.match(seen, /\nx-envoy-expected-rq-timeout-ms: 15000\n/);
  assert.doesNotMatch(seen, /connection: close/);
});

test("a body with a length and a chunked body with trailers reach the upstream whole", async () => {
  const plain = await exchange(
    proxy.port("main"),
    "POST /u HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
  );
  assert.match(bodyOf(plain), /\n\nhello$/);
  const chunked = await exchange(
    proxy.port("main"),
    "POST /u HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nx-t: 1\r\n\r\n",
  );
  assert.match(bodyOf(chunked), /\n\nhello$/);
  assert.match(bodyOf(chunked), /\ntransfer-encoding: chunked\n/);
});

test("pipelined requests are answered in order on one connection", async () => {
  const client = await RawClient.open(proxy.port("main"));
  const one = "GET /u/1 HTTP/1.1\r\nhost: a\r\n\r\n";
  client.send(one + one.replace("/1", "/2") + head("/u/3"));
  const text = await client.untilClosed();
  const order = [...text.matchAll(/GET \/u\/(\d)/g)].map((match) => match[1]);
  assert.deepEqual(order, ["1", "2", "3"]);
});

test("a chunked response with trailers keeps its chunks' bytes and its trailers", async () => {
  answers = [
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-trailer: t\r\n\r\n",
  ];
  const answer = await exchange(proxy.port("main"), head("/u"));
  assert.equal(bodyOf(answer), "3\r\nabc\r\n0\r\nx-trailer: t\r\n\r\n");
});

test("HEAD, 204 and 304 have no body and the connection goes on", async () => {
  const client = await RawClient.open(proxy.port("main"));
  answers = [
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n",
  ];
  client.send("HEAD /u HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.until((text) => text.includes("content-length: 5") && text.endsWith("\r\n\r\n"));
  client.send("GET /u HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.until((text) => text.includes("204 No Content") && text.endsWith("\r\n\r\n"));
  client.send(head("/u"));
  const all = await client.untilClosed();
  assert.match(all, /HTTP\/1\.1 304 Not Modified\r\n/);
  assert.equal(all.split("HTTP/1.1 ").length, 4);
});

test("Expect: 100-continue gets its 100 and then the answer", async () => {
  const client = await RawClient.open(proxy.port("main"));
  client.send(
    "POST /u HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
  );
  await client.until((text) => text.startsWith("HTTP/1.1 100 Continue\r\n\r\n"));
  client.send("hi");
  assert.match(await client.untilClosed(), /HTTP\/1\.1 200 OK[\s\S]*\n\nhi$/);
});

test("an HTTP/1.0 client gets an unchunked answer that ends with the connection", async () => {
  answers = ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"];
  const answer = await exchange(proxy.port("main"), "GET /u HTTP/1.0\r\nhost: a\r\n\r\n");
  assert.equal(bodyOf(answer), "abc");
  assert.doesNotMatch(headOf(answer), /transfer-encoding/);
});

test("direct responses, redirects and unknown routes are answered without an upstream", async () => {
  const direct = await exchange(proxy.port("main"), head("/direct"));
  assert.match(direct, /^HTTP\/1\.1 418 /);
  assert.equal(bodyOf(direct), "short");
  const redirect = await exchange(proxy.port("main"), head("/old?a=b"));
  assert.match(headOf(redirect), /^HTTP\/1\.1 302 Found\r\n/);
  assert.match(headOf(redirect), /\r\nlocation: http:\/\/example\.com\/new\?a=b/);
  assert.match(
    await exchange(proxy.port("main"), head("/nowhere")),
    /^HTTP\/1\.1 404 Not Found\r\n/,
  );
});

test("a prefix rewrite and a host rewrite show at the upstream, with the original path kept", async () => {
  const seen = bodyOf(await exchange(proxy.port("main"), head("/api/x?y")));
  assert.match(seen, /^GET \/v1\/x\?y HTTP\/1\.1\n/);
  assert.match(seen, /\nhost: inner\n/);
  assert.match(seen, /\nx-envoy-original-path: \/api\/x\?y\n/);
});

test("headers are added and removed as the route says, with operators evaluated", async () => {
  const answer = await exchange(proxy.port("main"), head("/headers", "x-secret: 1\r\n"));
  assert.match(bodyOf(answer), /\nx-added: HTTP\/1\.1\n/);
  assert.doesNotMatch(bodyOf(answer), /x-secret/);
  assert.match(headOf(answer), /\r\nx-out: upstream/);
});

test("an upstream that refuses connections is a 503 with Envoy's words", async () => {
  const answer = await exchange(proxy.port("main"), head("/dead"));
  assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assert.match(bodyOf(answer), /^upstream connect error or disconnect\/reset before headers/);
});

test("an upstream that speaks no HTTP is a 502", async () => {
  answers = ["garbage\r\n\r\n"];
  assert.match(await exchange(proxy.port("main"), head("/u")), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
});

test("an answer that does not come in time is a 504", async () => {
  answers = [""];
  const answer = await exchange(proxy.port("main"), head("/slow"));
  assert.match(answer, /^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  assert.equal(bodyOf(answer), "upstream request timeout");
});

test("a 5xx is retried up to the limit, body included", async () => {
  answers = [plainResponse(503, "a"), plainResponse(500, "b")];
  const answer = await exchange(
    proxy.port("main"),
    "POST /retry HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody",
  );
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(bodyOf(answer), /\n\nbody$/);
  answers = [plainResponse(503, "a"), plainResponse(503, "b"), plainResponse(503, "last")];
  const failed = await exchange(proxy.port("main"), head("/retry"));
  assert.match(failed, /^HTTP\/1\.1 503 /);
  assert.equal(bodyOf(failed), "last");
});

const MALFORMED: readonly (readonly [string, string, number])[] = [
  ["two lengths", "content-length: 1\r\ncontent-length: 2\r\n\r\nxx", 400],
  [
    "a length beside chunks",
    "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["two hosts", "host: b\r\n\r\n", 400],
  ["a blank before a colon", "x : b\r\n\r\n", 400],
  ["too long a head", `x: ${"y".repeat(70_000)}\r\n\r\n`, 431],
];

for (const [name, rest, status] of MALFORMED) {
  test(`${name} is a ${status} and the connection closes`, { timeout: 10_000 }, async (context) => {
    const client = await RawClient.open(proxy.port("main"));
    context.after(() => client.close());
    client.send(`GET /u HTTP/1.1\r\nhost: a\r\n${rest}`);
    const answer = await client.untilClosed();
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(headOf(answer), /\r\nconnection: close/i);
  });
}

test("no field at all is a 400 and the connection closes", { timeout: 10_000 }, async (context) => {
  const client = await RawClient.open(proxy.port("main"));
  context.after(() => client.close());
  client.send("GET /u HTTP/1.1\r\n\r\n");
  const answer = await client.untilClosed();
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(headOf(answer), /\r\nconnection: close/i);
});

test("the counters of listener, manager and cluster tell what happened", async () => {
  assert.ok(((await proxy.stat("http.main.downstream_rq_total")) ?? 0) > 20);
  assert.ok(((await proxy.stat("http.main.downstream_rq_2xx")) ?? 0) > 5);
  assert.equal(await proxy.stat("http.main.downstream_rq_active"), 0);
  assert.equal(await proxy.stat("cluster.upstream.upstream_rq_active"), 0);
  assert.ok(((await proxy.stat("cluster.dead.upstream_cx_connect_fail")) ?? 0) >= 1);
});
