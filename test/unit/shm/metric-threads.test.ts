/** Metric regions under real threads: four that define and count, and main, which reads meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";
import { COMPILED, type Fault, mustShow } from "../../harness/mutant.ts";
import { StressThread, turn } from "../../harness/threads.ts";

const THREAD = new URL("./fixtures/metric-thread.js", import.meta.url);
const THREADS = 4;
const METRICS = 40;
const limits = { timeout: 120_000 };
/** What a thread adds to each metric of a plugin: a value of which half is missing is no multiple. */
const STEP = (1n << 40n) + 1n;

/** Reads until all threads have ended. @returns how often */
async function readWhile(
  snapshots: MetricSnapshots,
  threads: readonly StressThread[],
  rounds: number,
): Promise<number> {
  let running = threads.length;
  for (const { ended } of threads) void ended.then(() => running--);
  let last = 0;
  let reads = 0;
  while (running > 0) {
    const { scalars } = snapshots.take();
    const total = Number(scalars.find(({ name }) => name === "total")?.value ?? 0);
    assert.ok(total >= last && total <= THREADS * rounds, `${last} then ${total}`);
    for (const { name, value } of scalars) {
      assert.match(name, /^(total|active|late\.\d+|wasmcustom\.plugin\.\d+)$/);
      if (name.startsWith("wasmcustom.")) assert.equal(BigInt(value) % STEP, 0n, `torn: ${value}`);
    }
    last = total;
    reads++;
    await turn();
  }
  return reads;
}

/** Fails when a total is lost, torn or counted twice. */
async function run(base: string, rounds: number): Promise<void> {
  const regions = Array.from({ length: THREADS }, createMetricRegion);
  const snapshots = new MetricSnapshots(regions);
  const threads = regions.map(
    (_, index) =>
      new StressThread(THREAD, { base, index, seed: index, regions, rounds, metrics: METRICS }),
  );
  try {
    assert.ok((await readWhile(snapshots, threads, rounds)) > 1);
    for (const { ended } of threads) assert.equal((await ended).failure, null);
  } finally {
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }
  const { scalars, histograms } = snapshots.take();
  const totals = new Map(scalars.map(({ name, value }) => [name, value]));
  assert.equal(totals.get("total"), THREADS * rounds);
  assert.equal(totals.get("active"), 0);
  const each = (THREADS * rounds) / METRICS;
  for (let i = 0; i < METRICS; i++) {
    assert.equal(totals.get(`late.${i}`), each);
    assert.equal(totals.get(`wasmcustom.plugin.${i}`), BigInt(each) * STEP);
  }
  assert.equal(histograms[0]?.count, THREADS * rounds);
  assert.equal(histograms[0]?.sum, THREADS * rounds * 4.5);
}

test("four threads define and count while main reads: every total adds up", limits, async () => {
  await run(COMPILED, 50_000);
});

const PUBLISH = "Atomics.store(this.#counts, 0, (this.#counts[0] ?? 0) + 1);";
const BYTES = "this.#definitions.set(bytes, at + DEFINITION_HEADER_BYTES);";
/** Time for the reader to come, as when the thread is interrupted there. */
const LATE = "for (let i = 0; i < 200_000; i++) Atomics.load(this.#counts, 0);";

/** Wrong orderings; the test above must notice each. */
const FAULTS: readonly { readonly why: string; readonly faults: readonly Fault[] }[] = [
  {
    why: "a definition is published before its bytes are written",
    faults: [
      { file: "shm/metric-writer.js", from: PUBLISH, to: "" },
      { file: "shm/metric-writer.js", from: BYTES, to: `${PUBLISH} ${LATE} ${BYTES}` },
    ],
  },
  {
    why: "a value is written in two halves",
    faults: [
      {
        file: "metrics/plugin-metrics.js",
        from: "this.#writer.bigs[slot] = value;",
        to: `const halves = new Int32Array(this.#writer.bigs.buffer, this.#writer.bigs.byteOffset);
          halves[2 * slot] = Number(BigInt.asIntN(32, value));
          for (let i = 0; i < 1_000; i++) Atomics.load(halves, 0);
          halves[2 * slot + 1] = Number(BigInt.asIntN(32, value >> 32n));`,
      },
    ],
  },
];

for (const { why, faults } of FAULTS) {
  test(`that test fails when ${why}`, limits, async () => {
    await mustShow(faults, (base) =>
      run(base, 4_000).then(
        () => false,
        () => true,
      ),
    );
  });
}
