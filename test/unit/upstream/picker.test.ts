import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Picker, type PickerOptions } from "../../../src/upstream/picker.ts";
import { EndpointCounts } from "../../../src/upstream/stats.ts";
import { WeightedQueue } from "../../../src/upstream/weighted-queue.ts";
import { prng } from "../../harness/prng.ts";

const NOBODY: readonly string[] = [];

function pickerOf(
  policy: PickerOptions["policy"],
  weights: readonly number[],
): Picker<ReturnType<typeof endpoint>> {
  return new Picker(weights.map(endpoint), { policy, choiceCount: 2, random: prng(7) });
}

function endpoint(weight: number, index: number) {
  return {
    info: { address: `10.0.0.${index}:80` },
    weight,
    counts: new EndpointCounts(),
    index,
  };
}

/** How often each endpoint was picked. */
function tally(picker: ReturnType<typeof pickerOf>, picks: number): number[] {
  const counts = picker.endpoints.map(() => 0);
  for (let i = 0; i < picks; i++) {
    const picked = picker.pick(NOBODY);
    if (picked !== null) counts[picked.index] = (counts[picked.index] ?? 0) + 1;
  }
  return counts;
}

function assertShares(counts: readonly number[], weights: readonly number[], off: number): void {
  const picks = counts.reduce((sum, count) => sum + count, 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, count] of counts.entries()) {
    const share = (picks * (weights[i] ?? 0)) / total;
    assert.ok(Math.abs(count - share) <= off * picks, `${counts} against weights ${weights}`);
  }
}

describe("picker", () => {
  for (const policy of ["roundRobin", "leastRequest", "random"] as const) {
    test(`${policy} finds nothing in an empty set`, () => {
      assert.equal(pickerOf(policy, []).pick(NOBODY), null);
    });

    test(`${policy} shares picks among idle endpoints by weight`, () => {
      assertShares(tally(pickerOf(policy, [1, 1, 1]), 9000), [1, 1, 1], 0.03);
      assertShares(tally(pickerOf(policy, [1, 3, 6]), 10_000), [1, 3, 6], 0.03);
    });

    test(`${policy} avoids endpoints tried before while others exist`, () => {
      const picker = pickerOf(policy, [1, 1, 50]);
      for (let i = 0; i < 200; i++) {
        assert.equal(picker.pick(["10.0.0.2:80", "10.0.0.0:80"])?.index, 1);
      }
    });

    test(`${policy} picks a tried endpoint when all were tried`, () => {
      assert.equal(pickerOf(policy, [1]).pick(["10.0.0.0:80"])?.index, 0);
    });
  }

  test("round robin takes endpoints of equal weight strictly in turn", () => {
    const picker = pickerOf("roundRobin", [2, 2, 2]);
    const turns = Array.from({ length: 6 }, () => picker.pick(NOBODY)?.index ?? -1);
    const first = turns[0] ?? 0;
    assert.deepEqual(
      turns,
      [0, 1, 2, 3, 4, 5].map((i) => (first + i) % 3),
    );
  });

  test("least request never takes the busier of two endpoints that it compares", () => {
    const picker = pickerOf("leastRequest", [1, 1]);
    const [busy] = picker.endpoints;
    assert.ok(busy !== undefined);
    busy.counts.rqActive = 10;
    // The busy one wins only when both draws hit it.
    assertShares(tally(picker, 8000), [1, 3], 0.03);
  });

  test("least request weighs load by weight", () => {
    const picker = new Picker([1, 4].map(endpoint), {
      policy: "leastRequest",
      choiceCount: 64,
      random: prng(1),
    });
    const [light, heavy] = picker.endpoints;
    assert.ok(light !== undefined && heavy !== undefined);
    light.counts.rqActive = 2;
    heavy.counts.rqActive = 7;
    assert.equal(picker.pick(NOBODY)?.index, 1);
    heavy.counts.rqActive = 9;
    assert.equal(picker.pick(NOBODY)?.index, 0);
  });
});

describe("weighted queue", () => {
  test("gives turns by due time, and in list order where the times are equal", () => {
    const queue = new WeightedQueue([2, 1, 1]);
    const turns = Array.from({ length: 8 }, () => queue.next());
    assert.deepEqual(turns, [0, 0, 1, 2, 0, 0, 1, 2]);
  });

  test("after every round each entry had as many turns as its weight", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 24 }),
        (weights) => {
          const queue = new WeightedQueue(weights);
          const counts = weights.map(() => 0);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          for (let i = 0; i < total * 8; i++) {
            const index = queue.next();
            counts[index] = (counts[index] ?? 0) + 1;
          }
          for (const [i, weight] of weights.entries()) {
            // Sums of 1/weight are inexact: a turn may fall just beyond the end of the rounds.
            assert.ok(Math.abs((counts[i] ?? 0) - weight * 8) <= 1, `${counts} for ${weights}`);
          }
        },
      ),
      { seed: 20, numRuns: 200 },
    );
  });
});
