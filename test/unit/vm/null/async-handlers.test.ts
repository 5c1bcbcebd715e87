import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { DATA_STATUS, HEADERS_STATUS, TRAILERS_STATUS } from "../../../../src/vm/types.ts";
import { startScript } from "../../../harness/plugin-fixture.ts";

/** Lets promises run, and what follows from them. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What the filter logged at level info. */
function said(lines: readonly string[]): string[] {
  return lines
    .filter((line) => line.startsWith("2 "))
    .map((line) => line.slice(line.indexOf(": ") + 2));
}

const CALLING = `module.exports = {
  async onRequestHeaders(ctx) {
    const reply = await ctx.httpCall("known", {
      method: "POST", path: "/check", headers: { "x-a": "1" }, body: "ask", timeoutMs: 250,
    });
    ctx.request.headers.set("x-answer", reply.status + " " + reply.text());
    if (reply.status === 403) ctx.sendLocalResponse(403, { body: "denied" });
  },
};`;

test("a handler that waits for a callout pauses the stream, and what it then does has effect", async () => {
  const { open, thread } = startScript(CALLING);
  const { stream, context } = open();
  assert.equal(context.onRequestHeaders(1, true), HEADERS_STATUS.stopAllAndWatermark);
  const [call] = thread.callouts.calls;
  assert.equal(call?.request.cluster, "known");
  assert.equal(call?.request.timeoutMs, 250);
  assert.equal(call?.request.headers.get(":authority"), "known");
  assert.equal(call?.request.headers.get("x-a"), "1");
  assert.equal(Buffer.from(call?.request.body ?? []).toString(), "ask");
  call?.reply("200", "fine");
  assert.deepEqual(stream.calls, []);
  await settle();
  assert.equal(stream.maps[0]?.get("x-answer"), "200 fine");
  assert.deepEqual(stream.calls, ["changed 0", "continueRequest"]);
});

test("a local reply of a handler that waited goes out, and the stream is not continued", async () => {
  const { open, thread } = startScript(CALLING);
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  thread.callouts.calls[0]?.reply("403");
  await settle();
  assert.deepEqual(stream.calls, ["changed 0", "localReply"]);
  assert.equal(Buffer.from(stream.replies[0]?.body ?? []).toString(), "denied");
});

test("ten thousand streams wait at once, each goes on once by its own answer, in any order", async () => {
  const { open, thread } = startScript(CALLING);
  const streams = [...Array(10_000).keys()].map(() => open());
  for (const { context } of streams) context.onRequestHeaders(1, true);
  for (const [i, call] of [...thread.callouts.calls.entries()].reverse()) {
    call.reply("200", `n${i}`);
  }
  await settle();
  for (const [i, { stream }] of streams.entries()) {
    assert.equal(stream.maps[0]?.get("x-answer"), `200 n${i}`);
    assert.deepEqual(stream.calls, ["changed 0", "continueRequest"]);
  }
});

test("callouts that cannot start or are reset reject; 504 is an answer", async () => {
  const { open, thread } = startScript(`module.exports = {
    async onRequestHeaders(ctx) {
      for (const cluster of ["none", "down", "known", "known"]) {
        try {
          const reply = await ctx.httpCall(cluster);
          ctx.log.info("answer " + reply.status + " " + reply.headers.get("X-Answer"));
        } catch (error) { ctx.log.info(error.name + " " + error.message); }
      }
    },
  };`);
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  await settle();
  thread.callouts.calls[0]?.events.onHttpFailure();
  await settle();
  thread.callouts.calls[1]?.reply("504");
  await settle();
  assert.deepEqual(said(thread.lines), [
    "CalloutError proxy_http_call: badArgument (is there such a cluster?)",
    "CalloutError proxy_http_call: internalFailure",
    "CalloutError the callout was reset",
    "answer 504 yes",
  ]);
  assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("a rejected handler fails the VM: closed answers, open lets the stream go on", async () => {
  const text = `module.exports = {
    async onRequestHeaders(ctx) { await ctx.sleep(5); throw new Error("broken"); },
  };`;
  for (const [failurePolicy, effect] of [
    ["closed", "failStream"],
    ["open", "continueRequest"],
  ] as const) {
    const { open, thread } = startScript(text, { failurePolicy });
    const { stream, context } = open();
    const other = open();
    context.onRequestHeaders(1, true);
    other.context.onRequestHeaders(1, true);
    thread.timers.advance(5);
    await settle();
    assert.deepEqual(stream.calls, [effect]);
    assert.deepEqual(other.stream.calls, [effect], "streams of the same VM that wait as well");
    assert.match(thread.lines.join("\n"), /failed in onRequestHeaders: Error: broken/);
    assert.match(thread.lines.join("\n"), /filter\.js:2:\d+/);
    assert.deepEqual(
      thread.vmEventLines.filter((line) => line.startsWith("failed")),
      ["failed plugin trap"],
      "one failure, however many handlers are rejected",
    );
  }
});

test("a stream that ends while its handler waits rejects what it waits for", async () => {
  const { open, thread } = startScript(`module.exports = {
    async onRequestHeaders(ctx) {
      ctx.signal.addEventListener("abort", () => ctx.root.log.info("aborted"));
      try { await ctx.httpCall("known"); }
      catch (error) { ctx.root.log.info("left " + error.name); throw error; }
      finally { ctx.root.log.info("cleaned up"); }
    },
  };`);
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  context.onLog();
  context.onDestroy();
  await settle();
  thread.callouts.calls[0]?.reply("200");
  await settle();
  assert.deepEqual(said(thread.lines), ["aborted", "left ContextEndedError", "cleaned up"]);
  assert.deepEqual(stream.calls, []);
  assert.deepEqual(
    thread.vmEventLines.filter((line) => line.startsWith("failed")),
    [],
  );
});

test("a context that has ended refuses every use, and the handler that is left by it has not failed", async () => {
  const { open, thread } = startScript(`let kept;
  module.exports = {
    async onRequestHeaders(ctx) {
      await new Promise((resolve) => { kept = resolve; });
      ctx.request.headers.set("x", "late");
    },
    onDone() { kept(); },
  };`);
  const { context } = open();
  context.onRequestHeaders(1, true);
  context.onDestroy();
  await settle();
  assert.deepEqual(
    thread.vmEventLines.filter((line) => line.startsWith("failed")),
    [],
  );
});

const BODIES = `module.exports = {
  async onRequestBody(ctx, { size, endOfStream }) {
    const { body } = ctx.request;
    await ctx.sleep(10);
    ctx.log.info(["body", size, body.size, endOfStream, body.text()].join(" "));
    if (!endOfStream && ctx.root.configuration === "hold") return "pause";
    if (ctx.root.configuration === "drop") return "pauseNoBuffer";
    body.replace(body.text().toUpperCase());
    body.append(".");
  },
  onRequestTrailers(ctx) { ctx.log.info("trailers"); },
};`;

/** A body in three parts, the last two while the handler of the first waits. */
function sendParts(configuration: string) {
  const { open, thread } = startScript(BODIES, { configuration: Buffer.from(configuration) });
  const { stream, context } = open();
  context.onRequestHeaders(1, false);
  const part = (text: string, endStream: boolean): number => {
    stream.bodies[0] = Buffer.concat([stream.bodies[0] ?? Buffer.alloc(0), Buffer.from(text)]);
    return context.onRequestBody(text.length, endStream);
  };
  const pass = async (): Promise<void> => {
    thread.timers.advance(10);
    await settle();
  };
  const body = (): string => Buffer.from(stream.bodies[0] ?? []).toString();
  return { stream, context, thread, part, pass, body };
}

test("body that arrives while the body's handler waits is seen afterwards, in order", async () => {
  const { stream, thread, part, pass, body } = sendParts("");
  assert.equal(part("one", false), DATA_STATUS.stopAndWatermark);
  assert.equal(part("two", false), DATA_STATUS.stopAndWatermark);
  assert.equal(part("end", true), DATA_STATUS.stopAndWatermark);
  await pass();
  assert.deepEqual(said(thread.lines), ["body 3 3 false one"]);
  assert.equal(body(), "ONE.twoend");
  assert.deepEqual(stream.calls, [], "what the first handler let go is kept with the rest");
  await pass();
  assert.deepEqual(said(thread.lines).slice(1), ["body 6 6 true twoend"]);
  assert.equal(body(), "ONE.TWOEND.");
  assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("a handler that waited and then pauses sees all that is kept the next time", async () => {
  const { stream, thread, part, pass, body } = sendParts("hold");
  part("one", false);
  await pass();
  part("two", false);
  await settle();
  await pass();
  part("end", true);
  await settle();
  await pass();
  assert.deepEqual(said(thread.lines), [
    "body 3 3 false one",
    "body 6 6 false onetwo",
    "body 9 9 true onetwoend",
  ]);
  assert.equal(body(), "ONETWOEND.");
  assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("a handler that waited can drop what it saw, and no more", async () => {
  const { part, pass, body } = sendParts("drop");
  part("one", false);
  part("two", false);
  await pass();
  assert.equal(body(), "two");
});

test("trailers wait for the body's handler, and are let go after their own", async () => {
  const { stream, thread, context, part, pass } = sendParts("");
  part("one", false);
  assert.equal(context.onRequestTrailers(1), TRAILERS_STATUS.stop);
  await settle();
  assert.deepEqual(said(thread.lines), []);
  await pass();
  assert.deepEqual(said(thread.lines), ["body 3 3 false one", "trailers"]);
  assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("an error in a handler that sees late body fails the VM", async () => {
  const { open, thread } = startScript(`module.exports = {
    onRequestBody(ctx, { endOfStream }) {
      if (endOfStream) throw new Error("at the end");
      return ctx.sleep(10);
    },
  };`);
  const { stream, context } = open();
  context.onRequestHeaders(1, false);
  stream.bodies[0] = Buffer.from("one");
  context.onRequestBody(3, false);
  context.onRequestBody(0, true);
  thread.timers.advance(10);
  await settle();
  assert.deepEqual(stream.calls, ["failStream"]);
  assert.match(thread.lines.join("\n"), /failed in onRequestBody: Error: at the end/);
});

test("the stream can be let go before its handler has settled", async () => {
  const { open, thread } = startScript(`module.exports = {
    async onRequestHeaders(ctx) {
      await ctx.sleep(1);
      ctx.continueRequest();
      await ctx.sleep(1);
      ctx.log.info("after");
    },
  };`);
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  for (let i = 0; i < 2; i++) {
    thread.timers.advance(1);
    await settle();
  }
  assert.deepEqual(said(thread.lines), ["after"]);
  assert.deepEqual(stream.calls, ["continueRequest"], "continued once");
});

test("response handlers wait as request handlers do", async () => {
  const { open, thread } = startScript(`module.exports = {
    async onRequestHeaders() {},
    async onResponseHeaders(ctx) {
      await ctx.sleep(1);
      ctx.response.headers.set("x-late", "yes");
    },
  };`);
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  await settle();
  stream.maps[2] = HeaderMap.of([[":status", "200"]]);
  stream.writableMaps.add(2);
  assert.equal(context.onResponseHeaders(1, true), HEADERS_STATUS.stopAllAndWatermark);
  thread.timers.advance(1);
  await settle();
  assert.equal(stream.maps[2].get("x-late"), "yes");
  assert.deepEqual(stream.calls, ["continueRequest", "changed 2", "continueResponse"]);
});

test("a handler that returns what is no action fails the VM", async () => {
  const { open, thread } = startScript(
    'module.exports = { async onRequestHeaders() { return "stop"; } };',
  );
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  await settle();
  assert.deepEqual(stream.calls, ["failStream"]);
  assert.match(thread.lines.join("\n"), /onRequestHeaders returned "stop"/);
});

test("the plugin's own promises: ticks do not overlap, shutdown is waited for, errors fail", async () => {
  const { host, thread, problems } = startScript(`module.exports = {
    async onConfigure(root) {
      root.setTick(10);
      const reply = await root.httpCall("known");
      root.state.keys = reply.text();
    },
    async onTick(root) {
      root.log.info("tick " + root.state.keys);
      await root.sleep(25);
    },
    async onShutdown(root) { await root.sleep(40); root.log.info("bye"); },
  };`);
  assert.deepEqual(problems, []);
  thread.callouts.calls[0]?.reply("200", "secret");
  await settle();
  for (let i = 0; i < 5; i++) {
    thread.timers.advance(10);
    await settle();
  }
  assert.deepEqual(said(thread.lines), ["tick secret", "tick secret"]);
  let ended = false;
  host.stop(1_000, () => {
    ended = true;
  });
  assert.equal(ended, false);
  thread.timers.advance(40);
  await settle();
  assert.equal(said(thread.lines).at(-1), "bye");
  assert.equal(ended, true);
});

test("a promise of the plugin's that is rejected fails the VM", async () => {
  const { thread } = startScript(`module.exports = {
    async onConfigure(root) { await root.httpCall("known"); },
  };`);
  thread.callouts.calls[0]?.events.onHttpFailure();
  await settle();
  assert.match(thread.lines.join("\n"), /failed in onConfigure: CalloutError/);
});
