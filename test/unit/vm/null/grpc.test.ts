import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { startScript } from "../../../harness/plugin-fixture.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function said(lines: readonly string[]): string[] {
  return lines
    .filter((line) => line.startsWith("2 "))
    .map((line) => line.slice(line.indexOf(": ") + 2));
}

const UNARY = `module.exports = {
  async onRequestHeaders(ctx) {
    try {
      const reply = await ctx.grpcCall("known", {
        service: "a.B", method: "C", message: Buffer.from("ask"),
        metadata: { "x-m": "1" }, timeoutMs: 70,
      });
      ctx.log.info([Buffer.from(reply.message), reply.initialMetadata.get("x-i"),
        reply.trailingMetadata.get("X-T")].join(" "));
    } catch (error) { ctx.log.info([error.name, error.status, error.message].join(" ")); }
  },
};`;

test("a gRPC call gives its message and both metadata", async () => {
  const { open, thread } = startScript(UNARY);
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  const [call] = thread.callouts.grpcCalls;
  assert.deepEqual(
    [call?.request.cluster, call?.request.service, call?.request.method, call?.request.timeoutMs],
    ["known", "a.B", "C", 70],
  );
  assert.equal(call?.request.metadata.get("x-m"), "1");
  assert.deepEqual(call?.sent, ["ask end"]);
  call?.events.onGrpcInitialMetadata(HeaderMap.of([["x-i", "first"]]));
  call?.events.onGrpcMessage(Buffer.from("answer"));
  call?.events.onGrpcTrailingMetadata(HeaderMap.of([["x-t", "last"]]));
  call?.events.onGrpcClose(0, "");
  await settle();
  assert.match(said(thread.lines)[0] ?? "", /^answer /);
  assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("a status other than 0, and a call that cannot start, reject", async () => {
  const { open, thread } = startScript(UNARY);
  open().context.onRequestHeaders(1, true);
  thread.callouts.grpcCalls[0]?.events.onGrpcClose(7, "not you");
  await settle();
  assert.deepEqual(said(thread.lines), ["GrpcError 7 not you"]);
  const none = startScript(UNARY.replace('"known"', '"none"'));
  none.open().context.onRequestHeaders(1, true);
  await settle();
  assert.match(said(none.thread.lines)[0] ?? "", /^CalloutError -1 proxy_grpc_call: /);
});

test("a stream that ends gives its gRPC call up", async () => {
  const { open, thread } = startScript(UNARY);
  const { context } = open();
  context.onRequestHeaders(1, true);
  context.onDestroy();
  assert.equal(thread.callouts.grpcCalls[0]?.cancelled, true);
  await settle();
});

const STREAMING = `module.exports = {
  async onRequestHeaders(ctx) {
    const calls = ctx.grpcStream("known", { service: "a.B", method: "C" });
    calls.send(Buffer.from("one"));
    calls.send(Buffer.from("two"), true);
    try {
      for await (const message of calls) {
        ctx.log.info("got " + Buffer.from(message));
        if (String(Buffer.from(message)) === "stop") break;
      }
      ctx.log.info("over");
    } catch (error) { ctx.root.log.info([error.name, error.status].join(" ")); }
  },
};`;

test("a gRPC stream sends, keeps what comes and is read to its end", async () => {
  const { open, thread } = startScript(STREAMING);
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  const [call] = thread.callouts.grpcCalls;
  assert.deepEqual(call?.sent, ["one", "two end"]);
  for (const text of ["a", "b", "c"]) call?.events.onGrpcMessage(Buffer.from(text));
  await settle();
  call?.events.onGrpcMessage(Buffer.from("d"));
  call?.events.onGrpcClose(0, "");
  await settle();
  assert.deepEqual(said(thread.lines), ["got a", "got b", "got c", "got d", "over"]);
  assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("a gRPC stream that fails rejects its reader, whether it waits or comes later", async () => {
  for (const waits of [true, false]) {
    const { open, thread } = startScript(STREAMING);
    open().context.onRequestHeaders(1, true);
    const [call] = thread.callouts.grpcCalls;
    if (waits) await settle();
    else call?.events.onGrpcMessage(Buffer.from("a"));
    call?.events.onGrpcClose(14, "gone");
    await settle();
    assert.deepEqual(said(thread.lines).at(-1), "GrpcError 14");
  }
});

test("a reader that stops, and a stream that ends, cancel the gRPC stream", async () => {
  for (const message of ["stop", null]) {
    const { open, thread } = startScript(STREAMING);
    const { context } = open();
    context.onRequestHeaders(1, true);
    const [call] = thread.callouts.grpcCalls;
    await settle();
    if (message === null) context.onDestroy();
    else call?.events.onGrpcMessage(Buffer.from(message));
    await settle();
    assert.equal(call?.cancelled, true);
    assert.equal(said(thread.lines).at(-1), message === null ? "ContextEndedError -1" : "over");
  }
});
