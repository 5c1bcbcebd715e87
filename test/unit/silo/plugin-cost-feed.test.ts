import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PluginCostFeed } from "../../../src/silo/plugin-cost-feed.ts";
import type { CallbackCost } from "../../../src/vm/call-cost.ts";
import type { VmReport } from "../../../src/vm/report.ts";
import { FakeMetrics } from "../../harness/fake-metrics.ts";

function vm(name: string, streams: number, callbacks: readonly CallbackCost[]): VmReport {
  return {
    vmId: "",
    mode: "live",
    codeSha256: "",
    state: "running",
    memoryBytes: 65_536,
    memoryBytesMax: 131_072,
    hasStandby: false,
    created: 1,
    failures: 0,
    lastFailure: null,
    plugins: [
      {
        name,
        rootId: "",
        failurePolicy: "closed",
        isServing: true,
        streams,
        calls: 0,
        timeMs: 0,
        callbacks,
      },
    ],
  };
}

const log = (calls: number, timeUs: number): CallbackCost => ({
  callback: "proxy_on_log",
  calls,
  timeUs,
});

describe("the costs of plugins", () => {
  it("are summed over the VMs of a plugin and grow by what came since", () => {
    const metrics = new FakeMetrics();
    const feed = new PluginCostFeed(metrics);
    feed.update([vm("p", 2, [log(10, 30)]), vm("p", 1, [log(5, 20)])]);
    assert.equal(metrics.valueOf("wasm.p.cost.memory_bytes"), 131_072);
    assert.equal(metrics.valueOf("wasm.p.cost.streams_active"), 3);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_on_log.calls"), 15);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_on_log.time_us"), 50);
    feed.update([vm("p", 0, [log(25, 90)])]);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_on_log.calls"), 25);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_on_log.time_us"), 90);
  });

  it("never fall, though an estimate does, and go on when a plugin is replaced", () => {
    const metrics = new FakeMetrics();
    const feed = new PluginCostFeed(metrics);
    feed.update([vm("p", 0, [log(10, 100)])]);
    feed.update([vm("p", 0, [log(11, 80)])]);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_on_log.time_us"), 100);
    feed.update([vm("p", 0, [log(2, 5)])]);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_on_log.calls"), 13);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_on_log.time_us"), 105);
  });

  it("of a plugin that is gone leave no memory behind", () => {
    const metrics = new FakeMetrics();
    const feed = new PluginCostFeed(metrics);
    feed.update([vm("p", 4, [log(1, 1)])]);
    feed.update([]);
    assert.equal(metrics.valueOf("wasm.p.cost.memory_bytes"), 0);
    assert.equal(metrics.valueOf("wasm.p.cost.streams_active"), 0);
  });
});
