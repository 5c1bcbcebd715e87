import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { HEADERS_STATUS } from "../../../../src/vm/types.ts";
import { FakeStream } from "../../../harness/fake-roles.ts";
import { startScript } from "../../../harness/plugin-fixture.ts";

test("a sync handler reads and changes headers within its callback", () => {
  const { open, problems } = startScript(`module.exports = {
    onRequestHeaders(ctx, { count, endOfStream }) {
      const { headers } = ctx.request;
      headers.add("x-seen", [headers.get(":path"), headers.get("no"), count, endOfStream].join());
      headers.set("x-two", "old");
      headers.add("x-two", "new");
      headers.delete("x-gone");
      headers.add("x-all", headers.getAll("X-Two").join("+") + headers.has("x-gone"));
    },
  };`);
  assert.deepEqual(problems, []);
  const { stream, context } = open();
  stream.maps[0] = HeaderMap.of([
    [":path", "/p"],
    ["x-gone", "soon"],
  ]);
  assert.equal(context.onRequestHeaders(2, true), HEADERS_STATUS.continue);
  assert.deepEqual(
    [...Array(stream.maps[0].count).keys()].map(
      (i) => `${stream.maps[0]?.nameAt(i)}=${stream.maps[0]?.valueAt(i)}`,
    ),
    [":path=/p", "x-seen=/p,,2,true", "x-two=old", "x-two=new", "x-all=old+newfalse"],
  );
});

test("handlers that a filter does not have are absent callbacks", () => {
  const { open } = startScript("module.exports = { onRequestHeaders() {} };");
  const { context } = open();
  assert.equal(context.onRequestHeaders(1, true), HEADERS_STATUS.continue);
  assert.equal(context.onResponseHeaders(1, true), HEADERS_STATUS.continue);
  assert.equal(context.onResponseBody(5, true), 0);
});

test("a default export, a class instance and named exports are filters", () => {
  for (const text of [
    'exports.default = { onRequestHeaders(ctx) { ctx.request.headers.set("x", "1"); } };',
    'exports.onRequestHeaders = (ctx) => { ctx.request.headers.set("x", "1"); };',
    `class F { value = "1"; onRequestHeaders(ctx) { ctx.request.headers.set("x", this.value); } }
     exports.default = new F();`,
  ]) {
    const { open, problems } = startScript(text);
    assert.deepEqual(problems, []);
    const { stream, context } = open();
    context.onRequestHeaders(1, true);
    assert.equal(stream.maps[0]?.get("x"), "1");
  }
});

test("a script without handlers and one that throws do not start", () => {
  const nothing = startScript("exports.helper = () => 1;");
  assert.match(nothing.problems.join(), /exports no handler/);
  const throwing = startScript('throw new Error("no such database");');
  assert.match(throwing.problems.join(), /start-up: Error: no such database/);
  const none = startScript("exports.default = 7;");
  assert.match(none.problems.join(), /default export is no object/);
});

test("the plugin's handlers see both configurations, and refuse by false", () => {
  const { thread, problems } = startScript(`module.exports = {
    onVmStart(root) { root.log.info("vm " + root.vmConfiguration); },
    onConfigure(root) { root.log.info("plugin " + root.configuration); root.setTick(50); },
    onTick(root) { root.log.warn("tick"); },
  };`);
  assert.deepEqual(problems, []);
  assert.deepEqual(thread.lines, [
    "2 wasm log plugin root vm: vm vm config",
    "2 wasm log plugin root vm: plugin plugin config",
  ]);
  thread.timers.advance(50);
  thread.timers.advance(50);
  assert.equal(thread.lines.filter((line) => line.endsWith("tick")).length, 2);
  const refused = startScript("module.exports = { onConfigure() { return false; } };");
  assert.match(refused.problems.join(), /proxy_on_configure returned false/);
});

test("what a handler throws fails the VM, and its place is told", () => {
  const { open, thread } = startScript(`module.exports = {
    onRequestHeaders(ctx) {
      null.x;
    },
  };`);
  const { stream, context } = open();
  assert.equal(context.onRequestHeaders(1, true), HEADERS_STATUS.stopAllAndWatermark);
  assert.deepEqual(stream.calls, ["failStream"]);
  assert.ok(thread.vmEventLines.includes("failed plugin trap"));
  const report = thread.lines.join("\n");
  assert.match(report, /the VM failed in proxy_on_request_headers: TypeError/);
  assert.match(report, /onRequestHeaders \(file:\/\/\/filters\/filter\.js:3:12\)/);
});

test("an access logger reads streams that have ended", () => {
  const { plugin, thread } = startScript(`module.exports = {
    onLog(ctx) { ctx.log.info("logged " + ctx.request.headers.get(":path")); },
  };`);
  plugin.log(new FakeStream());
  assert.ok(thread.lines.some((line) => line.endsWith("logged /")));
});

test("a capability that is not allowed is refused, a callback that is not is not called", () => {
  const { open, thread } = startScript(
    `module.exports = {
      onRequestHeaders(ctx) {
        try { ctx.request.headers.set("x", "1"); } catch (error) { ctx.log.info(error.message); }
      },
      onResponseHeaders() { throw new Error("called"); },
    };`,
    { allowedCapabilities: ["proxy_log", "proxy_on_request_headers", "proxy_on_context_create"] },
  );
  const { context } = open();
  context.onRequestHeaders(1, true);
  assert.equal(context.onResponseHeaders(1, true), HEADERS_STATUS.continue);
  assert.match(thread.lines.join("\n"), /proxy_replace_header_map_value: internalFailure/);
});

test("endless recursion is told as a stack overflow", () => {
  const { open, thread } = startScript(
    "module.exports = { onRequestHeaders: function f(ctx) { return f(ctx) + 1; } };",
  );
  open().context.onRequestHeaders(1, true);
  assert.ok(thread.vmEventLines.includes("failed plugin stackOverflow"));
});

test("a header that cannot be changed, and text that is not latin1, are errors", () => {
  const { open, thread } = startScript(`module.exports = {
    onRequestHeaders(ctx) {
      for (const attempt of [
        () => ctx.response.headers.set("x", "1"),
        () => ctx.request.headers.set("x", "\\u4e00"),
        () => ctx.request.headers.setAll([["x", "\\u4e00"]]),
      ]) try { attempt(); } catch (error) { ctx.log.info(error.name + ": " + error.message); }
    },
  };`);
  open().context.onRequestHeaders(1, true);
  const lines = thread.lines.filter((line) => line.startsWith("2 "));
  assert.match(lines[0] ?? "", /HostcallError: proxy_replace_header_map_value: badArgument/);
  assert.match(lines[1] ?? "", /TypeError: header names and values/);
  assert.match(lines[2] ?? "", /TypeError: header names and values/);
});

test("local replies, route cache, reset and properties go the way of the hostcalls", () => {
  const { open } = startScript(`module.exports = {
    onRequestHeaders(ctx) {
      ctx.properties.set("p", "kept");
      ctx.clearRouteCache();
      const path = ctx.properties.text("request", "path");
      const size = ctx.properties.number("request", "size");
      const tls = ctx.properties.boolean("connection", "mtls");
      const body = [path, size, tls, ctx.properties.text("no")].join();
      ctx.sendLocalResponse(403, { body, headers: { "x-a": ["1", "2"] }, details: "by me" });
    },
  };`);
  const { stream, context } = open();
  Object.assign(stream.values, {
    "request.path": "/é",
    "request.size": 7n,
    "connection.mtls": true,
  });
  assert.equal(context.onRequestHeaders(1, true), HEADERS_STATUS.stopAllAndWatermark);
  assert.deepEqual(stream.calls, ["clearRouteCache", "localReply"]);
  const [reply] = stream.replies;
  assert.equal(reply?.status, 403);
  assert.deepEqual(reply?.headers, [
    ["x-a", "1"],
    ["x-a", "2"],
  ]);
  assert.match(Buffer.from(reply?.body ?? []).toString(), /,7,true,$/);
  assert.equal(reply?.details, "by_me");
  assert.equal(Buffer.from(stream.stored.get("wasm.p") ?? []).toString(), "kept");
});

test("bodies are read and changed, also one larger than the scratch memory", () => {
  const { open } = startScript(`module.exports = {
    onRequestBody(ctx, { size, endOfStream }) {
      if (!endOfStream) return "pause";
      const { body } = ctx.request;
      ctx.properties.set("size", String(size === body.size));
      body.append("-tail");
      body.prepend("head-");
      body.splice(0, 1, "H");
      if (size > 100000) body.replace(body.bytes(0, 10));
      else body.replace(body.text().toUpperCase());
    },
  };`);
  const { stream, context } = open();
  context.onRequestHeaders(1, false);
  stream.bodies[0] = Buffer.from("some");
  assert.equal(context.onRequestBody(4, false), 1);
  assert.equal(context.onRequestBody(4, true), 0);
  assert.equal(Buffer.from(stream.bodies[0] ?? []).toString(), "HEAD-SOME-TAIL");
  assert.equal(Buffer.from(stream.stored.get("wasm.size") ?? []).toString(), "true");
  stream.bodies[0] = Buffer.alloc(5_000_000, "x");
  assert.equal(context.onRequestBody(5_000_000, true), 0);
  assert.equal(Buffer.from(stream.bodies[0] ?? []).toString(), "Head-xxxxx");
});

test("a stream's contexts are its own, and another stream's can be used inside a callback", () => {
  const { open } = startScript(`let first = null;
  module.exports = {
    onRequestHeaders(ctx) {
      ctx.state.mine = ctx.request.headers.get(":path");
      first ??= ctx;
      first.request.headers.set("x-other", ctx.state.mine);
      ctx.request.headers.set("x-own", ctx.state.mine);
    },
  };`);
  const one = open();
  const two = open();
  two.stream.maps[0] = HeaderMap.of([[":path", "/two"]]);
  one.context.onRequestHeaders(1, true);
  two.context.onRequestHeaders(1, true);
  assert.equal(one.stream.maps[0]?.get("x-other"), "/two");
  assert.equal(one.stream.maps[0]?.get("x-own"), "/");
  assert.equal(two.stream.maps[0]?.get("x-other"), null);
});

test("metrics, shared data and queues", () => {
  const { open, thread } = startScript(`let queue;
  module.exports = {
    onConfigure(root) { queue = root.queues.register("work"); },
    onRequestHeaders(ctx) {
      const { metrics, sharedData, queues } = ctx;
      metrics.counter("requests").increment();
      metrics.counter("requests").increment(2);
      metrics.gauge("level").set(5);
      metrics.gauge("level").add(-7);
      metrics.histogram("time").record(9);
      const before = sharedData.get("k");
      sharedData.set("k", "one");
      const { cas } = sharedData.get("k");
      const hits = [sharedData.set("k", "two", cas), sharedData.set("k", "three", cas)];
      sharedData.add("n", 40);
      const sum = sharedData.add("n", 2n);
      sharedData.delete("gone");
      queues.enqueue(queues.resolve("", "work"), "item");
      const item = Buffer.from(queues.dequeue(queue)).toString();
      ctx.log.info([
        metrics.counter("requests").value(), metrics.gauge("level").value(), before,
        sharedData.get("k").text(), hits, sum, item, queues.dequeue(queue),
        queues.resolve("", "other"), ctx.callForeignFunction("no such function"),
        ctx.now() > 1700000000000000000n,
      ].join(" "));
    },
  };`);
  open().context.onRequestHeaders(1, true);
  const line = thread.lines.find((text) => text.startsWith("2 "));
  assert.match(line ?? "", /: 3 -2 {2}two true,false 42 item {4}true$/);
});
