/** Rings between real threads: three producers, one consumer that sleeps between records. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BELL_STRIDE } from "../../../src/shm/bells.ts";
import { createRing } from "../../../src/shm/ring-layout.ts";
import { COMPILED, type Fault, mustShow } from "../../harness/mutant.ts";
import { StressThread, turn } from "../../harness/threads.ts";

const THREAD = new URL("./fixtures/ring-thread.js", import.meta.url);
const PRODUCERS = 3;
const RECORDS = 24_000;
const STALLED_TURNS = 200_000;
const limits = { timeout: 120_000 };

interface RingRun {
  readonly failure: string | null;
  readonly report: unknown;
  /** Nobody got on any more, though not all records were read. */
  readonly isStalled: boolean;
}

/** @param watch whether a run without progress is ended */
async function run(
  base: string,
  watch: "watched" | "trusted",
  producerCount: number,
): Promise<RingRun> {
  const rings = Array.from({ length: producerCount }, createRing);
  const bells = new Int32Array(new SharedArrayBuffer(4 * BELL_STRIDE));
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const common = { base, rings, bells, progress, records: RECORDS };
  const start = (mode: string, index: number): StressThread =>
    new StressThread(THREAD, { ...common, mode, index, seed: index });
  const consumer = start("consume", producerCount);
  const producers = rings.map((_, index) => start("produce", index));
  const isStalled = watch === "watched" && (await stalls(consumer, progress));
  if (isStalled) await consumer.worker.terminate();
  const end = await consumer.ended;
  // Without a consumer they would wait for room for ever.
  await Promise.all(producers.map(({ worker }) => worker.terminate()));
  return { ...end, isStalled };
}

/** Whether nobody gets on any more before the consumer has ended. */
async function stalls(consumer: StressThread, progress: Int32Array): Promise<boolean> {
  let hasEnded = false;
  void consumer.ended.then(() => {
    hasEnded = true;
  });
  let [seen, turns] = [-1, 0];
  while (!hasEnded && turns < STALLED_TURNS) {
    await turn();
    const now = Atomics.load(progress, 0) + Atomics.load(progress, 1);
    // Threads that have not begun yet are no reason to give up.
    turns = now === seen && now > 0 ? turns + 1 : 0;
    seen = now;
  }
  return !hasEnded;
}

test(
  "no record is lost, doubled, torn or out of order, and no wake-up is missed",
  limits,
  async () => {
    const { failure, report } = await run(COMPILED, "trusted", PRODUCERS);
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
  await mustShow(faults, async (base) => (await run(base, "watched", PRODUCERS)).failure !== null);
});

/** Time for the other thread to come in between, as when this one is interrupted there. */
const LATE = "for (let left = 200_000; left > 0; left--) Atomics.load(this.#words, 0);";
const SILENT = "Atomics.store(this.#words, at, SILENT);";
const PUBLISH = "Atomics.store(this.#words, HEAD, this.#head);";
const LOOK_BACK = "Atomics.store(this.#words, HEAD, this.#head);\n        this.#tail = ";
const GIVE_ROOM = "Atomics.store(this.#words, TAIL, tail);";
const WAKE_WAITING =
  "if (Atomics.exchange(this.#words, WAITING, 0) === 1)\n                Atomics.notify(this.#words, TAIL);";

/**
 * Orderings that miss a wake-up: the threads of the first test come to stand. One producer, because
 * others would ring in its place.
 */
const MISSED: readonly { readonly why: string; readonly faults: readonly Fault[] }[] = [
  {
    why: "a thread looks before it says that it does not look any more",
    faults: [
      {
        file: "shm/bells.js",
        from: `${SILENT}\n            look();`,
        to: `look(); ${LATE} ${SILENT}`,
      },
    ],
  },
  {
    why: "the consumer does not look again after it has given room",
    faults: [
      { file: "shm/ring.js", from: GIVE_ROOM, to: `${LATE} ${GIVE_ROOM}` },
      { file: "shm/ring.js", from: WAKE_WAITING, to: `${WAKE_WAITING} return count;` },
    ],
  },
  {
    why: "the producer looks whether the consumer sleeps before it publishes",
    faults: [
      {
        file: "shm/ring.js",
        from: `${LOOK_BACK}Atomics.load(this.#words, TAIL);`,
        to: `this.#tail = Atomics.load(this.#words, TAIL); ${LATE} ${PUBLISH}`,
      },
    ],
  },
  {
    why: "the consumer wakes who waits for room before it gives room",
    faults: [
      { file: "shm/ring.js", from: GIVE_ROOM, to: "" },
      { file: "shm/ring.js", from: WAKE_WAITING, to: `${WAKE_WAITING} ${LATE} ${GIVE_ROOM}` },
    ],
  },
];

for (const { why, faults } of MISSED) {
  test(`that test comes to no end when ${why}`, limits, async () => {
    await mustShow(faults, async (base) => {
      const { failure, isStalled } = await run(base, "watched", 1);
      assert.equal(failure, null);
      return isStalled;
    });
  });
}
