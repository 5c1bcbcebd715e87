import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

function time(guest: Guest): readonly [number, bigint] {
  const ptr = guest.out();
  const status = guest.call("proxy_get_current_time_nanoseconds", ptr);
  return [status, guest.u64(ptr)];
}

describe("proxy_get_current_time_nanoseconds works", () => {
  it("gives the wall clock in nanoseconds", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => {
      guest.thread.timers.nowNs = 123_456_789n;
      return time(guest);
    });
    assert.deepEqual(got, [0, 1_700_000_000_123_456_789n]);
  });
});

describe("proxy_get_current_time_nanoseconds misuse", () => {
  it("answers InvalidMemoryAccess when 8 bytes do not fit", () => {
    const got = inPhase("tick", (guest) => [
      guest.call("proxy_get_current_time_nanoseconds", OUTSIDE_PTR - 2),
      guest.call("proxy_get_current_time_nanoseconds", -1),
    ]);
    assert.deepEqual(got, [6, 6]);
  });
});

describe("proxy_get_current_time_nanoseconds in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`answers in ${phase}`, () => {
      const [status, value] = inPhase(phase, time);
      assert.equal(status, 0);
      assert.ok(value >= 1_700_000_000_000_000_000n);
    });
  }
});

describe("proxy_get_current_time_nanoseconds edges", () => {
  it("writes to a pointer that is not aligned", () => {
    const status = inPhase("tick", (guest) => {
      const ptr = guest.out();
      return guest.call("proxy_get_current_time_nanoseconds", ptr + 3);
    });
    assert.equal(status, 0);
  });
});
