import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nextSiloState, SILO_STATES, type SiloState } from "../../../src/main/silo-states.ts";

const STATES = Object.keys(SILO_STATES) as SiloState[];

describe("silo states", () => {
  it("lead from start over ready and draining to stopped", () => {
    assert.equal(nextSiloState("starting", "ready"), "ready");
    assert.equal(nextSiloState("ready", "drain"), "draining");
    assert.equal(nextSiloState("draining", "exit"), "stopped");
  });

  it("turn every failure of a living silo into failed", () => {
    for (const state of ["starting", "ready", "draining"] as const) {
      assert.equal(nextSiloState(state, "fail"), "failed");
    }
  });

  it("end in stopped from wherever the thread goes away", () => {
    for (const state of STATES.filter((each) => each !== "stopped")) {
      assert.equal(nextSiloState(state, "exit"), "stopped");
    }
  });

  it("never make a failed or draining silo ready again", () => {
    assert.equal(nextSiloState("failed", "ready"), "failed");
    assert.equal(nextSiloState("draining", "ready"), "draining");
  });

  it("assert on pairs that are not in the table", () => {
    assert.throws(() => nextSiloState("ready", "ready"), /event ready in state ready/);
    for (const event of ["ready", "drain", "fail", "exit"] as const) {
      assert.throws(() => nextSiloState("stopped", event), /in state stopped/);
    }
  });
});
