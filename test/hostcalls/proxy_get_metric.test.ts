import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ENDED_PHASES,
  type Guest,
  inPhase,
  OUTSIDE_PTR,
  type Phase,
  ROOT_PHASES,
} from "./guest.ts";
import { defined, UNKNOWN_METRIC } from "./metrics.ts";

const get =
  (kind: number, host = 0n) =>
  (guest: Guest): readonly [number, bigint] => {
    const id = defined(guest, kind);
    guest.thread.metrics.set(0, host);
    const ptr = guest.out();
    return [guest.call("proxy_get_metric", id, ptr), guest.u64(ptr)];
  };

describe("proxy_get_metric works", () => {
  it("gives the value that the host has for a counter or a gauge", () => {
    assert.deepEqual(inPhase("tick", get(0, 42n)), [0, 42n]);
    assert.deepEqual(inPhase("tick", get(1, 7n)), [0, 7n]);
  });

  it("gives values beyond 32 bits", () => {
    assert.deepEqual(inPhase("tick", get(0, 2n ** 63n)), [0, 2n ** 63n]);
  });
});

describe("proxy_get_metric misuse", () => {
  it("answers BadArgument for a histogram", () => {
    assert.equal(inPhase("tick", get(2))[0], 2);
  });

  it("answers NotFound for an id that this VM has not defined", () => {
    const call = (guest: Guest): number =>
      guest.call("proxy_get_metric", UNKNOWN_METRIC, guest.out());
    assert.equal(inPhase("tick", call), 1);
  });

  it("answers InvalidMemoryAccess when 8 bytes do not fit", () => {
    const call = (guest: Guest): number =>
      guest.call("proxy_get_metric", defined(guest, 0), OUTSIDE_PTR - 2);
    assert.equal(inPhase("tick", call), 6);
  });
});

describe("proxy_get_metric in every phase", () => {
  const phases: readonly Phase[] = [...ROOT_PHASES, "proxy_on_request_headers", ...ENDED_PHASES];
  for (const phase of phases) {
    it(`reads in ${phase}`, () => {
      assert.deepEqual(inPhase(phase, get(0, 5n)), [0, 5n]);
    });
  }
});

describe("proxy_get_metric edges", () => {
  it("gives 0 for a metric that was never touched", () => {
    assert.deepEqual(inPhase("tick", get(0)), [0, 0n]);
  });
});
