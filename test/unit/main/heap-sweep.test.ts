import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeapSweep, heapCollector } from "../../../src/main/heap-sweep.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

function rig(): { sweep: HeapSweep; clock: ManualClock; collected: () => number } {
  const clock = new ManualClock();
  let count = 0;
  const sweep = new HeapSweep(clock, () => {
    count++;
  });
  return { sweep, clock, collected: () => count };
}

describe("the sweep of main's heap after updates", () => {
  it("comes once, when updates have paused", () => {
    const { sweep, clock, collected } = rig();
    for (let update = 0; update < 5; update++) {
      sweep.updated();
      clock.advance(1_900);
    }
    assert.equal(collected(), 0);
    clock.advance(100);
    assert.equal(collected(), 1);
    clock.advance(60_000);
    assert.equal(collected(), 1);
  });

  it("comes in between when updates do not pause, and never within one", () => {
    const { sweep, clock, collected } = rig();
    for (let update = 0; update < 100; update++) {
      const before = collected();
      sweep.updated();
      assert.equal(collected(), before);
      clock.advance(10);
    }
    assert.equal(collected(), 4);
  });

  it("does not come any more after the end", () => {
    const { sweep, clock, collected } = rig();
    sweep.updated();
    sweep.close();
    clock.advance(60_000);
    assert.equal(collected(), 0);
  });

  it("collects what nobody holds", async () => {
    const collect = heapCollector() ?? assert.fail("V8 hands its collector out");
    const gone = Array.from({ length: 8 }, () => new WeakRef({ text: "left behind" }));
    // What a job of this turn has seen stays until its end.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    assert.deepEqual(
      gone.map((each) => each.deref()),
      gone.map(() => undefined),
    );
    assert.equal("gc" in globalThis, false);
  });
});
