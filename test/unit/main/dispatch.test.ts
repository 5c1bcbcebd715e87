import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NativeBindings, NativeResult } from "../../../src/base/native.ts";
import { canReusePort, planDispatch } from "../../../src/main/dispatch.ts";

const BINDINGS: NativeBindings = {
  dupFd: () => -1,
  closeFd: () => -1,
  socketEnds: () => "",
  capReceiveBuffer: () => -1,
  armLoopGuard: () => false,
  openSockets: () => null,
};
const LOADED: NativeResult = { kind: "loaded", bindings: BINDINGS, path: "granary.node" };
const ABSENT: NativeResult = { kind: "absent", reason: "not built" };
const yes = async () => true;
const no = async () => false;

describe("dispatch plan", () => {
  it("passes descriptors where the addon is there", async () => {
    const plan = await planDispatch(LOADED, 4, no);
    assert.deepEqual(plan, { dispatch: "fd", concurrency: 4, warning: null });
  });

  it("falls back to reusePort, with a warning that says how to get the addon", async () => {
    const plan = await planDispatch(ABSENT, 4, yes);
    assert.equal(plan.dispatch, "reusePort");
    assert.equal(plan.concurrency, 4);
    assert.match(plan.warning ?? "", /not built.*C compiler.*native-bindings.build\.mjs/);
  });

  it("falls back to a single silo where the kernel cannot share the port either", async () => {
    const plan = await planDispatch(ABSENT, 4, no);
    assert.equal(plan.dispatch, "shared");
    assert.equal(plan.concurrency, 1);
    assert.match(plan.warning ?? "", /instead of 4/);
  });

  it("warns of nothing when one silo was asked for and one serves", async () => {
    const plan = await planDispatch(ABSENT, 1, no);
    assert.deepEqual(plan, { dispatch: "shared", concurrency: 1, warning: null });
  });

  it("finds out by trying whether this Node has reusePort", async () => {
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    const has = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
    assert.equal(await canReusePort(), has && process.platform === "linux");
  });
});
