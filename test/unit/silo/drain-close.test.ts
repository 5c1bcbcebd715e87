import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DrainClose } from "../../../src/silo/services.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

/** How many of a hundred even draws close. */
function share(drain: { draw(): boolean }, set: (value: number) => void): number {
  let closed = 0;
  for (let i = 0; i < 100; i++) {
    set((i + 0.5) / 100);
    if (drain.draw()) closed++;
  }
  return closed;
}

function rig() {
  const clock = new ManualClock();
  let value = 0;
  const drain = new DrainClose(clock, () => value);
  const closed = () =>
    share(drain, (next) => {
      value = next;
    });
  return { clock, drain, closed };
}

describe("answers that ask clients to close", () => {
  it("are none before it is asked for and after it is forgotten", () => {
    const { drain, closed } = rig();
    assert.equal(closed(), 0);
    drain.ask(0);
    assert.equal(closed(), 100);
    drain.forget();
    assert.equal(closed(), 0);
  });

  it("rise to all over the span", () => {
    const { clock, drain, closed } = rig();
    drain.ask(1_000);
    assert.equal(closed(), 0);
    clock.advance(250);
    assert.equal(closed(), 25);
    clock.advance(500);
    assert.equal(closed(), 75);
    clock.advance(250);
    assert.equal(closed(), 100);
  });
});
