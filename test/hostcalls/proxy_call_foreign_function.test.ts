import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

const NAME = "clear_route_cache";
const call =
  (name: string) =>
  (guest: Guest): number =>
    guest.call("proxy_call_foreign_function", ...guest.put(name), 0, 0, 0, 0);

describe("proxy_call_foreign_function works", () => {
  it("drops the route of the stream by clear_route_cache", () => {
    const stream = new FakeStream();
    assert.equal(inPhase("proxy_on_request_headers", call(NAME), { stream }), 0);
    assert.deepEqual(stream.calls, ["clearRouteCache"]);
  });

  it("writes pointer 0 and length 0 for an empty result to a guest that asks for it", () => {
    const result = inPhase("proxy_on_request_headers", (guest) =>
      guest.fetch("proxy_call_foreign_function", ...guest.put(NAME), 0, 0),
    );
    assert.deepEqual(result, { status: 0, ptr: 0, len: 0, text: "" });
  });
});

describe("proxy_call_foreign_function misuse", () => {
  it("answers NotFound for a name that does not exist", () => {
    for (const name of ["nonsense", "", "toString", "Clear_Route_Cache"]) {
      assert.equal(inPhase("proxy_on_request_headers", call(name)), 1, name);
    }
  });

  it("answers InvalidMemoryAccess for a name or arguments outside the memory", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => [
      guest.call("proxy_call_foreign_function", ...OUTSIDE, 0, 0, 0, 0),
      guest.call("proxy_call_foreign_function", ...guest.put(NAME), ...OUTSIDE, 0, 0),
    ]);
    assert.deepEqual(got, [6, 6]);
  });
});

describe("proxy_call_foreign_function in the wrong phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`says OK and does nothing in ${phase}`, () => {
      const stream = new FakeStream();
      assert.equal(inPhase(phase, call(NAME), { stream }), 0);
      assert.deepEqual(stream.calls, []);
    });
  }
});

describe("proxy_call_foreign_function edges", () => {
  it("gives only the out-parameters that the guest wants", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => {
      const args = [...guest.put("compress"), ...guest.put("aaaa")] as const;
      const [ptrPtr, lenPtr] = [guest.out(), guest.out()];
      const statuses = [
        guest.call("proxy_call_foreign_function", ...args, 0, 0),
        guest.call("proxy_call_foreign_function", ...args, 0, lenPtr),
      ];
      const allocated = guest.allocations.length;
      statuses.push(guest.call("proxy_call_foreign_function", ...args, ptrPtr, 0));
      const isGiven = guest.u32(ptrPtr) > 0 && !guest.isUntouched(ptrPtr);
      return { statuses, length: guest.u32(lenPtr), allocated, isGiven };
    });
    assert.deepEqual(got, { statuses: [0, 0, 0], length: 12, allocated: 0, isGiven: true });
  });

  it("answers InvalidMemoryAccess for out-parameters outside the memory", () => {
    const statuses = inPhase("proxy_on_request_headers", (guest) => {
      const args = [...guest.put("compress"), ...guest.put("aaaa")] as const;
      const place = guest.out();
      return [
        guest.call("proxy_call_foreign_function", ...args, OUTSIDE_PTR, 0),
        guest.call("proxy_call_foreign_function", ...args, 0, OUTSIDE_PTR),
        guest.call("proxy_call_foreign_function", ...args, place, OUTSIDE_PTR),
        guest.call("proxy_call_foreign_function", ...args, OUTSIDE_PTR, place),
        guest.allocations.length,
      ];
    });
    assert.deepEqual(statuses, [6, 6, 6, 6, 0]);
  });

  it("takes arguments that the function does not read", () => {
    const status = inPhase("proxy_on_request_headers", (guest) =>
      guest.call("proxy_call_foreign_function", ...guest.put(NAME), ...guest.put("x"), 0, 0),
    );
    assert.equal(status, 0);
  });
});
