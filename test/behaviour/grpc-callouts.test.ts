/**
 * Filters that ask gRPC services: grpc-js as the peer, and one that does what no library does. The
 * order of callbacks and the statuses are Envoy 1.40's.
 */
import assert from "node:assert/strict";
import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { GrpcUpstream } from "../harness/grpc-upstream.ts";
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
import { parseResponse } from "../harness/raw-responses.ts";

const CODE = join(REPOSITORY_ROOT, "examples/filters/rust/callouts/callouts.wasm");
const limits = { timeout: 20_000 };
const OK = { ":status": 200, "content-type": "application/grpc" };

function message(text: string | Uint8Array, flag = 0): Buffer {
  const bytes = Buffer.from(text as string);
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** A response with trailers. */
function withTrailers(
  trailers: OutgoingHttpHeaders,
  body: Uint8Array,
  head: OutgoingHttpHeaders = OK,
) {
  return (stream: ServerHttp2Stream): void => {
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(body);
  };
}

function ending(head: OutgoingHttpHeaders, body: string | Uint8Array | null) {
  return (stream: ServerHttp2Stream): void => {
    stream.respond(head, { endStream: body === null });
    if (body !== null) stream.end(body);
  };
}

const DONE = { "grpc-status": "0" };
const GZIP = { ...OK, "grpc-encoding": "gzip" };
const ODD: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  NoTrailers: ending(OK, message("x")),
  TrailersOnly: ending({ ...OK, "grpc-status": "5", "grpc-message": "gone" }, null),
  NoMessage: withTrailers(DONE, Buffer.alloc(0)),
  TwoMessages: withTrailers(DONE, Buffer.concat([message("one"), message("two")])),
  Status99: withTrailers({ "grpc-status": "99" }, message("x")),
  StatusText: withTrailers({ "grpc-status": "fine" }, message("x")),
  NoStatus: withTrailers({ "x-other": "1" }, message("x")),
  Http503: ending({ ":status": 503 }, "plain"),
  Http404: ending({ ":status": 404 }, null),
  WrongType: ending({ ":status": 200, "content-type": "text/html" }, "<html>"),
  BadFlag: withTrailers(DONE, message("x", 7)),
  TooLong: withTrailers(DONE, Buffer.of(0, 0xff, 0xff, 0xff, 0xff, 1)),
  Cut: withTrailers(DONE, message("xyz").subarray(0, 6)),
  Gzip: withTrailers(DONE, message(gzipSync("unzipped"), 1), GZIP),
  BadGzip: withTrailers(DONE, message("no gzip", 1), GZIP),
  Unannounced: withTrailers(DONE, message(gzipSync("x"), 1)),
  Bomb: withTrailers(DONE, message(gzipSync(Buffer.alloc(64 << 20)), 1), GZIP),
  Reset: (stream) => stream.close(2),
  Gigabyte: (stream) => {
    stream.respond(OK);
    const part = Buffer.alloc(1 << 20);
    const more = (): void => {
      if (!stream.destroyed) stream.write(part, more);
    };
    stream.write(Buffer.of(0, 0x40, 0, 0, 0), more);
  },
  Never: () => undefined,
  HalfThenNever: (stream) => {
    stream.respond(OK);
    stream.write(message("x"));
  },
  Slowly: (stream) => {
    stream.respond(OK, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(DONE));
    const bytes = message("byte by byte");
    const next = (at: number): void => {
      if (at === bytes.length) stream.end();
      else stream.write(bytes.subarray(at, at + 1), () => next(at + 1));
    };
    next(0);
  },
};

type RawUpstream = Awaited<ReturnType<typeof rawH2Upstream>>;

/** Answers with a head and these bytes, then resets the stream. */
function tearing(bytes: Uint8Array): Promise<RawUpstream> {
  return rawH2Upstream((socket, stream) => {
    socket.write(frame(FRAME.headers, FLAG.endHeaders, stream, STATUS_200));
    socket.write(frame(FRAME.data, 0, stream, bytes));
    socket.write(frame(FRAME.reset, 0, stream, Uint8Array.of(0, 0, 0, 2)));
  });
}

let grpc: GrpcUpstream;
let odd: H2Upstream;
/** Resets behind the first bytes of a message, and behind a whole one. */
let torn: RawUpstream[];
let proxy: ProxyProcess;

before(async () => {
  grpc = await GrpcUpstream.listen();
  const onRequest = ({ stream, headers }: H2Request): void => {
    ODD[String(headers[":path"]).split("/")[2] ?? ""]?.(stream);
  };
  odd = await H2Upstream.listen({ onRequest });
  torn = await Promise.all([message("x").subarray(0, 3), message("x")].map(tearing));
  const filter = wasmFilter({ name: "callouts", code: `{filename: ${JSON.stringify(CODE)}}` });
  const h2 = "http2_protocol_options: {}";
  proxy = await startProxy({
    yaml: bootstrap(
      [listener({ filters: [filter] })],
      [
        cluster("upstream", grpc.port, h2),
        cluster("odd", odd.port, h2),
        ...torn.map(({ port }, i) => cluster(`torn${i}`, port, h2)),
        cluster("dead", 1, h2),
        `  - {name: none, type: STATIC, ${h2}, load_assignment: {cluster_name: none}}\n`,
      ],
    ),
  });
});
after(async () => {
  await proxy?.stop();
  grpc?.close();
  await odd?.close();
  for (const one of torn ?? []) await one.close();
});

/** What the guest reports. */
async function ask(headers: string): Promise<readonly string[]> {
  const client = await RawClient.open(proxy.port("main"));
  client.send(`GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n${headers}\r\n\r\n`);
  const text = await client.untilClosed();
  client.close();
  return parseResponse(text, "GET").body.split("\n");
}

const call = (target: string, method: string, timeoutMs = 5_000) =>
  ask(`x-grpc: ${target}|t.Echo|${method}|hello|${timeoutMs}`);
const stream = (target: string, method: string, messages: string, more = "") =>
  ask(`x-grpc-stream: ${target}|t.Echo|${method}|${messages}${more}`);
const summary = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => line.replace(/\[.*\]/, "").trim());

describe("gRPC calls with grpc-js as the peer", () => {
  test("a unary call is answered", limits, async () => {
    assert.deepEqual(await call("upstream", "Unary"), ['message 10 "echo:hello"']);
    const metadata = grpc.metadata.at(-1);
    assert.deepEqual(metadata?.get("x-meta"), ["m"]);
    // The guest's bytes: it is the host that makes base64 of them.
    assert.deepEqual(metadata?.get("x-meta-bin"), [Buffer.from("AAEC")]);
  });

  test("the upstream can be given as a GrpcService message", limits, async () => {
    assert.deepEqual(await call("@upstream", "Unary"), ['message 10 "echo:hello"']);
  });

  test("a failure has its status and its message, decoded", limits, async () => {
    assert.deepEqual(await call("upstream", "Fail"), ['close 7 7 "not you: 100 % sure"']);
    assert.match((await call("upstream", "Nothing"))[0] ?? "", /^close 12 12 /);
  });

  test("the service learns the deadline", limits, async () => {
    assert.match((await call("upstream", "Slow", 100))[0] ?? "", /^close (4|14) /);
  });

  test("streams of the client, of the server, and both ways", limits, async () => {
    const client = await stream("upstream", "Client", "m1,m2");
    assert.match(client[0] ?? "", /^initial 6 \[:status=200 content-type=application\/grpc/);
    assert.deepEqual(client.slice(1), [
      'message 5 "m1+m2"',
      "trailing 2 [grpc-status=0 grpc-message=OK]",
      'close 0 0 "OK"',
    ]);
    const server = await stream("upstream", "Server", "m1");
    assert.deepEqual(server.slice(1, 4), ['message 1 "a"', 'message 1 "b"', 'message 1 "c"']);
    const both = await stream("upstream", "Bidi", "m1,m2");
    assert.deepEqual(both.slice(1, 3), ['message 5 "re:m1"', 'message 5 "re:m2"']);
    assert.equal(both.at(-1), 'close 0 0 "OK"');
  });

  test("a stream that is cancelled says nothing more", limits, async () => {
    const lines = await stream("upstream", "Bidi", "m1,m2", "\r\nx-grpc-cancel: 1");
    assert.deepEqual(lines.slice(1), ['message 5 "re:m1"']);
  });
});

describe("gRPC calls that go wrong", () => {
  const BEFORE = "upstream connect error or disconnect/reset before headers. reset reason: ";
  const rows: readonly (readonly [method: string, line: string])[] = [
    ["NoTrailers", 'close 2 2 ""'],
    ["TrailersOnly", 'close 5 5 "gone"'],
    ["NoMessage", 'close 13 13 ""'],
    ["TwoMessages", 'message 3 "two"'],
    ["Status99", 'close 2 2 ""'],
    ["StatusText", 'close 2 2 ""'],
    ["NoStatus", 'close 2 2 ""'],
    ["Http503", 'close 14 14 ""'],
    ["Http404", 'close 12 12 ""'],
    ["WrongType", 'close 13 13 "content-type text/html"'],
    ["BadFlag", 'close 13 13 "malformed message"'],
    ["TooLong", 'close 8 8 "message too large"'],
    ["Cut", 'close 13 13 "incomplete message"'],
    ["Gzip", 'message 8 "unzipped"'],
    ["BadGzip", 'close 13 13 "malformed compressed message"'],
    ["Unannounced", 'close 13 13 "malformed compressed message"'],
    ["Bomb", 'close 13 13 "malformed compressed message"'],
    ["Reset", `close 14 14 "${BEFORE}remote reset"`],
    ["Gigabyte", 'close 8 8 "message too large"'],
    ["Slowly", 'message 12 "byte by byte"'],
  ];
  for (const [method, line] of rows) {
    test(`${method}: ${line}`, limits, async () => {
      assert.deepEqual(await call("odd", method), [line]);
    });
  }

  test("an upstream that never answers is a timeout", limits, async () => {
    const timeout = ['close 14 14 "upstream request timeout"'];
    assert.deepEqual(await call("odd", "Never", 50), timeout);
    assert.deepEqual(await call("odd", "HalfThenNever", 50), ['close 13 13 ""']);
  });

  test("a reset in a message, and in the trailers' place, is Internal", limits, async () => {
    for (const name of ["torn0", "torn1"]) {
      assert.deepEqual(await call(name, "Unary"), ['close 13 13 ""']);
    }
    const lines = summary(await stream("torn1", "Server", "m"));
    assert.deepEqual(lines, ["initial 2", 'message 1 "x"', "trailing 0", 'close 13 13 ""']);
  });

  test("streams tell of everything in order", limits, async () => {
    const only = summary(await stream("odd", "TrailersOnly", "m"));
    assert.deepEqual(only, ["initial 0", "trailing 6", 'close 5 5 "gone"']);
    const http = summary(await stream("odd", "Http503", "m"));
    assert.deepEqual(http, ["initial 0", "trailing 0", 'close 14 14 ""']);
    const none = summary(await stream("odd", "NoTrailers", "m"));
    assert.deepEqual(none, ["initial 4", 'message 1 "x"', "trailing 0", 'close 2 2 ""']);
  });

  test("calls that cannot be made are refused, or closed", limits, async () => {
    assert.deepEqual(await call("nobody", "Unary"), ["refused 4"]);
    assert.deepEqual(await call("@nobody", "Unary"), ["refused 10"]);
    assert.deepEqual(await call("none", "Unary"), ["refused 10"]);
    const refused = `close 14 14 "${BEFORE}remote connection failure"`;
    assert.deepEqual(await call("dead", "Unary"), [refused]);
    const lines = summary(await stream("dead", "Server", "m"));
    assert.deepEqual(lines, ["initial 0", "trailing 4", refused]);
  });

  test("nothing is left under way", limits, async () => {
    assert.equal(await proxy.stat("granary.callouts.active"), 0);
    assert.equal(await proxy.stat("cluster.odd.upstream_rq_active"), 0);
  });
});
