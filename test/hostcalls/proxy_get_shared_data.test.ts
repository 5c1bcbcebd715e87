import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

const PHASE = "proxy_on_request_headers";

/** Puts a value where the guest's VM finds it, as another thread would. */
function store(guest: Guest, key: string, value: string): number {
  const { shared } = guest.thread;
  const space = shared.spaceOf(guest.config.vm.vmId);
  shared.data.set(space, Buffer.from(key, "latin1"), Buffer.from(value, "latin1"), 0);
  return shared.data.cas;
}

describe("proxy_get_shared_data works", () => {
  it("gives value and CAS number of what another VM of the same vm_id stored", () => {
    const got = inPhase(PHASE, (guest) => {
      const cas = store(guest, "k\0\xff", "bytes \0\x80\xff");
      const [ptrPtr, lenPtr, casPtr] = [guest.out(), guest.out(), guest.out()];
      const key = guest.put("k\0\xff");
      const status = guest.call("proxy_get_shared_data", ...key, ptrPtr, lenPtr, casPtr);
      const text = guest.vm.memory.readLatin1(guest.u32(ptrPtr), guest.u32(lenPtr));
      return [status, text, guest.u32(casPtr) === cas];
    });
    assert.deepEqual(got, [0, "bytes \0\x80\xff", true]);
  });

  it("gives pointer 0 and length 0 with a good CAS number for an empty value", () => {
    const got = inPhase(PHASE, (guest) => {
      store(guest, "k", "");
      const [ptrPtr, lenPtr, casPtr] = [guest.out(), guest.out(), guest.out()];
      const status = guest.call("proxy_get_shared_data", ...guest.put("k"), ptrPtr, lenPtr, casPtr);
      return [status, guest.u32(ptrPtr), guest.u32(lenPtr), guest.u32(casPtr) > 0];
    });
    assert.deepEqual(got, [0, 0, 0, true]);
  });

  it("answers NotFound for a key that nobody set, and leaves the out-parameters alone", () => {
    const got = inPhase(PHASE, (guest) => {
      const outs = [guest.out(), guest.out(), guest.out()] as const;
      const status = guest.call("proxy_get_shared_data", ...guest.put("none"), ...outs);
      return [status, ...outs.map((ptr) => guest.isUntouched(ptr))];
    });
    assert.deepEqual(got, [1, true, true, true]);
  });

  it("gives large values whole", () => {
    const value = "0123456789".repeat(9_000);
    const got = inPhase(PHASE, (guest) => {
      store(guest, "large", value);
      const [ptrPtr, lenPtr, casPtr] = [guest.out(), guest.out(), guest.out()];
      guest.call("proxy_get_shared_data", ...guest.put("large"), ptrPtr, lenPtr, casPtr);
      return guest.vm.memory.readLatin1(guest.u32(ptrPtr), guest.u32(lenPtr));
    });
    assert.equal(got, value);
  });
});

describe("proxy_get_shared_data misuse", () => {
  it("answers InvalidMemoryAccess for a key or an out-parameter outside the memory", () => {
    const got = inPhase(PHASE, (guest) => {
      store(guest, "k", "value");
      const out = guest.out();
      const call = (...outs: readonly [number, number, number]): number =>
        guest.call("proxy_get_shared_data", ...guest.put("k"), ...outs);
      return [
        guest.call("proxy_get_shared_data", ...OUTSIDE, out, out, out),
        call(OUTSIDE_PTR, out, out),
        call(out, OUTSIDE_PTR, out),
        call(out, out, OUTSIDE_PTR),
        guest.allocations.length,
      ];
    });
    assert.deepEqual(got, [6, 6, 6, 6, 0]);
  });

  it("answers InvalidMemoryAccess when the guest has no memory for the value", () => {
    const status = inPhase(PHASE, (guest) => {
      store(guest, "k", "value");
      guest.allocate = () => 0;
      const outs = [guest.out(), guest.out(), guest.out()] as const;
      return guest.call("proxy_get_shared_data", ...guest.put("k"), ...outs);
    });
    assert.equal(status, 6);
  });
});

describe("proxy_get_shared_data in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`finds in ${phase}`, () => {
      const got = inPhase(phase, (guest) => {
        store(guest, "k", "value");
        const outs = [guest.out(), guest.out(), guest.out()] as const;
        return guest.call("proxy_get_shared_data", ...guest.put("k"), ...outs);
      });
      assert.equal(got, 0);
    });
  }
});

describe("proxy_get_shared_data edges", () => {
  it("answers NotFound for a value whose time is over", () => {
    const got = inPhase(PHASE, (guest) => {
      store(guest, "k", "value");
      const { shared, clock } = guest.thread;
      shared.data.expire(shared.spaceOf(guest.config.vm.vmId), Buffer.from("k"), 50);
      const outs = [guest.out(), guest.out(), guest.out()] as const;
      const call = (): number => guest.call("proxy_get_shared_data", ...guest.put("k"), ...outs);
      const before = call();
      clock.advance(50);
      return [before, call()];
    });
    assert.deepEqual(got, [0, 1]);
  });

  it("gives a whole value though the allocator asks for another meanwhile", () => {
    const got = inPhase(PHASE, (guest) => {
      store(guest, "k", "outer value");
      store(guest, "other", "");
      const allocate = guest.allocate;
      guest.allocate = (size) => {
        const outs = [guest.out(), guest.out(), guest.out()] as const;
        guest.call("proxy_get_shared_data", ...guest.put("other"), ...outs);
        return allocate(size);
      };
      const [ptrPtr, lenPtr, casPtr] = [guest.out(), guest.out(), guest.out()];
      guest.call("proxy_get_shared_data", ...guest.put("k"), ptrPtr, lenPtr, casPtr);
      return guest.vm.memory.readLatin1(guest.u32(ptrPtr), guest.u32(lenPtr));
    });
    assert.equal(got, "outer value");
  });
});
