import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nextVmState, VM_STATES, type VmEvent, type VmState } from "../../../src/vm/lifecycle.ts";

const STATES = Object.keys(VM_STATES) as VmState[];
const EVENTS: VmEvent[] = ["start", "started", "fail", "close"];

describe("life of a VM", () => {
  it("goes where the table says and asserts on every other event", () => {
    for (const state of STATES) {
      const row: Readonly<Partial<Record<VmEvent, VmState>>> = VM_STATES[state];
      for (const event of EVENTS) {
        const next = row[event];
        if (next === undefined) assert.throws(() => nextVmState(state, event), /vm: /);
        else assert.equal(nextVmState(state, event), next);
      }
    }
  });

  it("can be closed in every state, and a dead VM never runs again", () => {
    for (const state of STATES) assert.equal(nextVmState(state, "close"), "closed");
    for (const state of ["failed", "closed"] as const) {
      assert.throws(() => nextVmState(state, "start"));
      assert.throws(() => nextVmState(state, "started"));
    }
  });
});
