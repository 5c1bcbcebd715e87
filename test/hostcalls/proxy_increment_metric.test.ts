import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, type Phase, ROOT_PHASES } from "./guest.ts";
import { defined, hostValue, UNKNOWN_METRIC } from "./metrics.ts";

/** [statuses, value] after adding `offsets` to a metric of `kind`. */
const add =
  (kind: number, ...offsets: readonly bigint[]) =>
  (guest: Guest): readonly [readonly number[], bigint] => {
    const id = defined(guest, kind);
    const statuses = offsets.map((offset) => guest.call("proxy_increment_metric", id, offset));
    return [statuses, hostValue(guest)];
  };

describe("proxy_increment_metric works", () => {
  it("adds to a counter", () => {
    assert.deepEqual(inPhase("tick", add(0, 1n, 41n)), [[0, 0], 42n]);
  });

  it("adds to and takes from a gauge", () => {
    assert.deepEqual(inPhase("tick", add(1, 5n, -2n, 0n)), [[0, 0, 0], 3n]);
  });

  it("takes offsets beyond 32 bits", () => {
    assert.deepEqual(inPhase("tick", add(0, 2n ** 40n)), [[0], 2n ** 40n]);
  });
});

describe("proxy_increment_metric misuse", () => {
  it("answers BadArgument for a counter that would not grow", () => {
    assert.deepEqual(inPhase("tick", add(0, 0n, -1n)), [[2, 2], 0n]);
  });

  it("answers BadArgument for a histogram", () => {
    assert.deepEqual(inPhase("tick", add(2, 1n))[0], [2]);
  });

  it("answers NotFound for an id that this VM has not defined", () => {
    const call = (guest: Guest): number => guest.call("proxy_increment_metric", UNKNOWN_METRIC, 1n);
    assert.equal(inPhase("tick", call), 1);
  });
});

describe("proxy_increment_metric in every phase", () => {
  const phases: readonly Phase[] = [...ROOT_PHASES, "proxy_on_request_headers", ...ENDED_PHASES];
  for (const phase of phases) {
    it(`adds in ${phase}`, () => {
      assert.deepEqual(inPhase(phase, add(0, 2n)), [[0], 2n]);
    });
  }
});

describe("proxy_increment_metric edges", () => {
  it("knows no id of another VM", () => {
    const id = inPhase("tick", (guest) => defined(guest, 0));
    const call = (guest: Guest): number => guest.call("proxy_increment_metric", id, 1n);
    assert.equal(inPhase("tick", call), 1);
  });
});
