import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { setEngineFlags } from "../../../src/main/engine-flags.ts";

const HELD = 300;
const LOAD_NUMBERS = 1_000;

describe("engine flags", () => {
  it("objects that lived long while the heap was small are young again afterwards", () => {
    setEngineFlags();
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;
    const stream = (i: number): object => ({
      load: new Array<number>(LOAD_NUMBERS).fill(i),
      parts: [{ i }, { i }],
    });
    // Most survive the collections of the young.
    for (let round = 0; round < 200; round++) {
      const held: object[] = [];
      for (let i = 0; i < HELD; i++) held.push(stream(i));
      for (let i = 0; i < 2; i++) collect({ type: "minor" });
    }
    collect();
    collect({ type: "minor" });
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 10 * HELD; i++) stream(i);
    for (let i = 0; i < 2; i++) collect({ type: "minor" });
    const keptBytes = process.memoryUsage().heapUsed - before;
    const madeBytes = 10 * HELD * LOAD_NUMBERS * 8;
    assert.ok(keptBytes < madeBytes / 10, `${keptBytes} of ${madeBytes} bytes were kept`);
  });
});
