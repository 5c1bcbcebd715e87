/** Handlers that wait for what never comes: `handler_wait_max`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ISOLATION_DEFAULTS } from "../../../../src/config/compile-isolation.ts";
import { startScript } from "../../../harness/plugin-fixture.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const waitMax = (handlerWaitMsMax: number) => ({
  isolation: { ...ISOLATION_DEFAULTS, hasStandby: false, handlerWaitMsMax },
});
/** Waits for ever, or for the callout that `x-call` asks for. */
const STUCK = `module.exports = {
  async onRequestHeaders(ctx) {
    ctx.signal.addEventListener("abort", () => ctx.root.log.info("aborted"));
    await new Promise((resolve) => { globalThis.letGo = resolve; });
    ctx.request.headers.set("x-late", "1");
    return "pause";
  },
};`;
const MAX_MS = ISOLATION_DEFAULTS.handlerWaitMsMax;

test("a handler that waits for ever gives its stream up: closed fails it, and no VM", async () => {
  const { open, thread } = startScript(STUCK);
  const first = open();
  first.context.onRequestHeaders(1, true);
  thread.timers.advance(1_000);
  const second = open();
  second.context.onRequestHeaders(1, true);
  thread.timers.advance(MAX_MS - 1_001);
  assert.deepEqual(first.stream.calls, []);
  thread.timers.advance(1);
  assert.deepEqual(first.stream.calls, ["failStream"]);
  assert.deepEqual(second.stream.calls, []);
  thread.timers.advance(1_000);
  assert.deepEqual(second.stream.calls, ["failStream"]);
  const line =
    /^4 .*: onRequestHeaders has waited for 60 s \(handler_wait_max\): its stream is failed$/;
  assert.equal(thread.lines.filter((text) => line.test(text)).length, 2);
  assert.deepEqual(
    thread.vmEventLines.filter((text) => text !== "created"),
    ["waited too long plugin", "waited too long plugin"],
  );
  first.context.onLog();
  first.context.onDestroy();
  await settle();
  assert.ok(thread.lines.some((text) => text.endsWith("aborted")));
});

test("with fail_open the stream goes on, and what the handler decides later does not count", async () => {
  const { open, thread } = startScript(STUCK, { ...waitMax(500), failurePolicy: "open" });
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  thread.timers.advance(500);
  await settle();
  assert.deepEqual(stream.calls, ["continueRequest"]);
  assert.match(thread.lines.join("\n"), /waited for 0\.5 s .*: its stream goes on without it/);
  (globalThis as unknown as { letGo: () => void }).letGo();
  await settle();
  assert.deepEqual(stream.calls, ["continueRequest", "changed 0"]);
});

test("handlers that settle in time are none, and however many wait, there is one timer", async () => {
  const { open, thread } = startScript(`module.exports = {
    async onRequestHeaders(ctx) { await ctx.httpCall("known"); },
  };`);
  const streams = [...Array(1_000).keys()].map(() => open());
  for (const { context } of streams) context.onRequestHeaders(1, true);
  assert.equal(thread.timers.pendingCount, 1);
  for (const call of thread.callouts.calls) call.reply("200");
  await settle();
  thread.timers.advance(2 * MAX_MS);
  assert.equal(thread.timers.pendingCount, 0);
  for (const { stream } of streams) assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("a body handler has a wait of its own", async () => {
  const { open, thread } = startScript(
    `module.exports = {
      async onRequestHeaders(ctx) { await ctx.sleep(400); },
      async onRequestBody(ctx) { await new Promise(() => {}); },
    };`,
    waitMax(500),
  );
  const { stream, context } = open();
  context.onRequestHeaders(1, false);
  thread.timers.advance(400);
  await settle();
  assert.deepEqual(stream.calls, ["continueRequest"]);
  stream.bodies[0] = Buffer.from("abc");
  context.onRequestBody(3, true);
  thread.timers.advance(499);
  assert.deepEqual(stream.calls, ["continueRequest"]);
  thread.timers.advance(1);
  assert.deepEqual(stream.calls, ["continueRequest", "failStream"]);
  assert.match(thread.lines.join("\n"), /onRequestBody has waited/);
});

test("0 is no limit", () => {
  const { open, thread } = startScript(STUCK, waitMax(0));
  const { stream, context } = open();
  context.onRequestHeaders(1, true);
  assert.equal(thread.timers.pendingCount, 0);
  assert.deepEqual(stream.calls, []);
});

test("while a debugger may stop handlers there is no limit", () => {
  process.execArgv.push("--inspect=127.0.0.1:0");
  const { open, thread } = startScript(STUCK);
  process.execArgv.pop();
  open().context.onRequestHeaders(1, true);
  assert.equal(thread.timers.pendingCount, 0);
});

test("a tick that waits too long does not keep the next one back", async () => {
  const { thread } = startScript(
    `let ticks = 0;
    module.exports = {
      onConfigure(root) { root.setTick(100); },
      async onTick(root) { root.log.info("tick " + ++ticks); await new Promise(() => {}); },
    };`,
    waitMax(1_000),
  );
  const count = (): number => thread.lines.filter((text) => text.includes("tick ")).length;
  for (let i = 0; i < 10; i++) thread.timers.advance(100);
  assert.equal(count(), 1);
  for (let i = 0; i < 3; i++) thread.timers.advance(100);
  assert.equal(count(), 2);
  assert.match(
    thread.lines.join("\n"),
    /onTick has waited for 1 s .*nothing waits for it any more/,
  );
});
