import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, type Guest, inPhase, ROOT_PHASES } from "./guest.ts";

const clear = (guest: Guest): number => guest.call("proxy_clear_route_cache");

describe("proxy_clear_route_cache works", () => {
  it("drops the route of the stream after the guest has returned", () => {
    const stream = new FakeStream();
    inPhase(
      "proxy_on_request_headers",
      (guest) => {
        assert.equal(clear(guest), 0);
        assert.deepEqual(stream.calls, []);
      },
      { options: { abi: "0_1_0" }, stream },
    );
    assert.deepEqual(stream.calls, ["clearRouteCache"]);
  });
});

describe("proxy_clear_route_cache misuse", () => {
  it("says OK again and again", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => [clear(guest), clear(guest)]);
    assert.deepEqual(got, [0, 0]);
  });
});

describe("proxy_clear_route_cache in the wrong phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`says OK and does nothing in ${phase}`, () => {
      const stream = new FakeStream();
      assert.equal(inPhase(phase, clear, { stream }), 0);
      assert.deepEqual(stream.calls, []);
    });
  }
});

describe("proxy_clear_route_cache edges", () => {
  it("acts on the stream that the guest has made effective", () => {
    const stream = new FakeStream();
    inPhase(
      "proxy_on_request_headers",
      (guest) => {
        guest.on("tick", (inner) => {
          const id = inner.vm.contexts.streams()[0]?.id ?? 0;
          assert.equal(inner.call("proxy_set_effective_context", id), 0);
          assert.equal(clear(inner), 0);
          return undefined;
        });
        guest.call("proxy_set_tick_period_milliseconds", 5);
        return guest;
      },
      { stream },
    ).thread.timers.advance(5);
    assert.deepEqual(stream.calls, ["clearRouteCache"]);
  });
});
