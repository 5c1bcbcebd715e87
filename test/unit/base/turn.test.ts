import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Turn } from "../../../src/base/turn.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

describe("a turn", () => {
  it("lets time stand still for milliseconds, not for the clocks of guests", () => {
    const source = new ManualClock();
    const turn = new Turn(source);
    const start = source.monotonicMs();
    turn.enter();
    const wall = turn.clock.wallMs();
    source.advance(5);
    assert.equal(turn.clock.monotonicMs(), start);
    assert.equal(turn.clock.wallMs(), wall);
    assert.equal(turn.clock.monotonicNs(), source.monotonicNs());
    turn.leave();
    assert.equal(turn.clock.monotonicMs(), start + 5);
    assert.equal(turn.clock.wallMs(), wall + 5);
  });

  it("runs deferred work at its end, in order, and what that work defers", () => {
    const turn = new Turn(new ManualClock());
    const ran: string[] = [];
    const last = { runDeferred: () => void ran.push("last") };
    const first = {
      runDeferred: () => {
        ran.push("first");
        turn.schedule(last);
      },
    };
    turn.enter();
    turn.schedule(first);
    turn.schedule({ runDeferred: () => void ran.push("second") });
    assert.deepEqual(ran, []);
    turn.leave();
    assert.deepEqual(ran, ["first", "second", "last"]);
  });

  it("ends with its outermost part", () => {
    const source = new ManualClock();
    const turn = new Turn(source);
    const ran: string[] = [];
    turn.enter();
    turn.enter();
    turn.schedule({ runDeferred: () => void ran.push("ran") });
    turn.leave();
    source.advance(1);
    assert.notEqual(turn.clock.monotonicMs(), source.monotonicMs());
    assert.deepEqual(ran, []);
    turn.leave();
    assert.deepEqual(ran, ["ran"]);
  });

  it("gives work that is deferred outside of a turn a tick of its own", async () => {
    const turn = new Turn(new ManualClock());
    const ran: string[] = [];
    turn.schedule({ runDeferred: () => void ran.push("one") });
    turn.schedule({ runDeferred: () => void ran.push("two") });
    assert.deepEqual(ran, []);
    await new Promise<void>((resolve) => process.nextTick(resolve));
    assert.deepEqual(ran, ["one", "two"]);
  });
});
