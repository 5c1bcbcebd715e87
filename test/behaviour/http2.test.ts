/** HTTP/2 clients of a real proxy: by ALPN, by prior knowledge beside HTTP/1.1, gRPC end to end. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { GrpcClient, GrpcUpstream } from "../harness/grpc-upstream.ts";
import { H2Client, RawH2Client } from "../harness/h2-client.ts";
import { H2Upstream } from "../harness/h2-upstream.ts";
import { fetchText, type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { RawClient } from "../harness/raw-client.ts";

const FIXTURES = join(REPOSITORY_ROOT, "test/fixtures/tls");
const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const FILTER = join(REPOSITORY_ROOT, "examples/filters/rust/add-header/add-header.wasm");
const limits = { timeout: 20_000 };
const PINGING = "connection_keepalive: {interval: 0.02s, timeout: 1s, interval_jitter: {value: 0}}";
const file = (name: string): string => `{filename: ${JSON.stringify(join(FIXTURES, name))}}`;
const SECURE = `transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": ${TLS}, common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{certificate_chain: ${file("server.pem")}, private_key: ${file("server.key")}}]}}}`;

let upstream: H2Upstream;
let grpc: GrpcUpstream;
let proxy: ProxyProcess;

before(async () => {
  upstream = await H2Upstream.listen({
    onRequest: ({ stream, headers, body, trailers }) => {
      if (headers[":path"] === "/never") return;
      const big = headers[":path"] === "/big" ? "x".repeat(4_000_000) : "";
      stream.respond(
        { ":status": 200, "x-method": String(headers[":method"]) },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-got": trailers.join("=") }));
      stream.end(big === "" ? `got ${body.length}` : big);
    },
  });
  grpc = await GrpcUpstream.listen();
  const h2 = "http2_protocol_options: {}";
  const filter = wasmFilter({ name: "add-header", code: `{filename: ${JSON.stringify(FILTER)}}` });
  const routes =
    "[{match: {prefix: /t.Echo}, route: {cluster: grpc}}, {match: {prefix: /}, route: {cluster: upstream}}]";
  const secure = listener({ name: "secure", routes }).replace(
    "    - filters:\n",
    `    - ${SECURE}\n      filters:\n`,
  );
  proxy = await startProxy({
    yaml: bootstrap(
      [
        listener({ routes, filters: [filter] }),
        secure,
        listener({ name: "only1", routes, hcm: "codec_type: HTTP1" }),
        listener({ name: "only2", routes, hcm: "codec_type: HTTP2" }),
        listener({ name: "pinging", routes, hcm: `http2_protocol_options: {${PINGING}}` }),
      ],
      [cluster("upstream", upstream.port, h2), cluster("grpc", grpc.port, h2)],
    ),
  });
});
after(async () => {
  await proxy?.stop();
  grpc?.close();
  await upstream?.close();
});

const plain = (name = "main"): H2Client => new H2Client(`http://127.0.0.1:${proxy.port(name)}`);

test("prior knowledge and HTTP/1.1 share one port", limits, async () => {
  const client = plain();
  const answer = await client.ask({ ":path": "/a" });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, "got 0");
  assert.ok(answer.headers.includes("x-granary-filter"));
  assert.deepEqual((await fetchText(proxy.port("main"), "/a")).body, "got 0");
  client.close();
  assert.ok(((await proxy.stat("http.main.downstream_cx_http2_total")) ?? 0) >= 1);
  assert.ok(((await proxy.stat("http.main.downstream_rq_http2_total")) ?? 0) >= 1);
});

test("bodies and trailers go through both ways, and the filters see them", limits, async () => {
  const client = plain();
  const answer = await client.ask({ ":method": "POST", ":path": "/b" }, "hello", { "x-sum": "5" });
  assert.equal(answer.body, "got 5");
  assert.deepEqual(answer.trailers, ["x-got", "x-sum=5"]);
  const request = upstream.requests.at(-1);
  assert.equal(request?.headers[":method"], "POST");
  assert.equal(request?.headers["x-granary-request"], "1");
  client.close();
});

test("ALPN chooses the protocol", limits, async () => {
  const ca = readFileSync(join(FIXTURES, "ca.pem"));
  const url = `https://127.0.0.1:${proxy.port("secure")}`;
  const client = new H2Client(url, { ca, checkServerIdentity: () => undefined });
  const answer = await client.ask({ ":path": "/tls" });
  assert.equal(answer.status, 200);
  assert.equal(client.session.alpnProtocol, "h2");
  assert.equal(upstream.requests.at(-1)?.headers["x-forwarded-proto"], "https");
  client.close();
});

test("many streams of one connection run side by side", limits, async () => {
  const client = plain();
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => client.ask({ ":path": `/${i}` })),
  );
  assert.ok(answers.every(({ status, body }) => status === 200 && body === "got 0"));
  client.close();
});

test("a HEAD request has no body, and the stream ends", limits, async () => {
  const client = plain();
  const answer = await client.ask({ ":method": "HEAD", ":path": "/head" });
  assert.deepEqual([answer.status, answer.body, answer.code], [200, "", 0]);
  client.close();
});

test("a slow client makes the upstream wait", limits, async () => {
  const client = plain();
  const { stream, answer } = client.send({ ":path": "/big" });
  stream.pause();
  await new Promise((resolve) => stream.once("response", resolve));
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  stream.resume();
  assert.equal((await answer).body.length, 4_000_000);
  client.close();
});

test("a client that resets a stream ends its request and no other", limits, async () => {
  const client = plain();
  const { stream, answer } = client.send({ ":path": "/never" });
  const before = upstream.requests.length;
  while (upstream.requests.length === before) await client.ask({ ":path": "/a" });
  stream.close(8);
  await answer;
  assert.equal((await client.ask({ ":path": "/a" })).status, 200);
  while ((await proxy.stat("http.main.downstream_rq_active")) !== 0);
  client.close();
});

test("requests that HTTP/1.1 would refuse are refused", limits, async () => {
  const client = plain();
  // By us, or by nghttp2 before us.
  for (const bad of [
    { ":path": "/a b" },
    { ":path": "/", ":authority": "a b" },
    { ":path": "x" },
  ]) {
    const { status, code } = await client.ask(bad);
    assert.ok(status === 400 || code === 1, `${JSON.stringify(bad)}: ${status} ${code}`);
  }
  assert.equal((await client.ask({ ":path": "/" })).status, 200);
  client.close();
});

test("cookies that come in crumbs are one", limits, async () => {
  const client = plain();
  await client.ask({ ":path": "/", cookie: ["a=1", "b=2"] });
  assert.equal(upstream.requests.at(-1)?.headers.cookie, "a=1; b=2");
  client.close();
});

test("codec_type leaves one protocol", limits, async () => {
  const first = await RawClient.open(proxy.port("only1"));
  first.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  assert.match(await first.untilClosed(), /^HTTP\/1\.1 505 /);
  first.close();
  const client = plain("only2");
  assert.equal((await client.ask({ ":path": "/" })).status, 200);
  client.close();
  await assert.rejects(fetchText(proxy.port("only2"), "/"));
});

test("a preface in pieces is one, a request that begins like one is none", limits, async () => {
  const pieces = await RawClient.open(proxy.port("main"));
  pieces.send("P");
  await proxy.stat("server.uptime");
  pieces.send(
    "OST /p HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc",
  );
  assert.match(await pieces.untilClosed(), /^HTTP\/1\.1 200 OK/);
  pieces.close();
});

test("gRPC goes through end to end", limits, async () => {
  const client = new GrpcClient(proxy.port("main"));
  assert.deepEqual(await client.unary("Unary", "hello"), { text: "echo:hello", tail: "t" });
  await assert.rejects(client.unary("Fail", "x"), { code: 7, details: "not you: 100 % sure" });
  assert.deepEqual(await client.bidi(["1", "2", "3"]), ["re:1", "re:2", "re:3"]);
  client.close();
});

test(
  "connection_keepalive closes clients that do not answer PING, others stay",
  limits,
  async () => {
    const client = plain("pinging");
    let pings = 0;
    client.session.on("ping", () => pings++);
    const deaf = new RawH2Client(proxy.port("pinging"));
    await deaf.closed;
    while (pings < 3) await proxy.stat("server.uptime");
    assert.equal((await client.ask({ ":path": "/" })).status, 200);
    assert.equal(await proxy.stat("http2.keepalive_timeout"), 1);
    client.close();
  },
);

test("a proxy that stops says GOAWAY and ends when its streams have", limits, async () => {
  const yaml = bootstrap(
    [listener()],
    [cluster("upstream", upstream.port, "http2_protocol_options: {}")],
  );
  const other = await startProxy({ yaml });
  const client = new H2Client(`http://127.0.0.1:${other.port("main")}`);
  assert.equal((await client.ask({ ":path": "/" })).status, 200);
  const goaway = new Promise((resolve) => client.session.once("goaway", resolve));
  const stopped = other.stop();
  await goaway;
  await stopped;
  client.close();
});
