/**
 * A real proxy before HTTP/2 upstreams: prior knowledge and TLS with ALPN, proxied requests and
 * callouts.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import {
  FLAG,
  FRAME,
  frame,
  type H2Request,
  H2Upstream,
  rawH2Upstream,
  STATUS_200,
} from "../harness/h2-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { RawClient } from "../harness/raw-client.ts";
import { parseResponse, type RawResponse } from "../harness/raw-responses.ts";

const FIXTURES = join(REPOSITORY_ROOT, "test/fixtures/tls");
const CODE = join(REPOSITORY_ROOT, "examples/filters/rust/callouts/callouts.wasm");
const limits = { timeout: 20_000 };

const TLS_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const HTTP_TYPE = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const EXPLICIT = `typed_extension_protocol_options: {${HTTP_TYPE}: {"@type": type.googleapis.com/${HTTP_TYPE}, explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 50}}}}`;
const CA = `{filename: ${JSON.stringify(join(FIXTURES, "ca.pem"))}}`;
const SECURE = `transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": ${TLS_TYPE}, sni: upstream.test, common_tls_context: {validation_context: {trusted_ca: ${CA}}}}}`;

let plain: H2Upstream;
let secure: H2Upstream;
/** Resets in the middle of its answers. */
let torn: Awaited<ReturnType<typeof rawH2Upstream>>;
let proxy: ProxyProcess;

function answer({ stream, headers, body }: H2Request): void {
  if (headers[":path"] === "/reset") {
    stream.close(2);
    return;
  }
  stream.respond({ ":status": 200, "x-h2": "yes" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "1" }));
  stream.end(`got ${body.length}`);
}

before(async () => {
  plain = await H2Upstream.listen({ onRequest: answer });
  torn = await rawH2Upstream((socket, stream) => {
    socket.write(frame(FRAME.headers, FLAG.endHeaders, stream, STATUS_200));
    socket.write(frame(FRAME.data, 0, stream, Buffer.from("half")));
    socket.write(frame(FRAME.reset, 0, stream, Uint8Array.of(0, 0, 0, 2)));
  });
  secure = await H2Upstream.listen({
    onRequest: answer,
    tls: {
      cert: readFileSync(join(FIXTURES, "server.pem")),
      key: readFileSync(join(FIXTURES, "server.key")),
    },
  });
  const filter = wasmFilter({ name: "callouts", code: `{filename: ${JSON.stringify(CODE)}}` });
  const secureRoutes = "[{match: {prefix: /}, route: {cluster: secure}}]";
  proxy = await startProxy({
    yaml: bootstrap(
      [
        listener({ filters: [filter] }),
        listener({ name: "to-secure", routes: secureRoutes, filters: [filter] }),
      ],
      [
        cluster("upstream", plain.port, "http2_protocol_options: {}"),
        cluster("torn", torn.port, "http2_protocol_options: {}"),
        cluster("secure", secure.port, `${EXPLICIT}, ${SECURE}`),
      ],
    ),
  });
});
after(async () => {
  await proxy?.stop();
  await plain?.close();
  await secure?.close();
  await torn?.close();
});

async function send(name: string, request: string): Promise<RawResponse> {
  const client = await RawClient.open(proxy.port(name));
  client.send(request);
  const text = await client.untilClosed();
  client.close();
  return parseResponse(text, request.split(" ")[0] ?? "GET");
}

const END = "host: a.example\r\nconnection: close\r\n";

for (const [name, server] of [
  ["main", () => plain],
  ["to-secure", () => secure],
] as const) {
  test(
    `${name}: a body with trailers goes through, and the answer comes back`,
    limits,
    async () => {
      const body = "5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n";
      const head = `POST /p HTTP/1.1\r\n${END}te: trailers\r\ntransfer-encoding: chunked\r\n\r\n`;
      const response = await send(name, head + body);
      assert.equal(response.status, 200);
      assert.equal(response.body, "got 5");
      assert.deepEqual(response.trailers, [["x-end", "1"]]);
      const request = server().requests.at(-1);
      assert.equal(request?.headers[":authority"], "a.example");
      assert.equal(request?.headers[":method"], "POST");
      assert.deepEqual(request?.trailers, ["x-sum", "5"]);
      assert.equal(request?.headers["transfer-encoding"], undefined);
    },
  );

  test(`${name}: callouts go over the same connection`, limits, async () => {
    const target = name === "main" ? "upstream" : "secure";
    const ask = `x-call: ${target}|/ask|5000\r\nx-call-body: question\r\n`;
    const response = await send(name, `GET / HTTP/1.1\r\n${END}${ask}\r\n`);
    assert.match(response.body, /^\(4,5,1\) \[:status=200 x-h2=yes .*\] "got 8" \[x-end=1\]/);
    assert.equal(server().sessions.length, 1);
  });
}

test("a reset by the upstream is a 503 that says so", limits, async () => {
  const response = await send("main", `GET /reset HTTP/1.1\r\n${END}\r\n`);
  assert.equal(response.status, 503);
  assert.match(response.body, /reset reason: remote reset$/);
});

test("a reset by the asked service is an answer of the proxy's own", limits, async () => {
  const ask = "x-call: upstream|/reset|5000\r\n";
  const response = await send("main", `GET / HTTP/1.1\r\n${END}${ask}\r\n`);
  assert.match(response.body, /^\(3,\d+,0\) \[:status=503 .* reset reason: remote reset"/);
});

test("a reset in the body is a failure of the callout: zeros and status 11", limits, async () => {
  const ask = "x-call: torn|/|5000\r\n";
  const response = await send("main", `GET / HTTP/1.1\r\n${END}${ask}\r\n`);
  assert.equal(response.body, '(0,0,0) [] "" [] 11 "reset"');
});

test("big bodies go through both ways", limits, async () => {
  const size = 3_000_000;
  const head = `POST / HTTP/1.1\r\n${END}content-length: ${size}\r\n\r\n`;
  const response = await send("main", head + "x".repeat(size));
  assert.equal(response.body, `got ${size}`);
});

test("the connection counts as HTTP/2", limits, async () => {
  assert.equal(await proxy.stat("cluster.upstream.upstream_cx_http2_total"), 1);
  assert.equal(await proxy.stat("cluster.upstream.upstream_cx_http1_total"), 0);
});
