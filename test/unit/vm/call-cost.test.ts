/** What a plugin costs: samples stand for all calls, the rest of suspended calls for itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLBACK_NAMES } from "../../../src/abi/callback-table.ts";
import { CallCost } from "../../../src/vm/call-cost.ts";

const TICK = CALLBACK_NAMES.indexOf("proxy_on_tick");

test("a sample stands for all calls; what a suspended call took later is added as it is", () => {
  const cost = new CallCost();
  let samples = 0;
  for (let call = 0; call < 122; call++) {
    if (!cost.begin(TICK)) continue;
    samples++;
    cost.measured(TICK, 1_000);
  }
  assert.equal(samples, 2);
  cost.wentOn(TICK, 500_000);
  const expected = { callback: "proxy_on_tick", calls: 122, timeUs: 122 + 500 } as const;
  assert.deepEqual(cost.byCallback(), [expected]);
  const sum = new CallCost();
  sum.absorb(cost);
  sum.absorb(cost);
  assert.deepEqual(sum.byCallback(), [{ ...expected, calls: 244, timeUs: 1_244 }]);
});
