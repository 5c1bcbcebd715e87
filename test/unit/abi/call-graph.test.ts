/** Which functions pay: what repeats passes one that does, and what passes none is small. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallNode, paidBytes } from "../../../src/abi/call-graph.ts";
import { prng } from "../../harness/prng.ts";

const node = (callees: readonly number[], more: Partial<CallNode> = {}): CallNode => ({
  byteSize: 10,
  pays: false,
  paysAtCalls: false,
  callees,
  ...more,
});

const payers = (nodes: readonly CallNode[]): number[] =>
  [...paidBytes(nodes)].flatMap((bytes, index) => (bytes > 0 ? [index] : []));

describe("functions that take fuel at their entry", () => {
  it("are those with loops, and not small ones that call small ones", () => {
    assert.deepEqual(payers([node([1]), node([2], { pays: true }), node([]), node([2, 2])]), [1]);
  });

  it("are one of each circle", () => {
    assert.deepEqual(payers([node([0])]), [0]);
    assert.deepEqual(payers([node([1]), node([2]), node([0]), node([])]), [0]);
    assert.deepEqual(payers([node([1]), node([2, 2]), node([1]), node([])]), [1]);
  });

  it("are those that do much by what they call, and pay for that", () => {
    // Each calls the next twice: 10, 30, 70, 150, 310, 630 bytes from the end; then it starts anew.
    const nodes = Array.from({ length: 12 }, (_, i) => node(i === 11 ? [] : [i + 1, i + 1]));
    assert.deepEqual([...paidBytes(nodes)], [630, 0, 0, 0, 0, 0, 630, 0, 0, 0, 0, 0]);
  });

  it("are large ones without calls", () => {
    assert.deepEqual(payers([node([], { byteSize: 513 }), node([], { byteSize: 512 })]), [0]);
  });

  it("are found in chains as long as a module, and whatever a call names", () => {
    const length = 200_000;
    const chain = Array.from({ length }, (_, i) => node([(i + 1) % length]));
    assert.ok((paidBytes(chain)[0] ?? 0) > 0);
    assert.deepEqual(payers([node([7])]), []);
  });

  it("are paid for by their callers up to their calls, where they pay before these", () => {
    const recursive = node([1, 1], { paysAtCalls: true, byteSize: 100 });
    const nodes = [node([1, 1], { byteSize: 400 }), recursive, node([1, 1, 1], { byteSize: 10 })];
    assert.deepEqual([...paidBytes(nodes)], [600, 300, 0]);
  });

  it("leave no circle and no large tree unpaid, in any graph", () => {
    const random = prng(9);
    for (let round = 0; round < 200; round++) {
      const size = 1 + Math.floor(random() * 30);
      const nodes = Array.from({ length: size }, () =>
        node(
          Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * size)),
          {
            pays: random() < 0.1,
            paysAtCalls: random() < 0.5,
            byteSize: Math.floor(random() * 100),
          },
        ),
      );
      const paid = paidBytes(nodes);
      // Work without paying, by plain recursion; a circle would not end.
      const work = (index: number, depth: number): number => {
        assert.ok(depth <= size, "a circle in which nobody pays");
        const { byteSize, callees } = nodes[index] as CallNode;
        return callees.reduce((sum, callee) => {
          if ((paid[callee] ?? 0) === 0) return sum + work(callee, depth + 1);
          const called = nodes[callee] as CallNode;
          return sum + (called.paysAtCalls ? called.byteSize : 0);
        }, byteSize);
      };
      for (let index = 0; index < size; index++) {
        const bytes = work(index, 0);
        assert.ok(bytes <= 512 || (paid[index] ?? 0) > 0, `${bytes} bytes that nobody pays for`);
      }
    }
  });
});
