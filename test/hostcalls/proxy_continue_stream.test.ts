import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, Guest, inPhase, ROOT_PHASES } from "./guest.ts";

const resume =
  (type: number) =>
  (guest: Guest): number =>
    guest.call("proxy_continue_stream", type);

/** A stream held in request headers by a guest that resumes `type` from its next tick. */
function heldThenTick(type: number): { readonly guest: Guest; readonly stream: FakeStream } {
  const stream = new FakeStream();
  let id = 0;
  const guest = new Guest()
    .on("proxy_on_request_headers", (_, [context]) => {
      id = context ?? 0;
      return 1;
    })
    .on("tick", (inner) => {
      assert.equal(inner.call("proxy_set_effective_context", id), 0);
      assert.equal(resume(type)(inner), 0);
      assert.deepEqual(stream.calls, [], "nothing happens while the guest runs");
      return undefined;
    })
    .start();
  assert.equal(guest.open(stream).onRequestHeaders(1, false), 4);
  guest.root.setTick(10);
  return { guest, stream };
}

describe("proxy_continue_stream works", () => {
  it("resumes the request after the callback that asks for it has returned", () => {
    const { guest, stream } = heldThenTick(0);
    guest.thread.timers.advance(10);
    assert.deepEqual(stream.calls, ["continueRequest"]);
  });

  it("resumes the response", () => {
    const { guest, stream } = heldThenTick(1);
    guest.thread.timers.advance(10);
    assert.deepEqual(stream.calls, ["continueResponse"]);
  });

  it("makes a Pause of the same callback a Continue", () => {
    for (const [type, status] of [
      [0, 0],
      [1, 4],
    ] as const) {
      const guest = new Guest()
        .on("proxy_on_request_headers", (inner) => {
          resume(type)(inner);
          return 1;
        })
        .start();
      assert.equal(guest.open().onRequestHeaders(1, false), status);
    }
  });
});

describe("proxy_continue_stream misuse", () => {
  it("answers BadArgument for a stream type that does not exist", () => {
    for (const type of [4, -1]) assert.equal(inPhase("proxy_on_request_headers", resume(type)), 2);
  });

  it("says OK and does nothing for the TCP types on an HTTP stream", () => {
    for (const type of [2, 3]) {
      const stream = new FakeStream();
      assert.equal(inPhase("proxy_on_request_headers", resume(type), { stream }), 0);
      assert.deepEqual(stream.calls, []);
    }
  });

  it("says OK for a stream that is not held", () => {
    assert.equal(inPhase("proxy_on_request_headers", resume(0)), 0);
  });
});

describe("proxy_continue_stream in the wrong phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`says OK and does nothing in ${phase}`, () => {
      const stream = new FakeStream();
      assert.equal(inPhase(phase, resume(0), { stream }), 0);
      assert.deepEqual(stream.calls, []);
    });
  }
});

describe("proxy_continue_stream edges", () => {
  it("does nothing for a stream that is gone", () => {
    const { guest, stream } = heldThenTick(0);
    const context = guest.vm.contexts.streams()[0];
    context?.onDestroy();
    guest.on("tick", (inner) => {
      assert.equal(inner.call("proxy_set_effective_context", context?.id ?? 0), 2);
      assert.equal(resume(0)(inner), 0);
      return undefined;
    });
    guest.thread.timers.advance(10);
    assert.deepEqual(stream.calls, []);
  });

  it("takes back what a callback asked for that traps afterwards", () => {
    const { guest, stream } = heldThenTick(0);
    const id = guest.vm.contexts.streams()[0]?.id ?? 0;
    guest.on("tick", (inner) => {
      assert.equal(inner.call("proxy_set_effective_context", id), 0);
      resume(0)(inner);
      throw new Error("trap");
    });
    guest.thread.timers.advance(10);
    assert.ok(!stream.calls.includes("continueRequest"));
  });
});
