/** Shared data under real threads, and under threads that are killed in the middle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { HeapStatsReader } from "../../../src/shm/heap-stats.ts";
import { Owners } from "../../../src/shm/owners.ts";
import { SHARED } from "../../../src/shm/shared-data.ts";
import { attachSharedData } from "../../../src/shm/shared-data-layout.ts";
import {
  createSharedRegions,
  type SharedRegions,
  SharedState,
} from "../../../src/shm/shared-state.ts";
import { COMPILED, type Fault, plant } from "../../harness/mutant.ts";
import { prng } from "../../harness/prng.ts";
import { StressThread, type ThreadEnd, turn } from "../../harness/threads.ts";

const THREAD = new URL("./fixtures/shared-data-thread.js", import.meta.url);
const THREADS = 4;
const MIB = 1_048_576;
const SPACE = 2;
const limits = { timeout: 60_000 };

interface Task {
  readonly base: string;
  readonly index: number;
  readonly mode: string;
  readonly rounds: number;
  readonly seed: number;
  readonly parkAfter: number;
}

interface Started {
  readonly owner: number;
  readonly thread: StressThread;
}

class Field {
  readonly regions: SharedRegions = createSharedRegions({
    dataBytes: 32 * MIB,
    queueBytes: MIB,
    policy: "refuse",
    random: prng(7),
  });
  readonly owners = new Owners(this.regions.owners);
  readonly state = new SharedState(
    { ...this.regions, self: this.owners.enter(), seat: 0 },
    systemClock,
  );
  readonly progress = new Int32Array(new SharedArrayBuffer(4 * (THREADS + 1)));

  start(task: Partial<Task> & { readonly index: number }): Started {
    const owner = this.owners.enter();
    const thread = new StressThread(THREAD, {
      base: COMPILED,
      mode: "describe",
      rounds: 1e9,
      seed: task.index,
      parkAfter: 0,
      ...task,
      seat: { ...this.regions, self: owner, seat: 1 + task.index },
      progress: this.progress,
    });
    return { owner, thread };
  }

  get stats(): ReturnType<HeapStatsReader["read"]> {
    const { fields } = attachSharedData(this.regions.data);
    return new HeapStatsReader(this.regions.data, fields).read();
  }
}

async function countTogether(
  base: string,
  rounds: number,
): Promise<{ ends: ThreadEnd[]; total: number; sum: bigint }> {
  const field = new Field();
  const { data } = field.state;
  for (let i = 0; i < 4; i++) data.set(SPACE, Buffer.from(`cas${i}`), Buffer.from("0"), 0);
  const threads = Array.from({ length: THREADS }, (_, index) =>
    field.start({ base, index, mode: "count", rounds, seed: 100 + index }),
  );
  const ends = await Promise.all(threads.map(({ thread }) => thread.ended));
  let total = 0;
  let sum = 0n;
  for (let i = 0; i < 4; i++) {
    data.get(SPACE, Buffer.from(`cas${i}`));
    total += Number(data.bytes.toString("latin1", 0, data.length));
    data.get(SPACE, Buffer.from(`sum${i}`));
    sum += data.bytes.readBigInt64LE();
  }
  return { ends, total, sum };
}

test("four threads count by CAS and by add: no increment is lost", limits, async () => {
  const rounds = 15_000;
  const { ends, total, sum } = await countTogether(COMPILED, rounds);
  for (const { failure } of ends) assert.equal(failure, null);
  assert.equal(total, THREADS * rounds);
  assert.equal(sum, BigInt(rounds * (1 + 2 + 3 + 4)));
});

test("the counting test fails when a lock does not exclude", limits, async () => {
  const mutant = plant([
    { file: "shm/stripe-locks.js", from: "return this.#wait(at);", to: "return LOCK.taken;" },
    { file: "shm/stripe-locks.js", from: "assert((before", to: "assert(true || (before" },
  ]);
  try {
    const rounds = 15_000;
    const { ends, total, sum } = await countTogether(mutant.base, rounds).catch(() => ({
      ends: [{ report: null, failure: "the table is broken" }],
      total: 0,
      sum: 0n,
    }));
    const isExact = total === THREADS * rounds && sum === BigInt(rounds * 10);
    assert.ok(!isExact || ends.some(({ failure }) => failure !== null));
  } finally {
    mutant.remove();
  }
});

/** Kills a thread after some of its rounds, recovers what it held, and starts another. */
async function killOften(field: Field, kills: number): Promise<void> {
  const random = prng(77);
  const seats = Array.from({ length: THREADS }, (_, index) => field.start({ index }));
  for (let kill = 0; kill < kills; kill++) {
    const index = Math.floor(random() * THREADS);
    const seat = seats[index] as (typeof seats)[number];
    const from = Atomics.load(field.progress, 1 + index);
    const until = from + Math.floor(random() * 400);
    while (Atomics.load(field.progress, 1 + index) < until) {
      assert.equal(Atomics.load(field.progress, 0), 0, "a bad value was read");
      await turn();
    }
    await seat.thread.worker.terminate();
    field.owners.died(seat.owner);
    field.state.data.recover(seat.owner);
    field.owners.leave(seat.owner);
    seats[index] = field.start({ index, seed: 1_000 + kill });
  }
  await Promise.all(seats.map(({ thread }) => thread.worker.terminate()));
  for (const { owner, thread } of seats) {
    assert.equal((await thread.ended).failure, null);
    field.owners.died(owner);
    field.state.data.recover(owner);
  }
}

test(
  "threads killed at any point leave no torn value, no held lock and no lost memory",
  limits,
  async () => {
    const field = new Field();
    await killOften(field, 12);
    assert.equal(Atomics.load(field.progress, 0), 0, "a bad value was read");
    emptyOut(field);
  },
);

/** Removes everything; nothing may be left in use then. */
function emptyOut(field: Field): void {
  const { data } = field.state;
  const max = { count: 1_000, bytes: MIB };
  for (const key of data.list(SPACE, Buffer.alloc(0), max)) {
    assert.equal(data.remove(SPACE, key), SHARED.done);
  }
  const { entries, bytesUsed, bytesClaimed } = field.stats;
  assert.deepEqual([entries, bytesUsed, bytesClaimed], [0, 0, 0]);
}

/** Places where a thread may die with a lock, as text of the compiled files. */
const PLACES = [
  ["shm/striped-heap.js", "const used = words[info + PAGE.used] + 1;"],
  ["shm/striped-heap.js", "words[info + PAGE.used] = used - 1;"],
  ["shm/striped-heap.js", "if (used > 1)"],
  ["shm/striped-heap.js", "const tag = i === 0 ? headTag : tailTag;"],
  ["shm/shared-table.js", "this.#copy(value, "],
  ["shm/shared-table.js", "Atomics.store(words, this.#link, ref);"],
  [
    "shm/shared-table.js",
    "if (found === 0)\n            this.#entries.count(this.#stripe, STRIPE.entries, 1);",
  ],
  ["shm/table-entries.js", "Atomics.store(words, link, words[heap.wordOf(ref) + ENTRY.next]);"],
  ["shm/table-entries.js", "this.count(stripe, STRIPE.entries, -1);"],
] as const;

/** Runs a thread with `faults` until it stands in the planted place, and kills it there. */
async function dieInside(faults: readonly Fault[], parkAfter: number): Promise<Field> {
  const mutant = plant(faults);
  const field = new Field();
  try {
    const { owner, thread } = field.start({ base: mutant.base, index: 0, parkAfter });
    while (Atomics.load(field.progress, 0) === 0) await turn();
    assert.equal(Atomics.load(field.progress, 0), 2, "no bad value so far");
    await thread.worker.terminate();
    field.owners.died(owner);
    return field;
  } finally {
    mutant.remove();
  }
}

/** Every value is as the thread wrote it: see fixtures/shared-data-thread.ts. */
function checkValues({ state }: Field): void {
  const { data } = state;
  for (let i = 0; i < 50; i++) {
    const result = data.get(SPACE, Buffer.from(`key${i}`));
    if (result === SHARED.absent) continue;
    assert.equal(result, SHARED.done);
    const mark = data.bytes.readUInt32LE(0);
    assert.equal(data.bytes.readUInt32LE(4), data.length);
    for (let at = 8; at < data.length; at++) assert.equal(data.bytes[at], (mark + at * 7) & 0xff);
  }
}

test("a thread that dies at any step leaves a stripe that the next repairs", limits, async () => {
  for (const [place, [file, from]] of PLACES.entries()) {
    const fault = { file, from, to: `globalThis.park(); ${from}` };
    const field = await dieInside([fault], 40 + 13 * place);
    // Nobody calls recover: the first who needs the lock inherits and repairs it.
    checkValues(field);
    emptyOut(field);
    assert.equal(field.stats.repaired, 1, `${from}: it died with a lock`);
  }
});

test("that test fails when an entry is published before it is written", limits, async () => {
  const publish = "Atomics.store(words, this.#link, ref);";
  const copy = "this.#copy(value, ";
  const field = await dieInside(
    [
      { file: "shm/shared-table.js", from: publish, to: "" },
      { file: "shm/shared-table.js", from: copy, to: `${publish} globalThis.park(); ${copy}` },
    ],
    60,
  );
  assert.throws(() => checkValues(field));
});
