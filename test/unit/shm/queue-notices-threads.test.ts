/** Threads that sleep until they are told of items in shared queues: each item is told once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { Owners } from "../../../src/shm/owners.ts";
import { createSharedRegions, SharedState } from "../../../src/shm/shared-state.ts";
import { COMPILED, type Fault, mustShow } from "../../harness/mutant.ts";
import { StressThread, turn } from "../../harness/threads.ts";

const THREAD = new URL("./fixtures/queue-notice-thread.js", import.meta.url);
const MIB = 1_048_576;
const PRODUCERS = 2;
const CONSUMERS = 2;
const NAMES = ["one", "two", "three"];
const STALLED_TURNS = 200_000;
const limits = { timeout: 120_000 };

interface Run {
  readonly failures: readonly string[];
  readonly taken: number;
}

/**
 * Two threads put items in, two are told in turn and take them out.
 * @param watch whether a run without progress is ended
 * @param items of each producer
 */
async function run(base: string, watch: "watched" | "trusted", items: number): Promise<Run> {
  const regions = createSharedRegions({
    dataBytes: MIB,
    queueBytes: 16 * MIB,
    policy: "refuse",
    random: () => 0.5,
  });
  const owners = new Owners(regions.owners);
  const main = new SharedState({ ...regions, self: owners.enter(), seat: 0 }, systemClock);
  const progress = new Int32Array(new SharedArrayBuffer(16));
  const start = (mode: string, index: number): StressThread => {
    const seat = { ...regions, self: owners.enter(), seat: 1 + index };
    const task = { base, mode, index, seed: 60 + index, items, names: NAMES };
    return new StressThread(THREAD, { ...task, seat, progress });
  };
  const consumers = Array.from({ length: CONSUMERS }, (_, index) => start("consume", index));
  const failures: string[] = [];
  const watchEnd = ({ ended }: StressThread): void => {
    void ended.then(({ failure }) => {
      if (failure !== null) failures.push(failure);
    });
  };
  for (const thread of consumers) watchEnd(thread);
  while (Atomics.load(progress, 2) < CONSUMERS && failures.length === 0) await turn();
  const producers = Array.from({ length: PRODUCERS }, (_, i) => start("produce", CONSUMERS + i));
  for (const thread of producers) watchEnd(thread);
  let [seen, turns] = [-1, 0];
  while (Atomics.load(progress, 0) < PRODUCERS * items && failures.length === 0) {
    await turn();
    const now = Atomics.load(progress, 0) + Atomics.load(progress, 1);
    turns = now === seen ? turns + 1 : 0;
    seen = now;
    if (watch === "watched" && turns > STALLED_TURNS && now > 0) break;
  }
  const threads = [...consumers, ...producers];
  await Promise.all(threads.map(({ worker }) => worker.terminate()));
  main.queues.close();
  return { failures, taken: Atomics.load(progress, 0) };
}

test("each item is told to one thread, however often all of them fall asleep", limits, async () => {
  const items = 4_000;
  const { failures, taken } = await run(COMPILED, "trusted", items);
  assert.deepEqual(failures, []);
  assert.equal(taken, PRODUCERS * items);
});

const COUNT = "Atomics.add(this.#words, this.#ready + queue * SEATS + seat, count);";
const RING = "this.#bells.ring(seat);";
/** Time for the other thread to come in between, as when this one is interrupted there. */
const LATE = "for (let left = 1_000_000; left > 0; left--) Atomics.load(this.#words, 0);";

/** Wrong orderings; the test above must notice each. */
const FAULTS: readonly { readonly why: string; readonly faults: readonly Fault[] }[] = [
  {
    why: "the bell is rung before the item is counted",
    faults: [
      { file: "shm/shared-queues.js", from: COUNT, to: "" },
      { file: "shm/shared-queues.js", from: RING, to: `${RING} ${LATE} ${COUNT}` },
    ],
  },
  {
    why: "counts are taken by a load and a store",
    faults: [
      {
        file: "shm/queue-notices.js",
        from: "Atomics.exchange(this.#words, queue * SEATS + this.#seat, 0)",
        to: `(() => {
          const before = this.#words[queue * SEATS + this.#seat];
          ${LATE}
          this.#words[queue * SEATS + this.#seat] = 0;
          return before;
        })()`,
      },
    ],
  },
];

for (const { why, faults } of FAULTS) {
  test(`that test fails when ${why}`, limits, async () => {
    const items = 30;
    await mustShow(faults, async (base) => {
      const { failures, taken } = await run(base, "watched", items);
      return failures.length > 0 || taken < PRODUCERS * items;
    });
  });
}
