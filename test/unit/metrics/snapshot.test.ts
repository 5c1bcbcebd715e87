import assert from "node:assert/strict";
import { test } from "node:test";
import { PluginMetrics } from "../../../src/metrics/plugin-metrics.ts";
import { SiloRecorder } from "../../../src/metrics/recorder.ts";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";
import { MetricWriter } from "../../../src/shm/metric-writer.ts";

function silo(region = createMetricRegion()): {
  region: SharedArrayBuffer;
  root: SiloRecorder;
  plugins: PluginMetrics;
} {
  const writer = new MetricWriter(region);
  return { region, root: new SiloRecorder(writer), plugins: new PluginMetrics(writer, []) };
}

const values = (snapshots: MetricSnapshots): Record<string, number | bigint> =>
  Object.fromEntries(snapshots.take().scalars.map(({ name, value }) => [name, value]));

test("columns are summed by name, and samples are sorted", () => {
  const [a, b] = [silo(), silo()];
  a.root.counter("b.total").add(2);
  b.root.counter("x");
  b.root.counter("b.total").add(3);
  b.root.gauge("a.active").set(4);
  const snapshots = new MetricSnapshots([a.region, b.region]);
  assert.deepEqual(
    snapshots.take().scalars.map(({ name, value }) => [name, value]),
    [
      ["a.active", 4],
      ["b.total", 5],
      ["x", 0],
    ],
  );
});

test("what every silo knows whole is not summed", () => {
  const [a, b] = [silo(), silo()];
  for (const { root } of [a, b]) {
    root.gauge("cluster.up.membership_total").set(3);
    root.gauge("cluster.up.upstream_cx_active").set(3);
  }
  b.root.gauge("cluster.up.circuit_breakers.default.rq_open").set(1);
  a.root.gauge("cluster.up.circuit_breakers.default.rq_open").set(0);
  assert.deepEqual(values(new MetricSnapshots([a.region, b.region])), {
    "cluster.up.circuit_breakers.default.rq_open": 1,
    "cluster.up.membership_total": 3,
    "cluster.up.upstream_cx_active": 6,
  });
});

test("a retired silo leaves its counters and histograms behind and takes its gauges along", () => {
  const [dead, alive] = [silo(), silo()];
  for (const { root, plugins } of [dead, alive]) {
    root.counter("total").add(10);
    root.gauge("active").set(2);
    root.histogram("time").record(5);
    plugins.add(plugins.define(0, "seen"), 1n);
  }
  const snapshots = new MetricSnapshots([dead.region, alive.region]);
  snapshots.retire(dead.region);
  snapshots.retire(dead.region);
  const next = silo();
  snapshots.attach(next.region);
  next.root.counter("total").inc();
  assert.deepEqual(values(snapshots), { active: 2, total: 21, "wasmcustom.seen": 2n });
  assert.equal(snapshots.take().histograms[0]?.count, 2);
  assert.equal(snapshots.take().histograms[0]?.sum, 10);
  dead.root.counter("total").inc();
  assert.equal(values(snapshots)["total"], 21);
});

test("a reset takes counters to 0, plugins' and retired ones too, and nothing else", () => {
  const [a, b] = [silo(), silo()];
  a.root.counter("total").add(4);
  b.root.counter("total").add(5);
  a.root.gauge("active").set(2);
  a.root.histogram("time").record(1);
  const seen = a.plugins.define(0, "seen");
  a.plugins.add(seen, 9n);
  const snapshots = new MetricSnapshots([a.region, b.region]);
  snapshots.retire(b.region);
  snapshots.resetCounters();
  assert.deepEqual(values(snapshots), { active: 2, total: 0, "wasmcustom.seen": 0n });
  a.root.counter("total").inc();
  a.plugins.add(seen, 2n);
  assert.deepEqual(values(snapshots), { active: 2, total: 1, "wasmcustom.seen": 2n });
  assert.equal(snapshots.take().histograms[0]?.count, 1);
  assert.equal(a.plugins.read(seen), 11n, "plugins do not see the reset");
});

test("an interval holds what came in between two rolls", () => {
  const { region, root } = silo();
  const time = root.histogram("time");
  const snapshots = new MetricSnapshots([region]);
  const interval = (): number | null =>
    snapshots.take().histograms[0]?.intervalBuckets?.reduce((sum, n) => sum + n, 0) ?? null;
  time.record(1);
  assert.equal(interval(), null);
  snapshots.rollInterval();
  assert.equal(interval(), 1);
  time.record(1);
  time.record(2);
  assert.equal(interval(), 1);
  snapshots.rollInterval();
  assert.equal(interval(), 2);
  snapshots.rollInterval();
  assert.equal(interval(), 0);
});
