/** A filter that awaits unary gRPC calls of a real service in the middle of a callback. */
import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";
import { after, before, test } from "node:test";
import { cluster } from "../harness/config.ts";
import { coroutineGuest, word } from "../harness/coroutine-guest.ts";
import { FilterRig } from "../harness/filter-rig.ts";
import { type H2Request, H2Upstream } from "../harness/h2-upstream.ts";
import { CONTINUE, type Script } from "../harness/scripted-guest.ts";

const limits = { timeout: 60_000 };
const GRPC_RECEIVE_BUFFER = 5;
const HEAD = { ":status": 200, "content-type": "application/grpc" };

/** The answers in turn; then the service says nothing. */
const ANSWERS: readonly ((stream: ServerHttp2Stream) => void)[] = [
  (stream) => {
    const message = Buffer.from("the answer");
    const prefix = Buffer.of(0, 0, 0, 0, message.length);
    stream.respond(HEAD, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.concat([prefix, message]));
  },
  (stream) => {
    const trailers = { "grpc-status": "7", "grpc-message": "not you" };
    stream.respond({ ...HEAD, ...trailers }, { endStream: true });
  },
];

const asker = (): Promise<Uint8Array> =>
  coroutineGuest("JSPI", (script: Script) => ({
    proxy_on_request_headers: [
      script.status("first", "(call $await (call $grpc))"),
      script.note("status and size", word(0), word(1)),
      script.getBuffer("message", GRPC_RECEIVE_BUFFER),
      script.status("second", "(call $await (call $grpc))"),
      script.note("status and size", word(0), word(1)),
      CONTINUE,
    ],
    proxy_on_grpc_receive: [script.note("a callback came")],
    proxy_on_grpc_close: [script.note("a callback came")],
  }));

let rig: FilterRig;
let service: H2Upstream;

before(async () => {
  const onRequest = ({ stream }: H2Request): void => {
    ANSWERS[service.requests.length - 1]?.(stream);
  };
  service = await H2Upstream.listen({ onRequest });
  const known = cluster("known", service.port, "http2_protocol_options: {}");
  const plugins = [{ name: "asker", code: await asker() }];
  rig = await FilterRig.start([{ name: "l", plugins }], known);
});
after(async () => {
  await rig?.stop();
  await service?.close();
});

test("an awaited gRPC call gives its message, or its status", limits, async () => {
  const response = await rig.send("l");
  assert.equal(response.status, 200);
  assert.deepEqual(await rig.linesUntil("asker", "status and size 7 0"), [
    "first 0",
    "status and size 0 10",
    "message 0 the answer",
    "second 0",
    "status and size 7 0",
  ]);
  assert.equal(service.requests.length, 2);
  const [first] = service.requests;
  assert.equal(first?.headers[":path"], "/known/known");
  assert.equal(first?.body, "\0\0\0\0\x05known");
});
