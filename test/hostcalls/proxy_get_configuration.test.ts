import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Guest, inPhase, OUTSIDE_PTR } from "./guest.ts";

const setting = { options: { abi: "0_1_0" } };
const read = (guest: Guest) => guest.fetch("proxy_get_configuration");

describe("proxy_get_configuration works", () => {
  it("gives the plugin's configuration in proxy_on_configure", () => {
    const got = inPhase("proxy_on_configure", read, setting);
    assert.deepEqual([got.status, got.text], [0, "plugin config"]);
  });

  it("gives the VM's configuration in proxy_on_vm_start", () => {
    const got = inPhase("proxy_on_vm_start", read, setting);
    assert.deepEqual([got.status, got.text], [0, "vm config"]);
  });
});

describe("proxy_get_configuration misuse", () => {
  it("answers InvalidMemoryAccess for out-parameters outside the memory", () => {
    const got = inPhase(
      "proxy_on_configure",
      (guest) => [
        guest.call("proxy_get_configuration", OUTSIDE_PTR, guest.out()),
        guest.call("proxy_get_configuration", guest.out(), OUTSIDE_PTR),
        guest.allocations.length,
      ],
      setting,
    );
    assert.deepEqual(got, [6, 6, 0]);
  });
});

describe("proxy_get_configuration in other phases", () => {
  for (const phase of ["startUp", "tick", "proxy_on_request_headers"] as const) {
    it(`answers OK in ${phase}`, () => {
      assert.equal(inPhase(phase, read, setting).status, 0);
    });
  }
});

describe("proxy_get_configuration edges", () => {
  it("gives pointer 0 and length 0 for an empty configuration, without an allocation", () => {
    const options = { abi: "0_1_0", config: { configuration: new Uint8Array() } };
    const got = inPhase(
      "proxy_on_configure",
      (guest) => ({ ...read(guest), allocations: guest.allocations.length }),
      { options },
    );
    assert.deepEqual(got, { status: 0, ptr: 0, len: 0, text: "", allocations: 0 });
  });
});
