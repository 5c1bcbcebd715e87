import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, type Phase, ROOT_PHASES } from "./guest.ts";
import { defined, hostValue, UNKNOWN_METRIC } from "./metrics.ts";

const record =
  (kind: number, ...values: readonly bigint[]) =>
  (guest: Guest): readonly [readonly number[], bigint] => {
    const id = defined(guest, kind);
    const statuses = values.map((value) => guest.call("proxy_record_metric", id, value));
    return [statuses, hostValue(guest)];
  };

describe("proxy_record_metric works", () => {
  it("adds to a counter", () => {
    assert.deepEqual(inPhase("tick", record(0, 2n, 3n)), [[0, 0], 5n]);
  });

  it("sets a gauge", () => {
    assert.deepEqual(inPhase("tick", record(1, 7n, 3n)), [[0, 0], 3n]);
  });

  it("lets a histogram observe", () => {
    const seen: bigint[] = [];
    const statuses = inPhase("tick", (guest) => {
      guest.thread.metrics.observe = (_, value) => seen.push(value);
      return record(2, 10n, 20n)(guest)[0];
    });
    assert.deepEqual(statuses, [0, 0]);
    assert.deepEqual(seen, [10n, 20n]);
  });
});

describe("proxy_record_metric misuse", () => {
  it("answers NotFound for an id that this VM has not defined", () => {
    const call = (guest: Guest): number => guest.call("proxy_record_metric", UNKNOWN_METRIC, 1n);
    assert.equal(inPhase("tick", call), 1);
  });
});

describe("proxy_record_metric in every phase", () => {
  const phases: readonly Phase[] = [...ROOT_PHASES, "proxy_on_request_headers", ...ENDED_PHASES];
  for (const phase of phases) {
    it(`records in ${phase}`, () => {
      assert.deepEqual(inPhase(phase, record(1, 2n)), [[0], 2n]);
    });
  }
});

describe("proxy_record_metric edges", () => {
  it("reads the value as unsigned", () => {
    assert.deepEqual(inPhase("tick", record(1, -1n)), [[0], 2n ** 64n - 1n]);
  });

  it("records 0", () => {
    assert.deepEqual(inPhase("tick", record(1, 7n, 0n)), [[0, 0], 0n]);
  });
});
