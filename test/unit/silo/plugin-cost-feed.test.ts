import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SiloRecorder } from "../../../src/metrics/recorder.ts";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";
import { MetricWriter } from "../../../src/shm/metric-writer.ts";
import { PluginCostFeed } from "../../../src/silo/plugin-cost-feed.ts";
import type { CallbackCost, HostcallCost } from "../../../src/vm/call-cost.ts";
import type { VmReport } from "../../../src/vm/report.ts";
import { FakeMetrics } from "../../harness/fake-metrics.ts";

function vm(
  name: string,
  streams: number,
  callbacks: readonly CallbackCost[],
  hostcalls: readonly HostcallCost[] = [],
): VmReport {
  return {
    vmId: "",
    mode: "live",
    codeSha256: "",
    state: "running",
    memoryBytes: 65_536,
    memoryBytesMax: 131_072,
    pool: null,
    memoryTotalBytes: 0,
    memoryTotalBytesMax: 0,
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
        hostcalls,
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

  it("tell hostcalls by name, and access logs what a plugin has used", () => {
    const metrics = new FakeMetrics();
    const feed = new PluginCostFeed(metrics);
    assert.equal(feed.use("p"), null);
    const read = (calls: number): HostcallCost => ({ hostcall: "proxy_get_property", calls });
    feed.update([vm("p", 0, [], [read(3), { hostcall: "proxy_log", calls: 1 }])]);
    feed.update([vm("p", 0, [], [read(10)])]);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_get_property.hostcalls"), 10);
    assert.equal(metrics.valueOf("wasm.p.cost.proxy_log.hostcalls"), 1);
    assert.equal(feed.use("p")?.hostcalls.get("proxy_get_property"), 10);
  });

  it("of a plugin that is gone disappear, and begin again at 0 when it comes back", () => {
    const region = createMetricRegion();
    const forgotten: string[] = [];
    const root = new SiloRecorder(new MetricWriter(region));
    const feed = new PluginCostFeed(root);
    for (const name of ["a", "a", "b", "shared"]) {
      feed.whenGone("p", name, () => forgotten.push(name));
    }
    for (const name of ["c", "shared"]) feed.whenGone("stays", name, () => forgotten.push(name));
    const shown = (): Record<string, number> =>
      Object.fromEntries(
        new MetricSnapshots([region])
          .take()
          .scalars.map(({ name, value }) => [name, Number(value)]),
      );
    const hostcalls: HostcallCost[] = [{ hostcall: "proxy_log", calls: 4 }];
    feed.update([vm("p", 4, [log(1, 1)], hostcalls), vm("stays", 1, [])]);
    assert.equal(Object.keys(shown()).filter((name) => name.startsWith("wasm.p.")).length, 5);
    feed.update([vm("stays", 1, [])]);
    assert.deepEqual(shown(), {
      "wasm.stays.cost.memory_bytes": 65_536,
      "wasm.stays.cost.streams_active": 1,
    });
    assert.deepEqual(forgotten, ["a", "b"]);
    feed.update([vm("p", 0, [log(2, 1)]), vm("stays", 1, [])]);
    assert.equal(shown()["wasm.p.cost.proxy_on_log.calls"], 2);
    feed.update([vm("p", 0, [])]);
    assert.deepEqual(forgotten, ["a", "b", "c", "shared"]);
  });

  it("of a shadow are its own, and go with it while its live namesake stays", () => {
    const metrics = new FakeMetrics();
    const feed = new PluginCostFeed(metrics);
    const forgotten: string[] = [];
    for (const name of ["p", "p.shadow"]) feed.whenGone(name, name, () => forgotten.push(name));
    feed.update([vm("p", 2, []), { ...vm("p", 1, []), mode: "shadow" }]);
    assert.equal(metrics.valueOf("wasm.p.cost.streams_active"), 2);
    feed.update([vm("p", 2, [])]);
    assert.deepEqual(forgotten, ["p.shadow"]);
  });
});
