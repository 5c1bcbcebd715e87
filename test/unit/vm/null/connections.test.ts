/** Handlers of TCP connections: what they see of the bytes, and what becomes of those that wait. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectionContext } from "../../../../src/vm/types.ts";
import { FakeStream } from "../../../harness/fake-roles.ts";
import { type PluginFixture, startScript } from "../../../harness/plugin-fixture.ts";

const CONTINUE = 0;
const STOP = 1;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What the filter logged at level info. */
function said({ thread }: PluginFixture): string[] {
  return thread.lines
    .filter((line) => line.startsWith("2 "))
    .map((line) => line.slice(line.indexOf(": ") + 2));
}

function connect(fixture: PluginFixture) {
  const stream = new FakeStream();
  stream.kind = "tcp";
  const context = fixture.plugin.createConnection(stream) as ConnectionContext;
  /** More bytes of the client, behind those that are kept. */
  const arrive = (text: string, endStream = false): number => {
    const bytes = Buffer.concat([stream.bodies[2] ?? Buffer.alloc(0), Buffer.from(text)]);
    stream.bodies[2] = new Uint8Array(bytes);
    return context.onDownstreamData(bytes.length, endStream);
  };
  const kept = (): string => Buffer.from(stream.bodies[2] ?? []).toString();
  return { stream, context, arrive, kept };
}

const WAITING = `module.exports = {
  async onDownstreamData(c, { size, endOfStream }) {
    c.log.info(size + " " + endOfStream + " " + c.downstream.text());
    const reply = await c.httpCall("known");
    c.downstream.replace(c.downstream.text() + "(" + reply.text() + ")");
  },
};`;

test("bytes that come while a handler waits are its successor's, however much it changes", async () => {
  const fixture = startScript(WAITING);
  const { calls } = fixture.thread.callouts;
  const { stream, context, arrive, kept } = connect(fixture);
  assert.equal(context.onNewConnection(), CONTINUE);
  assert.equal(arrive("one"), STOP);
  assert.equal(arrive("two"), STOP);
  calls[0]?.reply("200", "a longer text than before");
  await settle();
  assert.deepEqual(said(fixture), ["3 false one", "3 false two"]);
  assert.equal(kept(), "one(a longer text than before)two");
  assert.equal(arrive("!", true), STOP);
  calls[1]?.reply("200", "");
  await settle();
  assert.deepEqual(stream.calls, []);
  calls[2]?.reply("200", "end");
  await settle();
  assert.deepEqual(said(fixture).slice(2), ["1 true !"]);
  assert.equal(kept(), "one(a longer text than before)two()!(end)");
  assert.deepEqual(stream.calls, ["continueRequest"]);
});

test("each direction waits by itself", async () => {
  const fixture = startScript(`module.exports = {
    async onDownstreamData(c) { await c.sleep(10); },
    async onUpstreamData(c) { await c.sleep(5); },
  };`);
  const { stream, context, arrive } = connect(fixture);
  context.onNewConnection();
  arrive("x");
  stream.bodies[3] = Buffer.from("y");
  assert.equal(context.onUpstreamData(1, false), STOP);
  fixture.thread.timers.advance(5);
  await settle();
  assert.deepEqual(stream.calls, ["continueResponse"]);
  fixture.thread.timers.advance(5);
  await settle();
  assert.deepEqual(stream.calls, ["continueResponse", "continueRequest"]);
});

test("what a handler pauses is shown again, after a wait as well", async () => {
  for (const wait of ["", "await c.sleep(1);"]) {
    const fixture = startScript(`module.exports = {
      ${wait === "" ? "" : "async"} onDownstreamData(c, { size }) {
        c.log.info(c.downstream.text());
        ${wait}
        return size < 4 ? "pause" : undefined;
      },
    };`);
    const { stream, context, arrive } = connect(fixture);
    context.onNewConnection();
    assert.equal(arrive("ab"), STOP);
    fixture.thread.timers.advance(1);
    await settle();
    const status = arrive("cd");
    await settle();
    fixture.thread.timers.advance(1);
    await settle();
    assert.deepEqual(said(fixture), ["ab", "abcd"]);
    if (wait === "") assert.equal(status, CONTINUE);
    else assert.deepEqual(stream.calls, ["continueRequest"]);
  }
});

test("a connection that ends rejects what its handlers wait for, and refuses every use", async () => {
  const fixture = startScript(`let kept;
  module.exports = {
    async onNewConnection(c) {
      kept = c;
      try { await c.httpCall("known"); } catch (error) { c.root.log.info(error.name); throw error; }
    },
    onDownstreamClose(c, by) { c.log.info("closed by " + by); },
    onDone() { kept.root.log.info("done"); },
    onTick(root) { try { kept.close(); } catch (error) { root.log.info("use: " + error.name); } },
    onConfigure(root) { root.setTick(10); },
  };`);
  const { context, stream } = connect(fixture);
  assert.equal(context.onNewConnection(), STOP);
  context.onDownstreamClose(2);
  context.onDestroy();
  await settle();
  fixture.thread.timers.advance(10);
  const lines = ["closed by remote", "done", "ContextEndedError", "use: ContextEndedError"];
  assert.deepEqual(said(fixture), lines);
  assert.deepEqual(stream.calls, []);
});

test("a script without handlers of connections lets everything pass", () => {
  const fixture = startScript("module.exports = { onRequestHeaders() { return 'pause'; } };");
  const { context, arrive } = connect(fixture);
  assert.equal(context.onNewConnection(), CONTINUE);
  assert.equal(arrive("x"), CONTINUE);
  context.onDownstreamClose(1);
  context.onDestroy();
});

test("a connection can be closed by its handler", () => {
  const fixture = startScript("module.exports = { onDownstreamData(c) { c.close(); } };");
  const { context, stream, arrive } = connect(fixture);
  context.onNewConnection();
  arrive("x");
  assert.deepEqual(stream.calls, ["closeStream"]);
});
