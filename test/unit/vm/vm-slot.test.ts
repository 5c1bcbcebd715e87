/** A VM that failed is made anew: at once, then with a backoff, and not at all for a while. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ISOLATION_DEFAULTS } from "../../../src/config/compile-isolation.ts";
import type { IsolationConfig, PluginConfig } from "../../../src/config/types.ts";
import { FakeStream } from "../../harness/fake-roles.ts";
import { type PluginFixture, startPlugin } from "../../harness/plugin-fixture.ts";

/** Traps at request headers that end the stream, and in each tick. */
const FRAGILE = {
  callbacks: {
    proxy_on_request_headers: "(if (local.get $b) (then (unreachable))) (i32.const 0)",
    proxy_on_request_body: "(i32.const 1)",
  },
};

function start(
  isolation: Partial<IsolationConfig> = {},
  overrides: Partial<PluginConfig> = {},
): PluginFixture {
  const fixture = startPlugin(FRAGILE, {
    failurePolicy: "reload",
    reloadBaseIntervalMs: 1_000,
    isolation: { ...ISOLATION_DEFAULTS, ...isolation },
    ...overrides,
  });
  assert.deepEqual(fixture.problems, []);
  return fixture;
}

/** What a stream whose headers trap (or not) sees. */
function request({ plugin }: PluginFixture, kind: "good" | "bad"): readonly string[] {
  const stream = new FakeStream();
  plugin.createStream(stream)?.onRequestHeaders(1, kind === "bad");
  return stream.calls;
}

const report = ({ host }: PluginFixture) => {
  const vm = host.report()[0];
  assert.ok(vm);
  return vm;
};

describe("a VM that fails", () => {
  it("is replaced at once for the first time, by the one that waits", () => {
    const fixture = start();
    fixture.thread.timers.advance(100);
    assert.deepEqual(fixture.thread.vmEventLines, ["created", "created"]);
    assert.deepEqual(request(fixture, "bad"), ["failStream"]);
    assert.deepEqual(request(fixture, "good"), []);
    // Nothing was made: the one that waited serves.
    assert.deepEqual(fixture.thread.vmEventLines.slice(2), [
      "ended",
      "failed plugin trap",
      "reload plugin success",
    ]);
    assert.equal(report(fixture).hasStandby, false);
    fixture.thread.timers.advance(100);
    assert.equal(report(fixture).hasStandby, true);
  });

  it("is replaced without one that waits too, when none is wanted", () => {
    const fixture = start({ hasStandby: false });
    fixture.thread.timers.advance(1_000);
    assert.deepEqual(fixture.thread.vmEventLines, ["created"]);
    request(fixture, "bad");
    assert.deepEqual(request(fixture, "good"), []);
    assert.equal(report(fixture).created, 2);
  });

  it("is replaced for the second time after the interval", () => {
    const fixture = start();
    request(fixture, "bad");
    request(fixture, "bad");
    assert.deepEqual(request(fixture, "good"), ["failStream"]);
    assert.equal(fixture.thread.vmEventLines.at(-1), "reload plugin backoff");
    fixture.thread.timers.advance(1_500);
    assert.deepEqual(request(fixture, "good"), []);
  });

  it("is replaced without a request, so that its ticks go on", () => {
    const fixture = start();
    request(fixture, "bad");
    assert.equal(report(fixture).state, "failed");
    fixture.thread.timers.advance(1);
    assert.equal(report(fixture).state, "running");
    assert.equal(report(fixture).plugins[0]?.isServing, true);
    request(fixture, "bad");
    fixture.thread.timers.advance(1_501);
    assert.equal(report(fixture).state, "running");
  });

  it("frees its other streams at once, by their policy", () => {
    for (const [failurePolicy, calls] of [
      ["closed", ["failStream"]],
      ["reload", ["failStream"]],
      ["open", ["continueRequest"]],
    ] as const) {
      const fixture = start({}, { failurePolicy });
      const siblings = [1, 2, 3].map(() => {
        const { stream, context } = fixture.open();
        context.onRequestHeaders(1, false);
        context.onRequestBody(0, false);
        assert.deepEqual(stream.calls, []);
        return stream;
      });
      request(fixture, "bad");
      for (const stream of siblings) assert.deepEqual(stream.calls, calls);
    }
  });

  it("too often is cut off for the window, and reported", () => {
    const fixture = start({ crashesMax: 3, crashWindowMs: 20_000 }, { reloadBaseIntervalMs: 1 });
    for (let failure = 1; failure <= 3; failure++) {
      assert.deepEqual(request(fixture, "bad"), ["failStream"]);
      fixture.thread.timers.advance(100);
    }
    assert.equal(report(fixture).state, "cut off");
    assert.ok(fixture.thread.vmEventLines.includes("cut off plugin"));
    fixture.thread.timers.advance(19_800);
    assert.deepEqual(request(fixture, "good"), ["failStream"]);
    fixture.thread.timers.advance(200);
    assert.equal(report(fixture).state, "running");
    assert.deepEqual(request(fixture, "good"), []);
  });

  it("now and then is never cut off", () => {
    const fixture = start({ crashesMax: 3, crashWindowMs: 20_000 }, { reloadBaseIntervalMs: 1 });
    for (let failure = 1; failure <= 9; failure++) {
      assert.deepEqual(request(fixture, "bad"), ["failStream"]);
      fixture.thread.timers.advance(10_001);
      assert.deepEqual(request(fixture, "good"), []);
    }
  });

  it("tells in its report what happened", () => {
    const fixture = start();
    fixture.thread.timers.advance(100);
    request(fixture, "good");
    request(fixture, "bad");
    const vm = report(fixture);
    assert.deepEqual([vm.vmId, vm.codeSha256, vm.state], ["vm", "00", "failed"]);
    assert.deepEqual([vm.failures, vm.created, vm.memoryBytes], [1, 2, 0]);
    const { kind, plugin, callback, reason, backtrace } = vm.lastFailure ?? assert.fail();
    assert.deepEqual(
      [kind, plugin, callback, reason],
      ["trap", "plugin", "proxy_on_request_headers", "unreachable"],
    );
    assert.match(backtrace[0] ?? "", /wasm:/);
    fixture.thread.timers.advance(1);
    const { name, rootId, failurePolicy, calls } = report(fixture).plugins[0] ?? assert.fail();
    assert.deepEqual([name, rootId, failurePolicy], ["plugin", "root", "reload"]);
    assert.ok(calls >= 2);
    assert.equal(report(fixture).memoryBytes, 65_536);
  });
});

describe("the time of a plugin", () => {
  it("is extrapolated from samples", () => {
    const fixture = start();
    const { timers } = fixture.thread;
    const clock = timers.monotonicNs;
    // Each look at the clock takes a millisecond.
    timers.monotonicNs = () => {
      timers.nowNs += 1_000_000n;
      return clock();
    };
    for (let i = 0; i < 610; i++) request(fixture, "good");
    const { calls, timeMs } = report(fixture).plugins[0] ?? assert.fail();
    assert.equal(calls, 610);
    assert.equal(timeMs, 610);
  });
});
