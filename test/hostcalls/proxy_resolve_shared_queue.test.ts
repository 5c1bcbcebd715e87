import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";
import { register, resolve } from "./queues.ts";

const PHASE = "proxy_on_request_headers";

/** Registers a queue as a VM with another vm_id would. */
function elsewhere(guest: Guest, vmId: string, name: string): number {
  const listener = { onQueueReady: () => undefined };
  return guest.thread.shared.queues.register(Buffer.from(vmId), Buffer.from(name), listener);
}

describe("proxy_resolve_shared_queue works", () => {
  it("finds a queue by vm_id and name; an empty vm_id is the VM's own", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      elsewhere(guest, "other", "q");
      return ["", guest.config.vm.vmId, "other"].map((vmId) => resolve(guest, vmId, "q"));
    });
    assert.deepEqual(got, [
      [0, 1],
      [0, 1],
      [0, 2],
    ]);
  });

  it("answers NotFound for what nobody registered, and leaves the out-parameter alone", () => {
    const got = inPhase(PHASE, (guest) => {
      elsewhere(guest, "other", "q");
      return [resolve(guest, "", "q"), resolve(guest, "other", "p"), resolve(guest, "", "")];
    });
    assert.deepEqual(got, [
      [1, null],
      [1, null],
      [1, null],
    ]);
  });
});

describe("proxy_resolve_shared_queue misuse", () => {
  it("answers InvalidMemoryAccess for anything outside the memory", () => {
    const got = inPhase(PHASE, (guest) => {
      register(guest, "q");
      const [vmId, name] = [guest.put(""), guest.put("q")];
      return [
        guest.call("proxy_resolve_shared_queue", ...OUTSIDE, ...name, guest.out()),
        guest.call("proxy_resolve_shared_queue", ...vmId, ...OUTSIDE, guest.out()),
        guest.call("proxy_resolve_shared_queue", ...vmId, ...name, OUTSIDE_PTR),
      ];
    });
    assert.deepEqual(got, [6, 6, 6]);
  });
});

describe("proxy_resolve_shared_queue in every phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`finds in ${phase}`, () => {
      const got = inPhase(phase, (guest) => {
        elsewhere(guest, "other", "q");
        return resolve(guest, "other", "q");
      });
      assert.deepEqual(got, [0, 1]);
    });
  }
});
