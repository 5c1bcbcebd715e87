import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CLIENT_STATES, nextClientState } from "../../../src/upstream/client-states.ts";
import {
  EXCHANGE_STATES,
  type ExchangeState,
  nextExchangeState,
} from "../../../src/upstream/exchange-states.ts";

describe("upstream state tables", () => {
  test("every state that is reached exists, and every state but the first is reached", () => {
    for (const table of [EXCHANGE_STATES, CLIENT_STATES]) {
      const targets = new Set(Object.values(table).flatMap((row) => Object.values(row)));
      const [, ...others] = Object.keys(table);
      for (const target of targets) assert.ok(target in table, target);
      for (const state of others) assert.ok(targets.has(state as never), state);
    }
  });

  test("every exchange state but the last can fail and be cancelled", () => {
    for (const state of Object.keys(EXCHANGE_STATES) as ExchangeState[]) {
      if (state === "ended") continue;
      assert.equal(nextExchangeState(state, "fail"), "ended");
      assert.equal(nextExchangeState(state, "cancel"), "ended");
    }
  });

  test("a pair that the table does not have is a programmer error", () => {
    assert.throws(() => nextExchangeState("ended", "head"), /does not know/);
    assert.throws(() => nextExchangeState("queued", "responseHead"), /does not know/);
    assert.throws(() => nextClientState("idle", "free"), /does not know/);
  });
});
