/** Single attacks at their full size: floods, recursion, memory, contexts, metrics. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../../src/base/limits.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import type { StreamContext } from "../../../src/vm/types.ts";
import { FakeStream } from "../../harness/fake-roles.ts";
import { startPlugin } from "../../harness/plugin-fixture.ts";

/** Runs `body` `count` times in the request headers callback. */
const loop = (count: number, body: string): string =>
  `(local $i i32) (loop $next ${body}
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (i32.const ${count})))) (i32.const 0)`;

describe("a hostile guest of full size", () => {
  it("logs a million lines: some are written, the rest is counted", () => {
    const line = "(drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 4)))";
    const { thread, open } = startPlugin({
      callbacks: { proxy_on_request_headers: loop(1_000_000, line) },
    });
    open().context.onRequestHeaders(1, true);
    const max = LIMITS.guestLogLinesPerSecond;
    assert.deepEqual([thread.lines.length, thread.droppedLines], [max, 1_000_000 - max]);
    thread.timers.advance(1_000);
    const next = open();
    next.context.onRequestHeaders(1, true);
    assert.match(thread.lines[max] ?? "", /950000 lines of the guest were dropped/);
  });

  it("recurses without end, or traps: its VM fails, the stream is answered", () => {
    const endless = "(func $endless (call $endless))";
    for (const body of ["(call $endless) (i32.const 0)", "unreachable"]) {
      const { open } = startPlugin({
        fields: endless,
        callbacks: { proxy_on_request_headers: body },
      });
      const { stream, context } = open();
      context.onRequestHeaders(1, true);
      assert.deepEqual(stream.calls, ["failStream"]);
    }
  });

  it("grows its memory until it cannot, and goes on", () => {
    const grow = "(br_if $next (i32.ne (memory.grow (i32.const 256)) (i32.const -1)))";
    const { open, thread } = startPlugin({
      memory: '(memory (export "memory") 1 2048)',
      callbacks: {
        proxy_on_request_headers: `(loop $next ${grow})
          (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 1))) (i32.const 0)`,
      },
    });
    open().context.onRequestHeaders(1, true);
    assert.equal(thread.lines.length, 1);
  });

  it("adds headers of 1 MiB until the map is full", () => {
    const stream = new FakeStream();
    stream.maps[0] = HeaderMap.of([[":path", "/"]]);
    const name = "(i32.const 16) (i32.const 1)";
    const value = "(i32.const 65536) (i32.const 1048576)";
    const { plugin } = startPlugin({
      memory: '(memory (export "memory") 32)',
      data: { 16: "x" },
      callbacks: {
        proxy_on_request_headers:
          `(memory.fill (i32.const 65536) (i32.const 97) (i32.const 1048576))
          ${loop(8, `(drop (call $proxy_add_header_map_value (i32.const 0) ${name} ${value}))`)}`
            .replace("(local $i i32)", "")
            .replace(/^/, "(local $i i32) "),
      },
    });
    plugin.createStream(stream)?.onRequestHeaders(1, true);
    const map = stream.maps[0] as HeaderMap;
    assert.equal(map.count, 4);
    assert.ok(map.byteSize <= LIMITS.guestHeadersBytes);
  });

  it("makes a body grow until it is too large", () => {
    const stream = new FakeStream();
    stream.bodies[0] = new Uint8Array(1);
    const append =
      "(drop (call $proxy_set_buffer_bytes (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 16777216)))";
    const { plugin } = startPlugin({
      memory: '(memory (export "memory") 256)',
      callbacks: { proxy_on_request_body: loop(6, append) },
    });
    const context = plugin.createStream(stream);
    context?.onRequestHeaders(1, false);
    context?.onRequestBody(1, false);
    assert.equal(stream.bodies[0]?.byteLength, 3 * 16_777_216 + 1);
  });

  it("has 100,000 contexts, of which none is left", () => {
    const { open, thread } = startPlugin({
      fields: "(global $n (mut i32) (i32.const 0))",
      callbacks: {
        proxy_on_context_create: "(global.set $n (i32.add (global.get $n) (i32.const 1)))",
        proxy_on_delete: `(global.set $n (i32.sub (global.get $n) (i32.const 1)))
          (if (i32.eq (global.get $n) (i32.const 1)) (then
            (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 1)))))`,
      },
    });
    const contexts: StreamContext[] = [];
    for (let i = 0; i < 100_000; i++) {
      const { context } = open();
      context.onRequestHeaders(1, true);
      contexts.push(context);
    }
    assert.equal(thread.lines.length, 0);
    for (const context of contexts) context.onDestroy();
    assert.equal(thread.lines.length, 1);
  });

  it("defines metrics by the million: those that are refused cost nothing", () => {
    const define = `(i32.store (i32.const 64) (local.get $i))
      (drop (call $proxy_define_metric (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 80)))`;
    const { open, thread } = startPlugin({
      callbacks: { proxy_on_request_headers: loop(1_000_000, define) },
    });
    const known = new Set<string>();
    thread.metrics.define = (_kind, name) => {
      if (known.size >= LIMITS.pluginMetricsCount && !known.has(name)) return -1;
      return known.add(name).size;
    };
    const { stream, context } = open();
    context.onRequestHeaders(1, true);
    assert.deepEqual(stream.calls, []);
    assert.equal(known.size, LIMITS.pluginMetricsCount);
  });
});
