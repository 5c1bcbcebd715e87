/** Who holds the thread before it fails, again and again, is kept out for most of the time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Probation } from "../../../src/vm/probation.ts";

const WINDOW_MS = 60_000;

describe("probation", () => {
  it("forgives the first failure, but shortens the budget", () => {
    const probation = new Probation(WINDOW_MS);
    assert.equal(probation.budgetMs(1_000, 0), 1_000);
    assert.equal(probation.record(1_000, 1_000), false);
    assert.ok(probation.waitMs(1_000) <= 0);
    assert.equal(probation.budgetMs(1_000, 1_001), 100);
    assert.equal(
      probation.budgetMs(20, 1_001),
      10,
      "never under 10 ms, which a busy machine takes",
    );
    assert.equal(probation.budgetMs(5, 1_001), 5, "nor over what was given");
    assert.equal(probation.budgetMs(0, 1_001), 0, "which may be no budget at all");
  });

  it("keeps out who fails again for two hundred times as long as it held the thread", () => {
    const probation = new Probation(WINDOW_MS);
    probation.record(0, 1_000);
    assert.equal(probation.record(100, 100), true);
    assert.equal(probation.waitMs(100), 20_000);
    assert.equal(probation.record(20_200, 500), true);
    assert.equal(probation.waitMs(20_200), WINDOW_MS, "no longer than the window");
  });

  it("ends after a quiet window", () => {
    const probation = new Probation(WINDOW_MS);
    probation.record(0, 1_000);
    assert.equal(probation.budgetMs(1_000, WINDOW_MS), 1_000);
    assert.equal(probation.record(WINDOW_MS, 1_000), false);
    // A rest is not quiet: the window begins behind it.
    probation.record(WINDOW_MS + 1, 100);
    assert.equal(probation.budgetMs(1_000, WINDOW_MS + 20_001 + WINDOW_MS - 1), 100);
  });

  it("has nothing to do with failures that held nobody up", () => {
    const probation = new Probation(WINDOW_MS);
    for (let i = 0; i < 5; i++) assert.equal(probation.record(i, 0), false);
    assert.equal(probation.budgetMs(1_000, 5), 1_000);
  });
});

it("a filter that loops on each request takes half a percent of an hour at most", () => {
  const probation = new Probation(WINDOW_MS);
  let nowMs = 0;
  let heldMs = 0;
  while (nowMs < 3_600_000) {
    const tookMs = probation.budgetMs(1_000, nowMs);
    nowMs += tookMs;
    heldMs += tookMs;
    probation.record(nowMs, tookMs);
    nowMs += Math.max(0, probation.waitMs(nowMs));
  }
  assert.ok(heldMs < 3_600_000 * 0.006, `${heldMs} ms`);
});
