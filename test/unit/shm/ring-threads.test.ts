/** Rings between real threads: three producers, one consumer that sleeps between records. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BELL_STRIDE } from "../../../src/shm/bells.ts";
import { createRing } from "../../../src/shm/ring-layout.ts";
import { COMPILED, type Fault, plant } from "../../harness/mutant.ts";
import { StressThread, type ThreadEnd } from "../../harness/threads.ts";

const THREAD = new URL("./fixtures/ring-thread.js", import.meta.url);
const PRODUCERS = 3;
const RECORDS = 8_000;
const limits = { timeout: 60_000 };

async function run(base: string): Promise<ThreadEnd> {
  const rings = Array.from({ length: PRODUCERS }, createRing);
  const bells = new Int32Array(new SharedArrayBuffer(4 * BELL_STRIDE));
  const start = (mode: string, index: number): StressThread =>
    new StressThread(THREAD, { base, mode, index, seed: index, rings, bells, records: RECORDS });
  const consumer = start("consume", PRODUCERS);
  const producers = rings.map((_, index) => start("produce", index));
  const end = await consumer.ended;
  // Without a consumer they would wait for room for ever.
  await Promise.all(producers.map(({ worker }) => worker.terminate()));
  return end;
}

test(
  "no record is lost, doubled, torn or out of order, and no wake-up is missed",
  limits,
  async () => {
    const { failure, report } = await run(COMPILED);
    assert.equal(failure, null);
    assert.deepEqual(report, Array(PRODUCERS).fill(RECORDS));
  },
);

test("that test fails when a record is published before it is written", limits, async () => {
  const publish = "Atomics.store(this.#words, HEAD, this.#head);";
  const write = "this.#words[(RECORDS + start) >> 2] = length;";
  const early = `Atomics.store(this.#words, HEAD, (this.#head + skipped + size) | 0); ${write}`;
  const faults: readonly Fault[] = [
    { file: "shm/ring.js", from: publish, to: "" },
    { file: "shm/ring.js", from: write, to: early },
  ];
  const mutant = plant(faults);
  try {
    assert.notEqual((await run(mutant.base)).failure, null);
  } finally {
    mutant.remove();
  }
});
