import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setLogLevel } from "../../../src/base/log.ts";
import { installSignals } from "../../../src/main/signals.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

setLogLevel("off");

function rig(): { acts: string[]; remove: () => void; clock: ManualClock } {
  const acts: string[] = [];
  const clock = new ManualClock();
  const actions = {
    quit: () => acts.push("quit"),
    abandon: (exitCode: number) => acts.push(`exit ${exitCode}`),
    reopenLogs: () => acts.push("reopen"),
    reload: () => acts.push("reload"),
  };
  return { acts, remove: installSignals(actions, clock), clock };
}

describe("signals", () => {
  it("quit in order at the first and at once at the second, whichever they are", () => {
    const { acts, remove, clock } = rig();
    process.emit("SIGINT");
    clock.advance(501);
    process.emit("SIGTERM");
    remove();
    assert.deepEqual(acts, ["quit", "exit 143"]);
  });

  it("count a signal that npm passes on as the one before", () => {
    const { acts, remove, clock } = rig();
    process.emit("SIGINT");
    clock.advance(500);
    process.emit("SIGINT");
    remove();
    assert.deepEqual(acts, ["quit"]);
  });

  it("reopen logs at SIGUSR1 and reload at SIGHUP", () => {
    const { acts, remove } = rig();
    process.emit("SIGUSR1");
    process.emit("SIGHUP");
    remove();
    assert.deepEqual(acts, ["reopen", "reload"]);
  });

  it("leave no handler behind", () => {
    const before = process.listenerCount("SIGTERM");
    const { remove } = rig();
    assert.equal(process.listenerCount("SIGTERM"), before + 1);
    remove();
    assert.equal(process.listenerCount("SIGTERM"), before);
  });
});
