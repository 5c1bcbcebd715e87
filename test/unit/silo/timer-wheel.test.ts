import assert from "node:assert/strict";
import { test } from "node:test";
import { Timeout, TimerWheel } from "../../../src/silo/timer-wheel.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

function setup() {
  const clock = new ManualClock();
  const wheel = new TimerWheel(clock);
  const fired: string[] = [];
  const timeout = (name: string): Timeout =>
    new Timeout({ onTimeout: (kind) => fired.push(`${name}${kind}`) }, 7);
  return { clock, wheel, fired, timeout };
}

test("a timeout fires once, never early and at most one step late", () => {
  const { clock, wheel, fired, timeout } = setup();
  const a = timeout("a");
  wheel.set(a, 100);
  clock.advance(99);
  assert.deepEqual(fired, []);
  clock.advance(21);
  assert.deepEqual(fired, ["a7"]);
  clock.advance(1000);
  assert.deepEqual(fired, ["a7"]);
  assert.equal(wheel.count, 0);
});

test("a timeout longer than one turn of the wheel waits for its own turn", () => {
  const { clock, wheel, fired, timeout } = setup();
  wheel.set(timeout("a"), 100_000);
  for (let i = 0; i < 99; i++) clock.advance(1000);
  assert.deepEqual(fired, []);
  clock.advance(1100);
  assert.deepEqual(fired, ["a7"]);
});

test("a cancelled timeout never fires and one set again counts from then", () => {
  const { clock, wheel, fired, timeout } = setup();
  const a = timeout("a");
  const b = timeout("b");
  wheel.set(a, 50);
  wheel.set(b, 50);
  wheel.cancel(a);
  clock.advance(40);
  wheel.set(b, 50);
  clock.advance(40);
  assert.deepEqual(fired, []);
  clock.advance(30);
  assert.deepEqual(fired, ["b7"]);
});

test("a timeout that fires may cancel the others of the same step", () => {
  const { clock, wheel, fired } = setup();
  const others: Timeout[] = [];
  const owner = {
    onTimeout: (kind: number): void => {
      fired.push(String(kind));
      for (const other of others) wheel.cancel(other);
    },
  };
  others.push(new Timeout(owner, 1), new Timeout(owner, 2), new Timeout(owner, 3));
  for (const other of others) wheel.set(other, 20);
  clock.advance(60);
  assert.equal(fired.length, 1);
  assert.equal(wheel.count, 0);
});
