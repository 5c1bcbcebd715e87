import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../../../src/base/limits.ts";
import { HeapStatsReader } from "../../../src/shm/heap-stats.ts";
import { Owners } from "../../../src/shm/owners.ts";
import { QUEUED, type SharedQueues } from "../../../src/shm/shared-queues.ts";
import { attachSharedQueues } from "../../../src/shm/shared-queues-layout.ts";
import {
  createSharedRegions,
  type SharedRegions,
  SharedState,
} from "../../../src/shm/shared-state.ts";
import { ManualClock } from "../../harness/manual-clock.ts";
import { prng } from "../../harness/prng.ts";
import { turn } from "../../harness/threads.ts";

const MIB = 1_048_576;
const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const VM = bytes("vm");

/** What one thread was told, in order. */
class Seat {
  readonly state: SharedState;
  readonly told: number[] = [];

  constructor(regions: SharedRegions, owners: Owners, seat: number) {
    const self = owners.enter();
    this.state = new SharedState({ ...regions, self, seat }, new ManualClock());
    this.state.queues.listen();
  }

  get queues(): SharedQueues {
    return this.state.queues.queues;
  }

  register(name: string, told = this.told): number {
    const listener = { onQueueReady: (queue: number) => void told.push(queue) };
    return this.state.queues.register(VM, bytes(name), listener);
  }

  enqueue(queue: number, text: string): number {
    return this.queues.enqueue(queue, bytes(text));
  }

  /** The item as text, or the result. */
  dequeue(queue: number): string | number {
    const result = this.queues.dequeue(queue);
    return result === QUEUED.done
      ? this.queues.bytes.toString("latin1", 0, this.queues.length)
      : result;
  }
}

class Rig {
  readonly regions = createSharedRegions({
    dataBytes: 4 * MIB,
    queueBytes: 4 * MIB,
    policy: "refuse",
    random: prng(1),
  });
  readonly owners = new Owners(this.regions.owners);
  readonly seats: readonly Seat[];

  constructor(seats = 1) {
    this.seats = Array.from({ length: seats }, (_, seat) => {
      return new Seat(this.regions, this.owners, seat);
    });
  }

  get stats(): ReturnType<HeapStatsReader["read"]> {
    const { queues } = this.regions;
    return new HeapStatsReader(queues, attachSharedQueues(queues).fields).read();
  }

  /** Lets every thread hear its bell. Three turns: wake, look, and what the look caused. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) await turn();
  }

  close(): void {
    for (const seat of this.seats) seat.state.queues.close();
  }
}

const at = (rig: Rig, index: number): Seat => rig.seats[index] as Seat;

test("items come out in the order they went in, on any thread", () => {
  const rig = new Rig(2);
  const queue = at(rig, 0).register("q");
  assert.ok(queue >= 1);
  for (const item of ["a", "", "c"]) assert.equal(at(rig, 1).enqueue(queue, item), QUEUED.done);
  assert.deepEqual(
    [0, 1, 0, 1].map((seat) => at(rig, seat).dequeue(queue)),
    ["a", "", "c", QUEUED.empty],
  );
  rig.close();
});

test("a name has one number for all threads, per vm_id; an unregistered one has none", () => {
  const rig = new Rig(2);
  const queue = at(rig, 0).register("q");
  assert.equal(at(rig, 1).register("q"), queue);
  const { queues } = at(rig, 1).state;
  assert.equal(queues.resolve(VM, bytes("q")), queue);
  assert.equal(queues.resolve(bytes("other"), bytes("q")), 0);
  assert.equal(queues.resolve(bytes("v"), bytes("mq")), 0, "names do not run together");
  assert.equal(queues.resolve(VM, bytes("none")), 0);
  for (const unknown of [0, queue + 1, 1_024, 2 ** 32 - 1]) {
    assert.equal(at(rig, 0).enqueue(unknown, "x"), QUEUED.unknown);
    assert.equal(at(rig, 0).dequeue(unknown), QUEUED.unknown);
  }
  rig.close();
});

test("registering again keeps what lies in the queue, and tells the new registrant of it", async () => {
  const rig = new Rig(2);
  const queue = at(rig, 0).register("q");
  at(rig, 0).enqueue(queue, "a");
  at(rig, 0).enqueue(queue, "b");
  await rig.settle();
  assert.deepEqual(at(rig, 0).told, [queue, queue]);
  at(rig, 1).register("q");
  await rig.settle();
  assert.deepEqual(at(rig, 1).told, [queue, queue]);
  assert.equal(at(rig, 1).dequeue(queue), "a");
  rig.close();
});

test("the last registrant is told once per item, after the call that put it in", async () => {
  const rig = new Rig(3);
  const queue = at(rig, 0).register("q");
  at(rig, 1).register("q");
  at(rig, 2).enqueue(queue, "x");
  at(rig, 1).enqueue(queue, "y");
  assert.deepEqual(at(rig, 1).told, []);
  await rig.settle();
  assert.deepEqual(at(rig, 0).told, []);
  assert.deepEqual(at(rig, 1).told, [queue, queue]);
  rig.close();
});

test("of two listeners on one thread the last is told", async () => {
  const rig = new Rig();
  const [first, second]: [number[], number[]] = [[], []];
  const queue = at(rig, 0).register("q", first);
  at(rig, 0).register("q", second);
  at(rig, 0).enqueue(queue, "x");
  await rig.settle();
  assert.deepEqual([first, second], [[], [queue]]);
  rig.close();
});

test("by option every registrant is told in turn", async () => {
  const rig = new Rig(3);
  const queue = at(rig, 0).register("q");
  at(rig, 1).register("q");
  at(rig, 2).register("q");
  const options = { inTurn: true, refuses: false, itemsMax: 0 };
  assert.equal(at(rig, 0).queues.setOptions(queue, options), QUEUED.done);
  assert.equal(at(rig, 0).queues.setOptions(queue + 1, options), QUEUED.unknown);
  for (let i = 0; i < 9; i++) at(rig, 0).enqueue(queue, "x");
  await rig.settle();
  assert.deepEqual(
    rig.seats.map(({ told }) => told.length),
    [3, 3, 3],
  );
  rig.close();
});

test("what a dead thread was to be told others are told, or its successor", async () => {
  const rig = new Rig(2);
  const queue = at(rig, 0).register("q");
  at(rig, 1).register("q");
  at(rig, 1).state.queues.close();
  await rig.settle();
  for (let i = 0; i < 4; i++) at(rig, 0).enqueue(queue, `${i}`);
  at(rig, 0).queues.unseat(1);
  at(rig, 0).enqueue(queue, "4");
  await rig.settle();
  assert.equal(at(rig, 0).told.length, 5);
  at(rig, 0).state.queues.close();
  at(rig, 0).queues.unseat(0);
  at(rig, 0).enqueue(queue, "5");
  const successor = new Seat(rig.regions, rig.owners, 0);
  successor.register("q");
  await rig.settle();
  assert.ok(successor.told.length >= 6, `${successor.told.length} of 6 items`);
  successor.state.queues.close();
});

test("a full queue drops its oldest items, or refuses by option; both are counted", () => {
  const rig = new Rig();
  const seat = at(rig, 0);
  const queue = seat.register("q");
  seat.queues.setOptions(queue, { inTurn: false, refuses: false, itemsMax: 3 });
  for (const item of ["a", "b", "c", "d", "e"]) assert.equal(seat.enqueue(queue, item), 0);
  assert.equal(rig.stats.evicted, 2);
  assert.deepEqual([seat.dequeue(queue), rig.stats.entries], ["c", 2]);
  seat.queues.setOptions(queue, { inTurn: false, refuses: true, itemsMax: 2 });
  assert.equal(seat.enqueue(queue, "f"), QUEUED.full);
  assert.equal(rig.stats.refused, 1);
  assert.deepEqual([seat.dequeue(queue), seat.dequeue(queue)], ["d", "e"]);
  rig.close();
});

test("without memory the oldest items go; an item over its limit is refused", () => {
  const rig = new Rig();
  const seat = at(rig, 0);
  const queue = seat.register("q");
  const large = "x".repeat(100_000);
  for (let i = 0; i < 60; i++) assert.equal(seat.enqueue(queue, `${i} ${large}`), QUEUED.done);
  assert.ok(rig.stats.evicted > 20);
  assert.match(String(seat.dequeue(queue)), new RegExp(`^${rig.stats.evicted} x`));
  const huge = "x".repeat(LIMITS.sharedQueueItemBytes + 1);
  assert.equal(seat.enqueue(queue, huge), QUEUED.full);
  rig.close();
});

test("there are as many queues as the limit says, and then no more", () => {
  const rig = new Rig();
  const seat = at(rig, 0);
  const numbers = new Set<number>();
  for (let i = 0; i < LIMITS.sharedQueuesCount; i++) numbers.add(seat.register(`q${i}`));
  assert.equal(numbers.size, LIMITS.sharedQueuesCount);
  assert.ok(!numbers.has(0));
  assert.equal(seat.register("one more"), 0);
  assert.equal(seat.register("q5"), 6);
  assert.equal(seat.enqueue(LIMITS.sharedQueuesCount, "x"), QUEUED.done);
  rig.close();
});

test("a drained queue leaves no memory in use", () => {
  const rig = new Rig();
  const seat = at(rig, 0);
  const queue = seat.register("q");
  const random = prng(5);
  for (let i = 0; i < 2_000; i++) {
    if (random() < 0.6) seat.enqueue(queue, "x".repeat(random() * 3_000));
    else seat.dequeue(queue);
  }
  while (seat.dequeue(queue) !== QUEUED.empty);
  const { entries, bytesUsed, bytesClaimed } = rig.stats;
  assert.deepEqual([entries, bytesUsed, bytesClaimed], [0, 0, 0]);
  rig.close();
});
