import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FdLedger } from "../../../src/main/fd-ledger.ts";

describe("descriptor ledger", () => {
  it("gives back what the silo never took, in order", () => {
    let adopted = 0;
    const ledger = new FdLedger(() => adopted);
    for (const fd of [11, 12, 13]) ledger.record({ listener: 0, fd });
    adopted = 1;
    assert.deepEqual(
      ledger.reclaim().map(({ fd }) => fd),
      [12, 13],
    );
    assert.deepEqual(ledger.reclaim(), []);
  });

  it("forgets adopted connections as new ones are sent", () => {
    let adopted = 0;
    const ledger = new FdLedger(() => adopted);
    ledger.record({ listener: 0, fd: 11 });
    adopted = 1;
    ledger.record({ listener: 1, fd: 12 });
    assert.equal(ledger.pendingCount, 1);
    assert.deepEqual(ledger.reclaim(), [{ listener: 1, fd: 12 }]);
  });

  it("counts on over the wrap of the 32-bit counter", () => {
    let adopted = 0x7fffffff;
    const ledger = new FdLedger(() => adopted);
    ledger.record({ listener: 0, fd: 1 });
    ledger.record({ listener: 0, fd: 2 });
    adopted = (adopted + 1) | 0;
    assert.deepEqual(
      ledger.reclaim().map(({ fd }) => fd),
      [2],
    );
  });

  it("owns every descriptor exactly once, whatever the order of sends and adoptions", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (steps) => {
        let adopted = 0;
        let sent = 0;
        const ledger = new FdLedger(() => adopted);
        for (const send of steps) {
          if (send) ledger.record({ listener: 0, fd: sent++ });
          else if (adopted < sent) adopted++;
        }
        const mine = ledger.reclaim().map(({ fd }) => fd);
        const expected = Array.from({ length: sent - adopted }, (_, index) => adopted + index);
        assert.deepEqual(mine, expected);
      }),
      { seed: 20261123, numRuns: 200 },
    );
  });
});
