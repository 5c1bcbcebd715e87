import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../src/base/limits.ts";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";

const PHASE = "proxy_on_request_headers";

const set = (guest: Guest, key: string, value: string | Uint8Array, cas = 0): number =>
  guest.call("proxy_set_shared_data", ...guest.put(key), ...guest.put(value), cas);

/** Value and CAS number of `key`, or the status. */
function get(guest: Guest, key: string): readonly [string | null, number] | number {
  const [ptrPtr, lenPtr, casPtr] = [guest.out(), guest.out(), guest.out()];
  const slice = guest.put(key);
  const status = guest.call("proxy_get_shared_data", ...slice, ptrPtr, lenPtr, casPtr);
  if (status !== 0) return status;
  const text = guest.vm.memory.readLatin1(guest.u32(ptrPtr), guest.u32(lenPtr));
  return [text, guest.u32(casPtr)];
}

describe("proxy_set_shared_data works", () => {
  it("stores a value that proxy_get_shared_data finds, with a CAS number of its own", () => {
    const got = inPhase(PHASE, (guest) => [
      set(guest, "a", "first"),
      get(guest, "a"),
      set(guest, "a", "second"),
      get(guest, "a"),
    ]);
    assert.deepEqual(got, [0, ["first", 1], 0, ["second", 2]]);
  });

  it("stores over the CAS number it is given, and answers CasMismatch over any other", () => {
    const got = inPhase(PHASE, (guest) => {
      set(guest, "a", "first");
      const [, cas] = get(guest, "a") as [string, number];
      return [
        set(guest, "a", "no", cas + 1),
        set(guest, "a", "second", cas),
        set(guest, "a", "late", cas),
        (get(guest, "a") as [string, number])[0],
      ];
    });
    assert.deepEqual(got, [8, 0, 8, "second"]);
  });

  it("stores an absent key whatever the CAS number is", () => {
    assert.equal(
      inPhase(PHASE, (guest) => set(guest, "new", "v", 4_711)),
      0,
    );
  });

  it("stores an empty value and an empty key", () => {
    const got = inPhase(PHASE, (guest) => [
      set(guest, "", "value of nothing"),
      set(guest, "empty", ""),
      (get(guest, "") as [string, number])[0],
      (get(guest, "empty") as [string, number])[0],
    ]);
    assert.deepEqual(got, [0, 0, "value of nothing", ""]);
  });
});

describe("proxy_set_shared_data misuse", () => {
  it("answers InvalidMemoryAccess for a key or value outside the memory, and stores nothing", () => {
    const got = inPhase(PHASE, (guest) => [
      guest.call("proxy_set_shared_data", ...OUTSIDE, ...guest.put("v"), 0),
      guest.call("proxy_set_shared_data", ...guest.put("k"), ...OUTSIDE, 0),
      get(guest, "k"),
    ]);
    assert.deepEqual(got, [6, 6, 1]);
  });

  it("answers InternalFailure over a limit, and says so once", () => {
    const got = inPhase(PHASE, (guest) => {
      guest.grow(1 + LIMITS.sharedValueBytes / 65_536);
      const huge = [0, LIMITS.sharedValueBytes + 1] as const;
      const call = (): number => guest.call("proxy_set_shared_data", ...guest.put("k"), ...huge, 0);
      const statuses = [call(), call(), get(guest, "k")];
      const lines = guest.thread.lines.filter((line) => line.includes("shared data"));
      return [statuses, lines.length];
    });
    assert.deepEqual(got, [[10, 10, 1], 1]);
  });

  it("answers InternalFailure when the memory of shared data is full", () => {
    const status = inPhase(PHASE, (guest) => {
      const value = new Uint8Array(32_000);
      const slice = guest.put(value);
      for (let i = 0; ; i++) {
        const { shared } = guest.thread;
        const key = Buffer.from(`fill ${i}`);
        if (shared.data.set(shared.spaceOf("other"), key, value, 0) !== 0) break;
      }
      return guest.call("proxy_set_shared_data", ...guest.put("k"), ...slice, 0);
    });
    assert.equal(status, 10);
  });
});

describe("proxy_set_shared_data in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`stores in ${phase}`, () => {
      const got = inPhase(phase, (guest) => [
        set(guest, "k", "v"),
        (get(guest, "k") as [string, number])[0],
      ]);
      assert.deepEqual(got, [0, "v"]);
    });
  }
});

describe("proxy_set_shared_data edges", () => {
  it("keeps the namespaces of two vm_id apart, and gives one to two VMs with the same", () => {
    const got = inPhase(PHASE, (guest) => {
      set(guest, "k", "mine");
      const { data } = guest.thread.shared;
      const space = guest.thread.shared.spaceOf(guest.config.vm.vmId);
      return [
        data.get(space, Buffer.from("k")),
        data.get(guest.thread.shared.spaceOf("other"), Buffer.from("k")),
      ];
    });
    assert.deepEqual(got, [0, 1]);
  });

  it("keeps a copy: the guest may reuse its memory", () => {
    const got = inPhase(PHASE, (guest) => {
      const slice = guest.put("value");
      guest.call("proxy_set_shared_data", ...guest.put("k"), ...slice, 0);
      guest.vm.memory.writeLatin1(slice[0], "XXXXX");
      return (get(guest, "k") as [string, number])[0];
    });
    assert.equal(got, "value");
  });
});
