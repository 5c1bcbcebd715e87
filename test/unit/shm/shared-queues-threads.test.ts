/** Shared queues under real threads, and under threads that die in the middle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { HeapStatsReader } from "../../../src/shm/heap-stats.ts";
import { Owners } from "../../../src/shm/owners.ts";
import { QUEUED } from "../../../src/shm/shared-queues.ts";
import { attachSharedQueues } from "../../../src/shm/shared-queues-layout.ts";
import { createSharedRegions, SharedState } from "../../../src/shm/shared-state.ts";
import { COMPILED, type Fault, plant } from "../../harness/mutant.ts";
import { StressThread, type ThreadEnd, turn } from "../../harness/threads.ts";

const THREAD = new URL("./fixtures/shared-queue-thread.js", import.meta.url);
const MIB = 1_048_576;
const limits = { timeout: 60_000 };
const STALLED_TURNS = 5_000_000;

class Field {
  readonly regions = createSharedRegions({
    dataBytes: 4 * MIB,
    queueBytes: 128 * MIB,
    policy: "refuse",
    random: () => 0.5,
  });
  readonly owners = new Owners(this.regions.owners);
  readonly state = new SharedState(
    { ...this.regions, self: this.owners.enter(), seat: 0 },
    systemClock,
  );
  readonly progress = new Int32Array(new SharedArrayBuffer(16));
  readonly queues = ["one", "two", "three"].map((name) =>
    this.state.queues.register(Buffer.from("vm"), Buffer.from(name), { onQueueReady() {} }),
  );

  start(
    base: string,
    task: { mode: string; index: number; items: number; parkAfter?: number },
  ): {
    readonly owner: number;
    readonly thread: StressThread;
  } {
    const owner = this.owners.enter();
    const thread = new StressThread(THREAD, {
      base,
      parkAfter: 0,
      seed: 50 + task.index,
      ...task,
      queues: this.queues,
      seat: { ...this.regions, self: owner, seat: 1 + task.index },
      progress: this.progress,
    });
    return { owner, thread };
  }
}

/** Two threads put items in, two take them out; every item by its maker and number. */
async function exchange(
  base: string,
  each: number,
): Promise<{ ends: ThreadEnd[]; taken: number[] }> {
  const field = new Field();
  const started = [0, 1, 2, 3].map((index) =>
    field.start(base, {
      index,
      mode: index < 2 ? "produce" : "consume",
      items: index < 2 ? each : 2 * each,
    }),
  );
  const ends: ThreadEnd[] = [];
  let failed = false;
  for (const { thread } of started) {
    void thread.ended.then(({ failure }) => {
      if (failure !== null) failed = true;
    });
  }
  let [seen, stalled] = [0, 0];
  while (seen < 4 * each && !failed) {
    await turn();
    const now = Atomics.load(field.progress, 0) + Atomics.load(field.progress, 1);
    stalled = now === seen ? stalled + 1 : 0;
    seen = now;
    // Threads that are lost in a broken chain say nothing.
    if (stalled > STALLED_TURNS) failed = true;
  }
  // A thread that failed leaves the others without an end.
  if (failed) await Promise.all(started.map(({ thread }) => thread.worker.terminate()));
  for (const { thread } of started) ends.push(await thread.ended);
  return { ends, taken: ends.flatMap(({ report }) => (report as number[] | null) ?? []) };
}

test(
  "two producers and two consumers lose no item, double none, and keep the order",
  limits,
  async () => {
    const each = 12_000;
    const { ends, taken } = await exchange(COMPILED, each);
    for (const { failure } of ends) assert.equal(failure, null);
    assert.equal(taken.length, 2 * each);
    assert.equal(new Set(taken).size, 2 * each);
  },
);

test(
  "that test fails when an item is linked before it is written, without the lock",
  limits,
  async () => {
    const publish = "Atomics.store(words, link, ref);";
    const data = "this.#heap.bytes.set(data, item * 4 + ITEM.headerBytes);";
    const mutant = plant([
      { file: "shm/shared-queues.js", from: publish, to: "" },
      {
        file: "shm/shared-queues.js",
        from: data,
        to: `const early = words[at + QUEUE.tail]; Atomics.store(words, early === 0
        ? at + QUEUE.head : this.#heap.wordOf(early) + ITEM.next, ref); ${data}`,
      },
      { file: "shm/stripe-locks.js", from: "return this.#wait(at);", to: "return LOCK.taken;" },
      { file: "shm/stripe-locks.js", from: "assert((before", to: "assert(true || (before" },
    ]);
    try {
      const { ends, taken } = await exchange(mutant.base, 12_000);
      const isFine = ends.every(({ failure }) => failure === null);
      assert.ok(!isFine || new Set(taken).size !== 24_000 || taken.length !== 24_000);
    } finally {
      mutant.remove();
    }
  },
);

const PLACES: readonly Fault[] = [
  "words[item + ITEM.dataBytes] = data.length;",
  "Atomics.store(words, link, ref);",
  "words[at + QUEUE.tail] = ref;",
  "Atomics.store(words, at + QUEUE.head, next);",
  "this.#heap.release(queue & (STRIPES - 1), ref);",
].map((from) => ({ file: "shm/shared-queues.js", from, to: `globalThis.park(); ${from}` }));

test(
  "a thread that dies at any step leaves whole items in order, and no lost memory",
  limits,
  async () => {
    for (const [place, fault] of PLACES.entries()) {
      const mutant = plant([fault]);
      const field = new Field();
      try {
        // A consumer that finds nothing left ends up in `dequeue` too, so it needs items first.
        for (const queue of field.queues) {
          for (let number = 0; number < 100; number++) {
            const item = Buffer.alloc(12);
            item.writeUInt32LE(9);
            item.writeUInt32LE(number, 4);
            item.writeUInt32LE(12, 8);
            item.fill((9 * 31 + number) & 0xff, 12);
            assert.equal(field.state.queues.queues.enqueue(queue, item), QUEUED.done);
          }
        }
        const mode = place < 3 ? "produce" : "consume";
        const task = { index: 0, mode, items: 1_000, parkAfter: 40 + place };
        const { owner, thread } = field.start(mutant.base, task);
        while (Atomics.load(field.progress, 2) === 0) await turn();
        await thread.worker.terminate();
        assert.equal((await thread.ended).failure, null);
        field.owners.died(owner);
        drain(field);
      } finally {
        mutant.remove();
      }
    }
  },
);

/** Takes everything out by the first thread that comes: it inherits the lock of the dead one. */
function drain({ state, queues, regions }: Field): void {
  for (const queue of queues) {
    const last = new Map<number, number>();
    while (state.queues.queues.dequeue(queue) === QUEUED.done) {
      const { bytes, length } = state.queues.queues;
      const [maker, number] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
      assert.equal(bytes.readUInt32LE(8), length);
      assert.ok(number > (last.get(maker) ?? -1));
      last.set(maker, number);
    }
    assert.equal(state.queues.queues.enqueue(queue, Buffer.from("x")), QUEUED.done);
    assert.equal(state.queues.queues.dequeue(queue), QUEUED.done);
  }
  const stats = new HeapStatsReader(
    regions.queues,
    attachSharedQueues(regions.queues).fields,
  ).read();
  assert.deepEqual([stats.entries, stats.bytesUsed, stats.bytesClaimed], [0, 0, 0]);
  assert.equal(stats.repaired, 1, "the thread died with a lock");
}
