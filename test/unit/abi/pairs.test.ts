import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodePairs, pairsBlock } from "../../../src/abi/pairs.ts";
import { LIMITS } from "../../../src/base/limits.ts";

const latin1 = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));
const anyPairs = fc.array(fc.tuple(latin1, latin1), { maxLength: 30 });

function block(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

function problemOf(bytes: Uint8Array): string {
  const decoded = decodePairs(bytes);
  return decoded.ok ? "ok" : decoded.problem;
}

describe("pairs block", () => {
  it("has the layout of the specification's example", () => {
    const expected = "02000000 0100000001000000 0200000000000000 61003100 62630000";
    assert.deepEqual(
      pairsBlock([
        ["a", "1"],
        ["bc", ""],
      ]),
      block(expected),
    );
  });

  it("gives back any pairs it encoded, duplicates and binary values included", () => {
    fc.assert(
      fc.property(anyPairs, (pairs) => {
        assert.deepEqual(decodePairs(pairsBlock(pairs)), { ok: true, pairs });
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it("reads no bytes and a zero count both as empty", () => {
    assert.deepEqual(decodePairs(new Uint8Array(0)), { ok: true, pairs: [] });
    assert.deepEqual(decodePairs(block("00000000")), { ok: true, pairs: [] });
  });

  it("tells each kind of malformed block from an empty one", () => {
    const good = pairsBlock([["a", "1"]]);
    assert.equal(problemOf(good.subarray(0, good.length - 1)), "truncated");
    assert.equal(problemOf(block("0000")), "truncated");
    assert.equal(problemOf(new Uint8Array([...good, 0])), "trailingBytes");
    assert.equal(problemOf(block("01000000 0100000001000000 61 01 31 00")), "unterminated");
    assert.equal(problemOf(block("01000000 ffffffffffffffff 61 00 31 00")), "truncated");
    assert.equal(problemOf(block("ffffffff")), "tooMany");
  });

  it("takes 1024 pairs and refuses 1025", () => {
    const pairs = Array.from({ length: LIMITS.pairsCount + 1 }, (): [string, string] => ["", ""]);
    assert.equal(problemOf(pairsBlock(pairs)), "tooMany");
    assert.equal(problemOf(pairsBlock(pairs.slice(1))), "ok");
  });

  it("refuses a block above the byte limit", () => {
    assert.equal(problemOf(pairsBlock([["a", "x".repeat(LIMITS.pairsBytes)]])), "tooLarge");
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decoded = decodePairs(bytes);
        if (decoded.ok && bytes.length > 0) {
          assert.deepEqual(pairsBlock(decoded.pairs), new Uint8Array(bytes));
        }
      }),
      { seed: 11, numRuns: 2000 },
    );
  });

  it("survives one changed byte in a good block", () => {
    const good = pairsBlock([
      ["name", "value"],
      ["b", "2"],
    ]);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const changed = new Uint8Array(good);
        changed[at] = byte;
        const decoded = decodePairs(changed);
        if (decoded.ok) assert.deepEqual(pairsBlock(decoded.pairs), changed);
      }),
      { seed: 13, numRuns: 2000 },
    );
  });
});
