import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Caller } from "./callout-args.ts";
import { type Guest, inPhase, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

/** Code and message. */
function status(guest: Guest): readonly [number, string | null] {
  const code = guest.out();
  const { status: own, text } = guest.fetch("proxy_get_status", code);
  assert.equal(own, 0);
  return [guest.u32(code), text];
}

describe("proxy_get_status works", () => {
  it("tells how the callout failed whose callback is running", () => {
    const caller = new Caller();
    caller.call();
    let seen: unknown = null;
    caller.guest.on("proxy_on_http_call_response", (guest) => {
      seen = status(guest);
      return undefined;
    });
    caller.events().onHttpFailure();
    assert.deepEqual(seen, [11, "reset"]);
  });

  it("keeps the code afterwards, and forgets the message", () => {
    const caller = new Caller();
    caller.call();
    caller.events().onHttpFailure();
    let seen: unknown = null;
    caller.inTick((guest) => {
      seen = status(guest);
    });
    assert.deepEqual(seen, [11, ""]);
  });
});

describe("proxy_get_status misuse", () => {
  it("answers InvalidMemoryAccess when a result cannot be written", () => {
    const call = (guest: Guest): readonly number[] => [
      guest.call("proxy_get_status", OUTSIDE_PTR, guest.out(), guest.out()),
      guest.call("proxy_get_status", guest.out(), OUTSIDE_PTR, guest.out()),
      guest.call("proxy_get_status", guest.out(), guest.out(), OUTSIDE_PTR),
    ];
    assert.deepEqual(inPhase("proxy_on_request_headers", call), [6, 6, 6]);
  });
});

describe("proxy_get_status in the wrong phase", () => {
  it("tells of nothing where no callout has failed", () => {
    for (const phase of ROOT_PHASES) assert.deepEqual(inPhase(phase, status), [0, ""], phase);
    assert.deepEqual(inPhase("proxy_on_log", status), [0, ""]);
  });
});

describe("proxy_get_status edges", () => {
  it("is the plugin's own: a stream sees what its root saw", () => {
    const caller = new Caller();
    caller.call();
    caller.events().onHttpFailure();
    let seen: unknown = null;
    caller.guest.on("proxy_on_request_headers", (guest) => {
      seen = status(guest);
      return 0;
    });
    caller.guest.open().onRequestHeaders(1, true);
    assert.deepEqual(seen, [11, ""]);
  });
});
