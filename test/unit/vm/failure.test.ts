import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import type { FailurePolicy, PluginConfig } from "../../../src/config/types.ts";
import { ReloadBackoff } from "../../../src/vm/failure.ts";
import type { StreamContext } from "../../../src/vm/types.ts";
import { FakeStream } from "../../harness/fake-roles.ts";
import { type PluginFixture, startPlugin } from "../../harness/plugin-fixture.ts";

const POLICIES: FailurePolicy[] = ["closed", "open", "reload"];

/** The stream callbacks, how they are made, and what stops them. */
const RUNS: [CallbackName, (context: StreamContext) => number, number][] = [
  ["proxy_on_request_headers", (c) => c.onRequestHeaders(1, false), 4],
  ["proxy_on_request_body", (c) => c.onRequestBody(1, false), 3],
  ["proxy_on_request_trailers", (c) => c.onRequestTrailers(1), 1],
  ["proxy_on_response_headers", (c) => c.onResponseHeaders(1, false), 4],
  ["proxy_on_response_body", (c) => c.onResponseBody(1, false), 3],
  ["proxy_on_response_trailers", (c) => c.onResponseTrailers(1), 1],
];

/** Traps in `name`; queues effects first, which must not happen. */
function trapsIn(name: CallbackName, overrides: Partial<PluginConfig>): PluginFixture {
  return startPlugin({ callbacks: { [name]: "unreachable" } }, overrides);
}

describe("a trap in a stream callback", () => {
  for (const policy of POLICIES) {
    for (const [name, run, stopped] of RUNS) {
      it(`${name}, policy ${policy}`, () => {
        const fixture = trapsIn(name, { failurePolicy: policy });
        const { stream, context } = fixture.open();
        if (!name.includes("request_headers")) context.onRequestHeaders(1, false);
        const status = run(context);
        assert.equal(status, policy === "open" ? 0 : stopped);
        assert.deepEqual(stream.calls, policy === "open" ? [] : ["failStream"]);
        assert.equal(run(context), policy === "open" || name.includes("response") ? 0 : stopped);
        assert.deepEqual(stream.calls, policy === "open" ? [] : ["failStream"], "once");
        context.onLog();
        context.onDestroy();
        assert.equal(fixture.host.vmCount, 0);
        const report = fixture.thread.lines.join("\n");
        assert.match(report, new RegExp(`failed in ${name}: unreachable`));
        assert.match(report, /wasm:\/\//, "with guest frames");
      });
    }

    it(`proxy_on_context_create, policy ${policy}`, () => {
      const body = "(if (local.get $a) (then unreachable))";
      const fixture = startPlugin(
        { callbacks: { proxy_on_context_create: body } },
        { failurePolicy: policy },
      );
      const { stream, context } = fixture.open();
      assert.equal(context.onRequestHeaders(1, false), policy === "open" ? 0 : 4);
      assert.deepEqual(stream.calls, policy === "open" ? [] : ["failStream"]);
    });
  }

  for (const name of ["proxy_on_log", "proxy_on_done", "proxy_on_delete"] as const) {
    it(`${name} fails the VM but not the stream that is over`, () => {
      const fixture = trapsIn(name, {});
      const { stream, context } = fixture.open();
      context.onRequestHeaders(1, false);
      context.onLog();
      context.onDestroy();
      assert.deepEqual(stream.calls, []);
      assert.equal(fixture.host.vmCount, 0);
    });
  }

  it("takes back what the callback had queued", () => {
    const reply = `(drop (call $proxy_send_local_response (i32.const 200) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
      (drop (call $proxy_close_stream (i32.const 0))) unreachable`;
    const { stream, context } = startPlugin({
      callbacks: { proxy_on_request_headers: reply },
    }).open();
    context.onRequestHeaders(1, false);
    assert.deepEqual(stream.calls, ["failStream"]);
  });

  it("is what proc_exit and running out of stack are", () => {
    const recurse = startPlugin({
      callbacks: { proxy_on_request_headers: "(call $again (local.get $a))" },
      fields: "(func $again (param i32) (result i32) (call $again (local.get 0)))",
    });
    const { stream, context } = recurse.open();
    assert.equal(context.onRequestHeaders(1, false), 4);
    assert.deepEqual(stream.calls, ["failStream"]);
    assert.match(recurse.thread.lines.join("\n"), /stack/);
  });
});

/** Pauses every request; traps on a path of size 13. */
const PAUSES = {
  proxy_on_request_headers:
    "(if (i32.eq (local.get $a) (i32.const 13)) (then unreachable)) (i32.const 1)",
  proxy_on_response_headers: "(i32.const 1)",
};

/** A local reply to the first stream of the VM (the root has id 1). */
const REPLY_FROM_PAUSED = `(drop (call $proxy_set_effective_context (i32.const 2)))
  (drop (call $proxy_send_local_response (i32.const 200) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))`;

describe("the other streams of a VM that died", () => {
  it("are failed at once when they wait and the policy is closed", () => {
    const fixture = startPlugin({ callbacks: PAUSES });
    const waiting = fixture.open();
    const trapping = fixture.open();
    assert.equal(waiting.context.onRequestHeaders(1, false), 4);
    trapping.context.onRequestHeaders(13, false);
    assert.deepEqual(waiting.stream.calls, ["failStream"]);
    assert.equal(waiting.context.onResponseHeaders(1, false), 0, "the 503 passes");
    assert.deepEqual(waiting.stream.calls, ["failStream"], "once");
  });

  it("are resumed at once, in the half that waits, when the policy is open", () => {
    const fixture = startPlugin({ callbacks: PAUSES }, { failurePolicy: "open" });
    const waiting = fixture.open();
    const inResponse = fixture.open();
    const trapping = fixture.open();
    waiting.context.onRequestHeaders(1, false);
    inResponse.context.onRequestHeaders(1, false);
    inResponse.context.onResponseHeaders(1, false);
    trapping.context.onRequestHeaders(13, false);
    assert.deepEqual(waiting.stream.calls, ["continueRequest"]);
    assert.deepEqual(inResponse.stream.calls, ["continueRequest", "continueResponse"]);
    assert.deepEqual(trapping.stream.calls, []);
  });

  it("that do not wait are left alone until their next callback", () => {
    const fixture = startPlugin({
      callbacks: { proxy_on_response_body: "unreachable" },
    });
    const flowing = fixture.open();
    const trapping = fixture.open();
    flowing.context.onRequestHeaders(1, false);
    trapping.context.onRequestHeaders(1, false);
    trapping.context.onResponseBody(1, true);
    assert.deepEqual(flowing.stream.calls, []);
    assert.equal(flowing.context.onRequestBody(1, true), 3);
    assert.deepEqual(flowing.stream.calls, ["failStream"]);
  });

  it("that were answered by the guest are not failed on top of it", () => {
    const fixture = startPlugin({
      callbacks: {
        proxy_on_request_headers: `(if (i32.eq (local.get $a) (i32.const 13)) (then unreachable))
          (if (i32.eq (local.get $a) (i32.const 2)) (then ${REPLY_FROM_PAUSED}))
          (i32.const 1)`,
      },
    });
    const paused = fixture.open();
    paused.context.onRequestHeaders(1, false);
    fixture.open().context.onRequestHeaders(2, false);
    assert.deepEqual(paused.stream.calls, ["localReply"]);
    fixture.open().context.onRequestHeaders(13, false);
    assert.deepEqual(paused.stream.calls, ["localReply"]);
  });

  it("that ended are not touched", () => {
    const fixture = startPlugin({ callbacks: PAUSES });
    const ended = fixture.open();
    ended.context.onRequestHeaders(1, false);
    ended.context.onLog();
    ended.context.onDestroy();
    fixture.open().context.onRequestHeaders(13, false);
    assert.deepEqual(ended.stream.calls, []);
  });

  it("are settled when the trap was in a root callback", () => {
    const fixture = startPlugin({
      callbacks: {
        ...PAUSES,
        proxy_on_configure:
          "(drop (call $proxy_set_tick_period_milliseconds (i32.const 5))) (i32.const 1)",
        proxy_on_tick: "unreachable",
      },
    });
    const waiting = fixture.open();
    waiting.context.onRequestHeaders(1, false);
    fixture.thread.timers.advance(5);
    assert.deepEqual(waiting.stream.calls, ["failStream"]);
    assert.equal(fixture.thread.timers.pendingCount, 1, "no tick, only the next VM");
  });
});

describe("new streams after a failure", () => {
  const trap = (fixture: PluginFixture): void => {
    fixture.open().context.onRequestHeaders(13, false);
  };

  it("fail with policy closed and are left out with policy open, until the VM is made anew", () => {
    for (const policy of POLICIES) {
      const fixture = startPlugin({ callbacks: PAUSES }, { failurePolicy: policy });
      // The first failure is mended at once.
      trap(fixture);
      trap(fixture);
      if (policy === "open") {
        assert.throws(() => fixture.open(), /left out/);
      } else {
        const { stream, context } = fixture.open();
        assert.equal(context.onRequestHeaders(1, false), 4);
        assert.equal(context.onRequestBody(1, false), 3);
        assert.equal(context.onResponseHeaders(1, false), 0);
        assert.deepEqual(stream.calls, ["failStream"]);
      }
      assert.equal(fixture.host.vmCount, 0);
      fixture.thread.timers.advance(999);
      assert.equal(fixture.plugin.createStream(new FakeStream()) === null, policy === "open");
      assert.equal(fixture.host.vmCount, 0, "not before the base interval");
      fixture.thread.timers.advance(501);
      const { stream, context } = fixture.open();
      assert.equal(context.onRequestHeaders(1, false), 4, "the new VM answers");
      assert.deepEqual(stream.calls, []);
      assert.equal(fixture.host.vmCount, 1);
    }
  });

  it("wait longer for each VM that fails soon", () => {
    const fixture = startPlugin({ callbacks: PAUSES });
    trap(fixture);
    trap(fixture);
    fixture.thread.timers.advance(1500);
    trap(fixture);
    assert.equal(fixture.host.vmCount, 0);
    fixture.thread.timers.advance(1500);
    fixture.open();
    assert.equal(fixture.host.vmCount, 0);
    fixture.thread.timers.advance(1500);
    fixture.open();
    assert.equal(fixture.host.vmCount, 1);
  });

  it("stay failed when the plugin never started", () => {
    const fixture = startPlugin({ callbacks: { proxy_on_configure: "(i32.const 0)" } });
    assert.deepEqual(fixture.problems, ['plugin "plugin": proxy_on_configure returned false']);
    fixture.thread.timers.advance(100_000);
    const { stream, context } = fixture.open();
    context.onRequestHeaders(1, false);
    assert.deepEqual(stream.calls, ["failStream"]);
  });
});

describe("reload backoff", () => {
  it("draws from [base, 1.5 base), doubles up to 64 times, and starts over when stable", () => {
    const backoff = new ReloadBackoff(100);
    assert.ok(backoff.mayLoad(0));
    let now = 0;
    backoff.loaded(now);
    assert.ok(backoff.mayLoad(now), "the first failure is mended at once");
    backoff.loaded(now);
    for (let doublings = 0; doublings <= 8; doublings++) {
      const factor = 2 ** Math.min(doublings, 6);
      assert.equal(backoff.mayLoad(now + 100 * factor - 1), false);
      assert.equal(backoff.mayLoad(now + 150 * factor), true);
      now += 150 * factor;
      backoff.loaded(now);
    }
    now += 60_000;
    backoff.loaded(now);
    assert.equal(backoff.mayLoad(now + 150), true);
  });
});
