import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";

const THREADS = 3;
const ROUNDS = 50_000;
const METRICS = 40;

const moduleUrl = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href;

/** Defines metrics while it counts, so that definitions and slots are read as they grow. */
const WRITER = `
import { workerData } from "node:worker_threads";
const { MetricWriter } = await import(workerData.writer);
const { SiloRecorder } = await import(workerData.recorder);
const { PluginMetrics } = await import(workerData.plugins);
const { rounds, metrics, region, others } = workerData;
const writer = new MetricWriter(region);
const root = new SiloRecorder(writer);
const plugins = new PluginMetrics(writer, others);
const total = root.counter("total");
const active = root.gauge("active");
const time = root.histogram("time_ms");
for (let i = 0; i < rounds; i++) {
  total.inc();
  active.inc();
  time.record(i % 10);
  active.dec();
  root.counter("late." + (i % metrics)).inc();
  plugins.add(plugins.define(0, "plugin." + (i % metrics)), (1n << 40n) + 1n);
}
`;

test("three threads count while main reads: no total is lost, torn or counted twice", async () => {
  const regions = Array.from({ length: THREADS }, createMetricRegion);
  const snapshots = new MetricSnapshots(regions);
  const workers = regions.map(
    (region) =>
      new Worker(new URL(`data:text/javascript,${encodeURIComponent(WRITER)}`), {
        workerData: {
          region,
          others: regions.filter((other) => other !== region),
          rounds: ROUNDS,
          metrics: METRICS,
          writer: moduleUrl("shm/metric-writer.js"),
          recorder: moduleUrl("metrics/recorder.js"),
          plugins: moduleUrl("metrics/plugin-metrics.js"),
        },
      }),
  );
  let running = THREADS;
  const ends = workers.map(async (worker) => {
    const [code] = await once(worker, "exit");
    running--;
    assert.equal(code, 0);
  });
  let last = 0;
  let reads = 0;
  while (running > 0) {
    const { scalars } = snapshots.take();
    const total = Number(scalars.find(({ name }) => name === "total")?.value ?? 0);
    assert.ok(total >= last && total <= THREADS * ROUNDS, `${last} then ${total}`);
    for (const { name, value } of scalars) {
      if (!name.startsWith("wasmcustom.")) continue;
      const times = BigInt(value) & ((1n << 40n) - 1n);
      assert.equal(BigInt(value), times * ((1n << 40n) + 1n), `torn: ${value}`);
    }
    last = total;
    reads++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(ends);
  assert.ok(reads > 1);

  const { scalars, histograms } = snapshots.take();
  const totals = new Map(scalars.map(({ name, value }) => [name, value]));
  assert.equal(totals.get("total"), THREADS * ROUNDS);
  assert.equal(totals.get("active"), 0);
  for (let i = 0; i < METRICS; i++) {
    assert.equal(totals.get(`late.${i}`), (THREADS * ROUNDS) / METRICS);
    const each = BigInt((THREADS * ROUNDS) / METRICS);
    assert.equal(totals.get(`wasmcustom.plugin.${i}`), each * ((1n << 40n) + 1n));
  }
  assert.equal(histograms[0]?.count, THREADS * ROUNDS);
  assert.equal(histograms[0]?.sum, THREADS * ROUNDS * 4.5);
});
