import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LIMITS } from "../../../src/base/limits.ts";
import { PluginMetrics } from "../../../src/metrics/plugin-metrics.ts";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";
import { MetricWriter } from "../../../src/shm/metric-writer.ts";
import type { MetricHost } from "../../../src/vm/roles.ts";

const COUNTER = 0;
const GAUGE = 1;
const HISTOGRAM = 2;

/** The hosts of a process with `count` silos. */
function silos(count: number): { hosts: readonly MetricHost[]; snapshots: MetricSnapshots } {
  const regions = Array.from({ length: count }, createMetricRegion);
  const hosts = regions.map(
    (region) =>
      new PluginMetrics(
        new MetricWriter(region),
        regions.filter((other) => other !== region),
      ),
  );
  return { hosts, snapshots: new MetricSnapshots(regions) };
}

function host(): MetricHost {
  const [only] = silos(1).hosts;
  assert.ok(only);
  return only;
}

test("one name and kind is one metric, another kind another", () => {
  const metrics = host();
  const handle = metrics.define(COUNTER, "a");
  assert.equal(metrics.define(COUNTER, "a"), handle);
  const gauge = metrics.define(GAUGE, "a");
  assert.notEqual(gauge, handle);
  metrics.add(handle, 2n);
  metrics.set(gauge, 7n);
  assert.equal(metrics.read(handle), 2n);
  assert.equal(metrics.read(gauge), 7n);
});

test("every silo reads the total, whoever defined the metric first", () => {
  const { hosts, snapshots } = silos(3);
  const [a, b, c] = hosts;
  assert.ok(a && b && c);
  const inA = a.define(COUNTER, "hits");
  a.add(inA, 1n);
  assert.equal(a.read(inA), 1n);
  const inB = b.define(COUNTER, "hits");
  assert.equal(b.read(inB), 1n);
  b.add(inB, 10n);
  const inC = c.define(COUNTER, "hits");
  c.add(inC, 100n);
  for (const [metrics, handle] of [
    [a, inA],
    [b, inB],
    [c, inC],
  ] as const) {
    assert.equal(metrics.read(handle), 111n);
  }
  assert.deepEqual(snapshots.take().scalars, [
    { kind: "counter", name: "wasmcustom.hits", value: 111n, used: true },
  ]);
});

test("a gauge that is set has that value in the whole process", () => {
  const { hosts } = silos(2);
  const [a, b] = hosts;
  assert.ok(a && b);
  const [inA, inB] = [a.define(GAUGE, "level"), b.define(GAUGE, "level")];
  a.set(inA, 5n);
  b.add(inB, 3n);
  assert.equal(a.read(inA), 8n);
  b.set(inB, 2n);
  assert.equal(a.read(inA), 2n);
  assert.equal(b.read(inB), 2n);
});

test("any sequence of adds and sets reads as one number would", () => {
  const step = fc.record({
    silo: fc.nat(2),
    set: fc.boolean(),
    value: fc.bigInt({ min: -(2n ** 40n), max: 2n ** 40n }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { hosts } = silos(3);
      let expected = 0n;
      for (const { silo, set, value } of steps) {
        const metrics = hosts[silo];
        assert.ok(metrics);
        const handle = metrics.define(GAUGE, "g");
        if (set) metrics.set(handle, value);
        else metrics.add(handle, value);
        expected = set ? value : expected + value;
        assert.equal(metrics.read(handle), expected);
      }
    }),
    { seed: 7, numRuns: 40 },
  );
});

test("counters are exact beyond 2^53", () => {
  const metrics = host();
  const handle = metrics.define(COUNTER, "big");
  metrics.add(handle, 2n ** 53n);
  metrics.add(handle, 1n);
  assert.equal(metrics.read(handle), 2n ** 53n + 1n);
});

test("histograms take observations and nothing else", () => {
  const { hosts, snapshots } = silos(1);
  const [metrics] = hosts;
  assert.ok(metrics);
  const handle = metrics.define(HISTOGRAM, "size");
  metrics.observe(handle, 10n);
  metrics.observe(handle, 30n);
  metrics.add(handle, 5n);
  metrics.set(handle, 5n);
  assert.equal(metrics.read(handle), 0n);
  const [sample] = snapshots.take().histograms;
  assert.equal(sample?.name, "wasmcustom.size");
  assert.equal(sample?.count, 2);
  assert.equal(sample?.sum, 40);
  const counter = metrics.define(COUNTER, "c");
  metrics.observe(counter, 9n);
  assert.equal(metrics.read(counter), 0n);
});

test("an unknown kind, an unknown handle and a name that is too long do nothing", () => {
  const metrics = host();
  for (const kind of [-1, 3, 0.5]) assert.equal(metrics.define(kind, "a"), -1);
  assert.equal(metrics.define(COUNTER, "x".repeat(LIMITS.metricNameBytes)), -1);
  metrics.add(99, 1n);
  metrics.set(-1, 1n);
  assert.equal(metrics.read(99), 0n);
});

test("the cap on metrics refuses new names and keeps the old ones", () => {
  const metrics = host();
  for (let i = 0; i < LIMITS.pluginMetricsCount; i++) {
    assert.equal(metrics.define(COUNTER, `m${i}`), i);
  }
  assert.equal(metrics.define(COUNTER, "one more"), -1);
  assert.equal(metrics.define(COUNTER, "m5"), 5);
});

const names = (snapshots: MetricSnapshots): readonly string[] =>
  snapshots.take().scalars.map(({ name }) => name);

test("a metric disappears with its last owner, on the last silo that had it", () => {
  const { hosts, snapshots } = silos(2);
  const [a, b] = hosts;
  assert.ok(a && b);
  const [inA, inB] = [a.define(COUNTER, "c"), b.define(COUNTER, "c")];
  for (let owner = 0; owner < 2; owner++) a.retain(inA);
  b.retain(inB);
  a.add(inA, 5n);
  b.add(inB, 7n);
  a.release(inA);
  assert.equal(a.read(inA), 12n, "one owner is left");
  a.release(inA);
  assert.deepEqual(names(snapshots), ["wasmcustom.c"]);
  assert.equal(b.read(inB), 7n);
  b.release(inB);
  assert.deepEqual(names(snapshots), []);
});

test("a metric that comes again begins at 0, whatever counters were reset to", () => {
  const { hosts, snapshots } = silos(1);
  const [metrics] = hosts;
  assert.ok(metrics);
  const handle = metrics.define(COUNTER, "c");
  metrics.retain(handle);
  metrics.add(handle, 5n);
  snapshots.resetCounters();
  metrics.release(handle);
  assert.equal(metrics.define(COUNTER, "c"), handle);
  metrics.retain(handle);
  metrics.add(handle, 2n);
  assert.equal(metrics.read(handle), 2n);
  assert.equal(snapshots.take().scalars[0]?.value, 2n);
});

test("metrics that disappeared do not count towards the limit", () => {
  const metrics = host();
  const handles = Array.from({ length: LIMITS.pluginMetricsCount }, (_, index) =>
    metrics.define(COUNTER, `m${index}`),
  );
  assert.equal(metrics.define(COUNTER, "one more"), -1);
  const [first = -1] = handles;
  metrics.retain(first);
  metrics.release(first);
  const more = metrics.define(COUNTER, "one more");
  assert.ok(more >= 0);
  assert.equal(metrics.define(COUNTER, "m0"), -1, "its place is taken");
});
