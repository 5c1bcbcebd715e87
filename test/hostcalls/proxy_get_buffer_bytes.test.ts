import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import {
  ENDED_PHASES,
  type Guest,
  inPhase,
  OUTSIDE_PTR,
  type PhaseSetting,
  type Result,
  ROOT_PHASES,
} from "./guest.ts";

const ALL = -1;

function withBody(text: string, type = 0): PhaseSetting {
  const stream = new FakeStream();
  stream.bodies[type] = Buffer.from(text);
  return { stream };
}

const read =
  (type: number, start = 0, max = ALL) =>
  (guest: Guest): Result =>
    guest.fetch("proxy_get_buffer_bytes", type, start, max);

const EMPTY = { status: 0, ptr: 0, len: 0, text: "" };

describe("proxy_get_buffer_bytes works", () => {
  it("gives the request body in its callback and the response body in its own", () => {
    assert.equal(inPhase("proxy_on_request_body", read(0), withBody("request")).text, "request");
    const response = inPhase("proxy_on_response_body", read(1), withBody("response", 1));
    assert.equal(response.text, "response");
  });

  it("gives a range", () => {
    const phase = "proxy_on_request_body";
    assert.equal(inPhase(phase, read(0, 2, 3), withBody("0123456789")).text, "234");
    assert.equal(inPhase(phase, read(0, 8, 100), withBody("0123456789")).text, "89");
  });

  it("gives the VM configuration at any time", () => {
    for (const phase of [...ROOT_PHASES, "proxy_on_request_headers" as const, ...ENDED_PHASES]) {
      assert.equal(inPhase(phase, read(6)).text, "vm config", phase);
    }
  });

  it("gives the plugin configuration in proxy_on_configure and the first context creation", () => {
    assert.equal(inPhase("proxy_on_configure", read(7)).text, "plugin config");
    assert.equal(inPhase("proxy_on_context_create", read(7)).text, "plugin config");
  });
});

describe("proxy_get_buffer_bytes misuse", () => {
  it("answers BadArgument for a buffer type that does not exist", () => {
    for (const type of [9, 10, 1_000, -1]) {
      assert.equal(inPhase("proxy_on_request_body", read(type)).status, 2, `type ${type}`);
    }
  });

  it("answers InvalidMemoryAccess for out-parameters outside the memory, before allocating", () => {
    const got = inPhase(
      "proxy_on_request_body",
      (guest) => [
        guest.call("proxy_get_buffer_bytes", 0, 0, ALL, OUTSIDE_PTR, guest.out()),
        guest.call("proxy_get_buffer_bytes", 0, 0, ALL, guest.out(), OUTSIDE_PTR),
        guest.allocations.length,
      ],
      withBody("x"),
    );
    assert.deepEqual(got, [6, 6, 0]);
  });

  it("answers InvalidMemoryAccess when the allocator gives nothing", () => {
    const status = inPhase(
      "proxy_on_request_body",
      (guest) => {
        guest.allocate = () => 0;
        return read(0)(guest).status;
      },
      withBody("x"),
    );
    assert.equal(status, 6);
  });
});

describe("proxy_get_buffer_bytes in the wrong phase", () => {
  it("gives an empty body where there is none", () => {
    assert.deepEqual(inPhase("proxy_on_request_headers", read(0)), EMPTY);
    assert.deepEqual(inPhase("proxy_on_request_body", read(1)), EMPTY);
    assert.deepEqual(inPhase("proxy_on_request_body", read(2)), EMPTY);
  });

  for (const phase of ROOT_PHASES) {
    it(`gives an empty body in ${phase}`, () => {
      assert.deepEqual(inPhase(phase, read(0)), EMPTY);
    });
  }

  it("gives an empty body once the stream has ended", () => {
    for (const phase of ENDED_PHASES) {
      assert.deepEqual(inPhase(phase, read(0), withBody("gone")), EMPTY, phase);
    }
  });

  it("answers NotFound for a call's body and the plugin configuration outside their callback", () => {
    for (const phase of ["tick", "proxy_on_request_headers", "proxy_on_log"] as const) {
      assert.equal(inPhase(phase, read(4)).status, 1, phase);
      assert.equal(inPhase(phase, read(7)).status, 1, phase);
    }
    assert.equal(inPhase("startUp", read(7)).status, 1);
    assert.equal(inPhase("proxy_on_vm_start", read(7)).status, 1);
  });

  it("gives an empty gRPC message and empty call data outside their callback", () => {
    assert.deepEqual(inPhase("proxy_on_request_headers", read(5)), EMPTY);
    assert.deepEqual(inPhase("proxy_on_request_headers", read(8)), EMPTY);
  });
});

describe("proxy_get_buffer_bytes edges", () => {
  it("gives nothing for a start at or behind the end", () => {
    const phase = "proxy_on_request_body";
    assert.deepEqual(inPhase(phase, read(0, 3), withBody("abc")), EMPTY);
    assert.deepEqual(inPhase(phase, read(0, 4), withBody("abc")), EMPTY);
    assert.deepEqual(inPhase(phase, read(0, -1), withBody("abc")), EMPTY);
  });

  it("takes the longest length from any start without overflow", () => {
    const phase = "proxy_on_request_body";
    for (const max of [-1, 0x7fffffff]) {
      assert.equal(inPhase(phase, read(0, 1, max), withBody("abc")).text, "bc");
    }
  });

  it("never asks the allocator for 0 bytes", () => {
    const sizes = inPhase(
      "proxy_on_request_body",
      (guest) => {
        assert.deepEqual(read(0, 0, 0)(guest), EMPTY);
        return guest.allocations;
      },
      withBody("abc"),
    );
    assert.deepEqual(sizes, []);
  });

  it("keeps every byte value", () => {
    const stream = new FakeStream();
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    stream.bodies[0] = bytes;
    const text = inPhase("proxy_on_request_body", read(0), { stream }).text ?? "";
    assert.deepEqual(new Uint8Array(Buffer.from(text, "latin1")), bytes);
  });

  it("knows the vendor's buffer 9 for its version only", () => {
    const setting = { options: { abi: "0_2_100" } };
    assert.notEqual(inPhase("proxy_on_request_headers", read(9), setting).status, 2);
    assert.equal(inPhase("proxy_on_request_headers", read(10), setting).status, 2);
  });
});
