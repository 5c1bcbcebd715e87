import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HTTP_STATS,
  httpStats,
  listenerStats,
  statNamePart,
} from "../../../src/metrics/catalogue.ts";
import { handlesOf } from "../../../src/metrics/handles.ts";
import { SiloRecorder } from "../../../src/metrics/recorder.ts";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion, METRIC_SLOTS } from "../../../src/shm/metric-layout.ts";
import { MetricWriter, SLOTS_OF_KIND } from "../../../src/shm/metric-writer.ts";

function recorder(): { root: SiloRecorder; writer: MetricWriter; snapshots: MetricSnapshots } {
  const region = createMetricRegion();
  const writer = new MetricWriter(region);
  return { root: new SiloRecorder(writer), writer, snapshots: new MetricSnapshots([region]) };
}

test("handles of one name share a slot, whatever scope they came by", () => {
  const { root } = recorder();
  const direct = root.counter("cluster.a.upstream_rq_total");
  const scoped = root.scope("cluster").scope("a").counter("upstream_rq_total");
  direct.inc();
  scoped.add(2);
  assert.equal(direct.value(), 3);
  assert.equal(scoped.value(), 3);
});

test("a gauge goes up, down and to a value, and reads 0 before it was written", () => {
  const gauge = recorder().root.gauge("g");
  assert.ok(Object.is(gauge.value(), 0));
  gauge.inc();
  gauge.add(5);
  gauge.dec();
  assert.equal(gauge.value(), 5);
  gauge.set(-2);
  assert.equal(gauge.value(), -2);
});

test("a metric counts as used once it was written, even with 0", () => {
  const { root, snapshots } = recorder();
  root.counter("never");
  root.counter("zero").add(0);
  root.gauge("set").set(0);
  root.gauge("minus zero").set(-0);
  const back = root.gauge("up and down");
  back.inc();
  back.dec();
  root.histogram("empty");
  root.histogram("recorded").record(0);
  const { scalars, histograms } = snapshots.take();
  const used = [...scalars, ...histograms].filter((sample) => sample.used).map(({ name }) => name);
  assert.deepEqual(used, ["minus zero", "set", "up and down", "zero", "recorded"]);
  for (const { value } of scalars) assert.ok(Object.is(value, 0));
});

test("handles of a full region count into nothing and do no harm", () => {
  const { root, writer, snapshots } = recorder();
  const fitting = Math.trunc(METRIC_SLOTS / SLOTS_OF_KIND.histogram);
  for (let i = 0; i < fitting; i++) writer.define("histogram", `h${i}`);
  const rest = METRIC_SLOTS - fitting * SLOTS_OF_KIND.histogram;
  for (let i = 0; i < rest; i++) writer.define("counter", `c${i}`);
  const counter = root.counter("no room");
  counter.inc();
  assert.equal(counter.value(), 1);
  root.gauge("no room either").set(4);
  root.histogram("nor here").record(5);
  assert.equal(snapshots.refused, 3);
  const { scalars, histograms } = snapshots.take();
  assert.ok(![...scalars, ...histograms].some((sample) => sample.used));
});

test("the catalogue's rows become one handle each, of the row's kind", () => {
  const { root, snapshots } = recorder();
  const stats = httpStats(root, "ingress");
  stats.downstream_cx_active.inc();
  stats.downstream_rq_time.record(12);
  stats.downstream_rq_5xx.inc();
  const { scalars, histograms } = snapshots.take();
  assert.equal(scalars.length + histograms.length, Object.keys(HTTP_STATS).length);
  assert.deepEqual(
    scalars.filter(({ used }) => used).map(({ kind, name }) => `${kind} ${name}`),
    ["gauge http.ingress.downstream_cx_active", "counter http.ingress.downstream_rq_5xx"],
  );
});

test("rows of another part get handles by the same helper", () => {
  const { root } = recorder();
  const rows = {
    "breakers.open": { kind: "gauge", help: "Open" },
    tries: { kind: "counter", help: "Tries" },
  } as const;
  const handles = handlesOf(rows, root.scope("x"));
  handles["breakers.open"].set(1);
  handles.tries.inc();
  assert.equal(root.gauge("x.breakers.open").value(), 1);
});

test("colons in addresses become underscores", () => {
  const { root } = recorder();
  listenerStats(root, "[::1]:443")["ssl.handshake"].inc();
  assert.equal(root.counter("listener.[__1]_443.ssl.handshake").value(), 1);
  assert.equal(statNamePart("a:b:c"), "a_b_c");
});
