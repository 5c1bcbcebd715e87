import assert from "node:assert/strict";
import { test } from "node:test";
import { BELL_STRIDE, Bells } from "../../../src/shm/bells.ts";
import { turn } from "../../harness/threads.ts";

const FOR_EVER = 1e9;

async function turnsUntil(isDone: () => boolean): Promise<void> {
  while (!isDone()) await turn();
}

/** As many as a wake-up that is under way needs, and more. */
async function someTurns(): Promise<void> {
  for (let i = 0; i < 50; i++) await turn();
}

function pair(): { readonly ringer: Bells; readonly listener: Bells } {
  const words = new Int32Array(new SharedArrayBuffer(4 * BELL_STRIDE));
  return { ringer: new Bells(words), listener: new Bells(words) };
}

test("a thread that rests is not woken by rings, but by who hurries it, once", async () => {
  const { ringer, listener } = pair();
  let looks = 0;
  listener.listen(0, () => looks++, FOR_EVER);
  ringer.ring(0);
  await turnsUntil(() => looks === 1);
  ringer.ring(0);
  await someTurns();
  assert.equal(looks, 1);
  ringer.hurry(0);
  await turnsUntil(() => looks === 2);
  await someTurns();
  assert.equal(looks, 2);
  listener.close();
  ringer.hurry(0);
  await someTurns();
  assert.equal(looks, 2);
});

test("a ring during the rest is heard after it, one after the rest at once", async () => {
  const { ringer, listener } = pair();
  let looks = 0;
  listener.listen(0, () => looks++, 5);
  for (let ring = 1; ring < 4; ring++) {
    ringer.ring(0);
    await turnsUntil(() => looks === ring);
  }
  listener.close();
});
