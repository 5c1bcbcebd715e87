/** State that no other thread sees: of trial starts and of shadows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PrivateSharedState } from "../../../src/shm/shared-state.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

const MIB = 1_048_576;

test("a private state takes no memory before something is shared in it", () => {
  const before = process.memoryUsage().arrayBuffers;
  const states = Array.from({ length: 50 }, () => new PrivateSharedState(new ManualClock(), MIB));
  assert.ok(states.every(({ isUsed }) => !isUsed));
  assert.ok(process.memoryUsage().arrayBuffers - before < MIB);
});

test("a private state keeps what is shared, apart from every other", () => {
  const [one, two] = [0, 1].map(() => new PrivateSharedState(new ManualClock(), MIB));
  assert.ok(one !== undefined && two !== undefined);
  const key = Buffer.from("key");
  one.data.set(one.spaceOf("vm"), key, Buffer.from("value"), 0);
  assert.equal(one.isUsed, true);
  const keysOf = (state: PrivateSharedState): number =>
    state.data.list(state.spaceOf("vm"), Buffer.alloc(0), { count: 10, bytes: MIB }).length;
  assert.deepEqual([keysOf(one), keysOf(two)], [1, 0]);
  assert.equal(one.queues.resolve(Buffer.from("vm"), Buffer.from("none")), 0);
});
