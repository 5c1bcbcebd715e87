import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RESTART, restartPauseMs } from "../../../src/main/backoff.ts";

describe("restart pauses", () => {
  it("start at nothing, then double up to the cap", () => {
    const pauses = [1, 2, 3, 4, 9, 10, 1000].map(restartPauseMs);
    assert.deepEqual(pauses, [0, 250, 500, 1000, 30_000, 30_000, RESTART.pauseMsMax]);
  });
});
