/**
 * gRPC through a real proxy, HTTP/2 on both sides: grpc-js as client and as service, and services
 * that do what no library does. A filter looks at headers and trailers of all of it.
 */
import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { bootstrap, CLOSED_PORT, cluster, listener, wasmFilter } from "../harness/config.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { GrpcClient, GrpcUpstream } from "../harness/grpc-upstream.ts";
import { H2Client } from "../harness/h2-client.ts";
import { H2Upstream } from "../harness/h2-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";

const FILTER = join(REPOSITORY_ROOT, "examples/filters/rust/add-header/add-header.wasm");
const limits = { timeout: 20_000 };
const HEAD = { ":status": 200, "content-type": "application/grpc" };
/** grpc-js's number for gzip. */
const GZIP = { "grpc.default_compression_algorithm": 2 } as const;
const BIG = "x".repeat(3_000_000);

function message(text: string): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(text.length, 1);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

/** Sends a message, then what `next` does. */
const half =
  (next: (stream: ServerHttp2Stream) => void) =>
  (stream: ServerHttp2Stream): void => {
    stream.respond(HEAD);
    stream.write(message("half"), () => next(stream));
  };

const ODD: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  ResetHead: (stream) => stream.close(2),
  ResetBody: half((stream) => stream.close(2)),
  Refused: (stream) => stream.close(7),
  NoTrailers: half((stream) => stream.end()),
  Gone: half((stream) => stream.session?.destroy()),
  Html: (stream) => {
    stream.respond({ ":status": 502, "content-type": "text/html" });
    stream.end("<html>");
  },
  ByteByByte: (stream) => {
    stream.respond(HEAD, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-tail": "end" }));
    const bytes = message("slowly");
    const next = (at: number): void => {
      if (at === bytes.length) stream.end();
      else stream.write(bytes.subarray(at, at + 1), () => next(at + 1));
    };
    next(0);
  },
};

let service: GrpcUpstream;
let odd: H2Upstream;
let proxy: ProxyProcess;
let client: GrpcClient;

before(async () => {
  service = await GrpcUpstream.listen();
  odd = await H2Upstream.listen({
    onStream: (stream, headers) => ODD[String(headers[":path"]).split("/")[2] ?? ""]?.(stream),
  });
  const h2 = "http2_protocol_options: {}";
  const filter = wasmFilter({ name: "add-header", code: `{filename: ${JSON.stringify(FILTER)}}` });
  const to = (name: string): string => `{match: {prefix: /${name}.}, route: {cluster: ${name}}}`;
  const limited = "{match: {prefix: /limited.}, route: {cluster: odd, timeout: 0.1s}}";
  const routes = `[${["t", "odd", "dead", "none"].map(to).join(", ")}, ${limited}]`;
  proxy = await startProxy({
    yaml: bootstrap(
      [listener({ routes, filters: [filter] })],
      [
        cluster("t", service.port, h2),
        cluster("odd", odd.port, h2),
        cluster("dead", CLOSED_PORT, h2),
        `  - {name: none, type: STATIC, ${h2}, load_assignment: {cluster_name: none}}\n`,
      ],
    ),
  });
  client = new GrpcClient(proxy.port("main"));
});
after(async () => {
  client?.close();
  await proxy?.stop();
  service?.close();
  await odd?.close();
});

describe("gRPC goes through", () => {
  test("calls of every kind, with their trailing metadata", limits, async () => {
    const ok = { code: 0, details: "OK", tail: "" };
    const unary = await client.exchange("/t.Echo/Unary", ["hello"]);
    assert.deepEqual(unary, { ...ok, answers: ["echo:hello"], tail: "t" });
    const server = await client.exchange("/t.Echo/Server", ["x"]);
    assert.deepEqual(server, { ...ok, answers: ["a", "b", "c"] });
    const some = await client.exchange("/t.Echo/Client", ["m1", "m2"]);
    assert.deepEqual(some, { ...ok, answers: ["m1+m2"] });
    const both = await client.exchange("/t.Echo/Bidi", ["1", "2", "3"]);
    assert.deepEqual(both, { ...ok, answers: ["re:1", "re:2", "re:3"] });
  });

  test("messages both ways while the call is open", limits, async () => {
    assert.deepEqual(await client.bidi(["1", "2", "3"]), ["re:1", "re:2", "re:3"]);
  });

  test("messages larger than any window", limits, async () => {
    const { answers, code } = await client.exchange("/t.Echo/Bidi", [BIG, BIG]);
    assert.equal(code, 0);
    assert.deepEqual(
      answers.map((text) => text.length),
      [BIG.length + 3, BIG.length + 3],
    );
  });

  test("compressed messages", limits, async () => {
    const packing = new GrpcClient(proxy.port("main"), GZIP);
    const { answers } = await packing.exchange("/t.Echo/Unary", ["pack me ".repeat(1_000)]);
    assert.deepEqual(answers, [`echo:${"pack me ".repeat(1_000)}`]);
    assert.ok(service.metadata.at(-1) !== undefined);
    packing.close();
  });

  test("an answer of trailers alone stays one", limits, async () => {
    const raw = new H2Client(`http://127.0.0.1:${proxy.port("main")}`);
    const fields = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };
    const answer = await raw.ask({ ...fields, ":path": "/t.Echo/Fail" }, "\0\0\0\0\0");
    const status = answer.headers.indexOf("grpc-status");
    assert.equal(answer.headers[status + 1], "7");
    assert.deepEqual([answer.status, answer.body, answer.trailers], [200, "", []]);
    raw.close();
    const failed = await client.exchange("/t.Echo/Fail", ["x"]);
    assert.deepEqual([failed.code, failed.details], [7, "not you: 100 % sure"]);
  });

  test("messages that come byte by byte", limits, async () => {
    const { answers, code, tail } = await client.exchange("/odd.Echo/ByteByByte", ["x"]);
    assert.deepEqual([answers, code, tail], [["slowly"], 0, "end"]);
  });
});

describe("gRPC that goes wrong", () => {
  test("a deadline ends the call at the service, too", limits, async () => {
    const before = service.cancelled;
    const { code } = await client.exchange("/t.Echo/Slow", ["x"], { deadlineMs: 200 });
    assert.equal(code, 4);
    while (service.cancelled === before) await proxy.stat("server.uptime");
    while ((await proxy.stat("cluster.t.upstream_rq_active")) !== 0);
  });

  test("a client that gives up ends the call at the service", limits, async () => {
    const { code, answers } = await client.exchange("/t.Echo/Server", ["x"], { cancelsAt: 1 });
    assert.deepEqual([code, answers[0]], [1, "a"]);
    while ((await proxy.stat("http.main.downstream_rq_active")) !== 0);
  });

  test("the route's own timeout is a gRPC answer", limits, async () => {
    const { code, details } = await client.exchange("/limited.Echo/Never", ["x"]);
    // Envoy's word for it: a timeout of the proxy is no deadline of the client's.
    assert.deepEqual([code, details], [14, "upstream request timeout"]);
  });

  const BEFORE = "upstream connect error or disconnect/reset before headers. reset reason: ";
  const rows: readonly (readonly [path: string, code: number, details: RegExp])[] = [
    ["/odd.Echo/ResetHead", 14, new RegExp(`^${BEFORE}remote reset`)],
    ["/odd.Echo/Refused", 14, new RegExp(`^${BEFORE}remote refused stream reset`)],
    ["/dead.Echo/Unary", 14, new RegExp(`^${BEFORE}remote connection failure`)],
    ["/none.Echo/Unary", 14, /^no healthy upstream/],
    ["/nobody.Echo/Unary", 12, /^$/],
    ["/odd.Echo/Html", 14, /502/],
  ];
  for (const [path, code, details] of rows) {
    test(`${path} is status ${code}`, limits, async () => {
      const answer = await client.exchange(path, ["x"]);
      assert.deepEqual([answer.code, answer.answers], [code, []]);
      assert.match(answer.details, details);
    });
  }

  test("what breaks after the first message keeps the message", limits, async () => {
    for (const method of ["ResetBody", "Gone", "NoTrailers"]) {
      const { answers, code } = await client.exchange(`/odd.Echo/${method}`, ["x"]);
      assert.deepEqual(answers, ["half"], method);
      assert.ok(code !== 0, method);
    }
  });

  test("nothing is left under way", limits, async () => {
    for (const name of ["t", "odd"]) {
      while ((await proxy.stat(`cluster.${name}.upstream_rq_active`)) !== 0);
    }
    assert.equal(await proxy.stat("http.main.downstream_rq_active"), 0);
  });
});
