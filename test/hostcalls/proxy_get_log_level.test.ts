import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, inPhase, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

function levelOf(threshold: number): readonly [number, number | null] {
  return inPhase("tick", (guest) => {
    guest.thread.level = threshold;
    return guest.fetchU32("proxy_get_log_level");
  });
}

describe("proxy_get_log_level works", () => {
  it("gives the threshold of the host in the guest's numbers", () => {
    for (let level = 0; level <= 5; level++) assert.deepEqual(levelOf(level), [0, level]);
  });
});

describe("proxy_get_log_level misuse", () => {
  it("answers InvalidMemoryAccess for a pointer outside the memory", () => {
    const status = inPhase("tick", (guest) => guest.call("proxy_get_log_level", OUTSIDE_PTR));
    assert.equal(status, 6);
  });
});

describe("proxy_get_log_level in every phase", () => {
  for (const phase of [...ROOT_PHASES, "proxy_on_request_headers" as const, ...ENDED_PHASES]) {
    it(`answers in ${phase}`, () => {
      assert.deepEqual(
        inPhase(phase, (guest) => guest.fetchU32("proxy_get_log_level")),
        [0, 0],
      );
    });
  }
});

describe("proxy_get_log_level edges", () => {
  it("says critical when logging is off, because guests know no such level", () => {
    assert.deepEqual(levelOf(6), [0, 5]);
  });

  it("is served whatever version the module declares", () => {
    const setting = { options: { abi: "0_1_0" } };
    const got = inPhase("tick", (guest) => guest.fetchU32("proxy_get_log_level"), setting);
    assert.deepEqual(got, [0, 0]);
  });
});
