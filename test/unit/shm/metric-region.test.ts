import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../../../src/base/limits.ts";
import { createMetricRegion, METRIC_SLOTS } from "../../../src/shm/metric-layout.ts";
import { MetricReader } from "../../../src/shm/metric-reader.ts";
import { MetricWriter, SLOTS_OF_KIND } from "../../../src/shm/metric-writer.ts";

test("a reader sees what a writer defines, also after it has looked before", () => {
  const region = createMetricRegion();
  const writer = new MetricWriter(region);
  const reader = new MetricReader(region);
  const a = writer.define("counter", "a");
  reader.refresh();
  const [first] = reader.definitions;
  assert.deepEqual([first?.kind, first?.name, first?.slot], ["counter", "a", a]);
  assert.equal(reader.definitions.length, 1);
  const name = "wasmcustom.größe_\u{1f4a1}";
  const b = writer.define("bigGauge", name);
  assert.equal(reader.slotOf("bigGauge", name), -1);
  reader.refresh();
  assert.equal(reader.slotOf("bigGauge", name), b);
  writer.bigs[b] = -5n;
  assert.equal(reader.bigs[b], -5n);
});

test("one name and kind is one slot, another kind another", () => {
  const writer = new MetricWriter(createMetricRegion());
  const slot = writer.define("counter", "a");
  assert.equal(writer.define("counter", "a"), slot);
  assert.notEqual(writer.define("gauge", "a"), slot);
});

test("slots of different metrics do not overlap", () => {
  const writer = new MetricWriter(createMetricRegion());
  const kinds = ["histogram", "counter", "bigCounter", "gauge", "bigGauge", "histogram"] as const;
  let free = 0;
  for (const [index, kind] of kinds.entries()) {
    assert.equal(writer.define(kind, `m${index}`), free);
    free += SLOTS_OF_KIND[kind];
  }
});

test("a full region refuses and counts, and goes on serving what it has", () => {
  const region = createMetricRegion();
  const writer = new MetricWriter(region);
  const first = writer.define("counter", "first");
  const fitting = Math.trunc((METRIC_SLOTS - 1) / SLOTS_OF_KIND.histogram);
  for (let i = 0; i < fitting; i++) assert.ok(writer.define("histogram", `h${i}`) >= 0);
  assert.equal(writer.define("histogram", "one too many"), -1);
  assert.equal(writer.define("counter", "x".repeat(LIMITS.metricNameBytes + 1)), -1);
  assert.equal(writer.refused, 2);
  assert.equal(new MetricReader(region).refused, 2);
  assert.equal(writer.define("counter", "first"), first);
});

test("a silo that takes over a region goes on counting and starts its gauges at 0", () => {
  const region = createMetricRegion();
  const before = new MetricWriter(region);
  const counter = before.define("counter", "total");
  const gauge = before.define("gauge", "active");
  const untouched = before.define("gauge", "untouched");
  const big = before.define("bigGauge", "plugin");
  before.floats[counter] = 7;
  before.floats[gauge] = 3;
  before.bigs[big] = 9n;
  const after = new MetricWriter(region);
  assert.equal(after.define("counter", "total"), counter);
  assert.equal(after.floats[counter], 7);
  assert.equal(after.floats[gauge], 0);
  assert.ok(Object.is(after.floats[untouched], -0), "a slot never written stays marked as such");
  assert.equal(after.bigs[big], 9n);
  const fresh = after.define("histogram", "new");
  const reader = new MetricReader(region);
  reader.refresh();
  assert.equal(reader.slotOf("histogram", "new"), fresh);
  assert.equal(reader.definitions.length, 5);
});

test("a writer killed before it published leaves no trace", () => {
  const region = createMetricRegion();
  const before = new MetricWriter(region);
  before.define("counter", "whole");
  const slot = before.define("counter", "half");
  before.floats[slot] = 5;
  // The count is what publishes: taking it back is the state a thread leaves that dies before it.
  const counts = new Int32Array(region, 64, 1);
  assert.equal(Atomics.sub(counts, 0, 1), 2);
  const after = new MetricWriter(region);
  assert.equal(after.define("gauge", "other"), slot);
  assert.ok(Object.is(after.floats[slot], -0));
});

test("a metric that is withdrawn is not seen until it is defined again, then from 0", () => {
  const region = createMetricRegion();
  const writer = new MetricWriter(region);
  const reader = new MetricReader(region);
  const slot = writer.define("counter", "a");
  writer.define("counter", "b");
  writer.floats[slot] = 5;
  reader.refresh();
  writer.withdraw("counter", "a");
  writer.withdraw("counter", "unknown");
  const seen = (): readonly string[] => reader.definitions.map(({ name }) => name);
  assert.deepEqual(seen(), ["b"]);
  assert.ok(Object.is(writer.floats[slot], -0));
  // Also by who takes the region over: the place is kept for the name.
  const after = new MetricWriter(region);
  const fresh = new MetricReader(region);
  fresh.refresh();
  assert.deepEqual(fresh.definitions.length, 1);
  assert.notEqual(after.define("counter", "c"), slot);
  assert.equal(after.define("counter", "a"), slot);
  assert.deepEqual(seen(), ["a", "b"]);
});
