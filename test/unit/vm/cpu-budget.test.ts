/** A callback that computes for longer than its budget ends its VM; others go on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ISOLATION_DEFAULTS } from "../../../src/config/compile-isolation.ts";
import type { IsolationConfig, PluginConfig } from "../../../src/config/types.ts";
import { createPluginHost } from "../../../src/vm/plugin-host.ts";
import { FakeStream, FakeThread } from "../../harness/fake-roles.ts";
import { guestText } from "../../harness/guest-source.ts";
import { rewritten } from "../../harness/metered.ts";
import { CODE_SHA, configWith, pluginConfig } from "../../harness/plugin-fixture.ts";
import { compileWat } from "../../harness/wat.ts";

/** Computes until the clock, which moves by a millisecond a look, ends it. */
const ENDLESS = "(loop $l (br $l)) (unreachable)";

/** Starts one plugin whose clock moves on by `stepMs` each time it is read. */
function start(callbacks: Readonly<Record<string, string>>, isolation: Partial<IsolationConfig>) {
  const config: PluginConfig = pluginConfig({
    isolation: { ...ISOLATION_DEFAULTS, ...isolation },
  });
  const thread = new FakeThread();
  const { timers } = thread;
  const stepping = {
    ...timers,
    monotonicNs: () => {
      timers.nowNs += 1_000_000n;
      return timers.nowNs;
    },
  };
  const bytes = rewritten(compileWat(guestText({ callbacks })));
  const modules = new Map([[CODE_SHA, new WebAssembly.Module(bytes)]]);
  const roles = { ...thread, log: thread.log, metrics: thread.metrics, timers: stepping };
  const host = createPluginHost({
    config: configWith([config]),
    modules,
    roles,
    singletons: "here",
  });
  const problems = host.start();
  return { thread, problems, plugin: host.plugin(config) };
}

describe("the CPU budget of a callback", () => {
  it("ends an endless one, with its own reason, and the stream fails by policy", () => {
    const { plugin, thread, problems } = start(
      { proxy_on_request_headers: ENDLESS },
      { cpuBudgetMs: 20 },
    );
    assert.deepEqual(problems, []);
    const stream = new FakeStream();
    plugin.createStream(stream)?.onRequestHeaders(1, true);
    assert.deepEqual(stream.calls, ["failStream"]);
    const line = thread.lines.find((each) => each.includes("failed")) ?? "";
    assert.match(line, /in proxy_on_request_headers: over its CPU budget of 20 ms/);
    assert.doesNotMatch(line, /granary\.charge/);
    assert.match(line, /\n {2}at proxy_on_request_headers \(wasm:/);
  });

  it("may be set for one callback alone", () => {
    const { plugin, thread } = start(
      { proxy_on_request_body: ENDLESS },
      { cpuBudgetMs: 0, callbackBudgetsMs: { proxy_on_request_body: 7 } },
    );
    plugin.createStream(new FakeStream())?.onRequestBody(0, true);
    assert.match(thread.lines.join("\n"), /in proxy_on_request_body: over its CPU budget of 7 ms/);
  });

  it("is its own for the start of a plugin", () => {
    const { problems } = start(
      { proxy_on_configure: ENDLESS },
      { cpuBudgetMs: 1, startBudgetMs: 40 },
    );
    assert.match(problems.join("\n"), /proxy_on_configure: over its CPU budget of 40 ms/);
  });

  it("counts anew for each callback", () => {
    // About 20 looks at the clock in each callback, one millisecond apart.
    const rounds =
      "(local $i i32) (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000000)))) (i32.const 0)";
    const { plugin, thread } = start({ proxy_on_request_headers: rounds }, { cpuBudgetMs: 30 });
    for (let i = 0; i < 5; i++) {
      const stream = new FakeStream();
      plugin.createStream(stream)?.onRequestHeaders(1, true);
      assert.deepEqual(stream.calls, []);
    }
    assert.deepEqual(thread.lines, []);
    assert.ok(thread.timers.nowNs > 90_000_000n);
  });
});

describe("a plugin that was over its budget", () => {
  it("has a tenth of it from then on, and is kept out when it is over that", () => {
    const { plugin, thread } = start(
      { proxy_on_request_headers: ENDLESS },
      { cpuBudgetMs: 200, hasStandby: false },
    );
    const request = () => {
      const stream = new FakeStream();
      plugin.createStream(stream)?.onRequestHeaders(1, true);
    };
    request();
    request();
    const lines = thread.lines.filter((each) => each.includes("the VM failed"));
    assert.match(lines[0] ?? "", /over its CPU budget of 200 ms/);
    assert.match(lines[1] ?? "", /over its CPU budget of 20 ms/);
    assert.ok(thread.vmEventLines.includes("kept out plugin"));
    const before = thread.vmEventLines.length;
    request();
    assert.deepEqual(thread.vmEventLines.slice(before), ["reload plugin backoff"]);
  });
});
