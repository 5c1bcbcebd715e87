import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE_PTR, ROOT_PHASES } from "./guest.ts";

function withBody(text: string): { stream: FakeStream } {
  const stream = new FakeStream();
  stream.bodies[0] = Buffer.from(text);
  return { stream };
}

/** [status, length, flags]; null: not written. */
const read =
  (type: number) =>
  (guest: Guest): readonly (number | null)[] => {
    const flags = guest.out();
    const length = guest.out();
    const status = guest.call("proxy_get_buffer_status", type, length, flags);
    if (guest.isUntouched(length)) return [status, null, null];
    return [status, guest.u32(length), guest.u32(flags)];
  };

describe("proxy_get_buffer_status works", () => {
  it("tells how many bytes are readable, and no flags", () => {
    assert.deepEqual(inPhase("proxy_on_request_body", read(0), withBody("hello")), [0, 5, 0]);
    assert.deepEqual(inPhase("tick", read(6)), [0, "vm config".length, 0]);
    assert.deepEqual(inPhase("proxy_on_configure", read(7)), [0, "plugin config".length, 0]);
  });
});

describe("proxy_get_buffer_status misuse", () => {
  it("answers BadArgument for a buffer type that does not exist", () => {
    for (const type of [9, -1]) {
      assert.deepEqual(inPhase("proxy_on_request_body", read(type)), [2, null, null]);
    }
  });

  it("answers InvalidMemoryAccess for out-parameters outside the memory", () => {
    const got = inPhase(
      "proxy_on_request_body",
      (guest) => [
        guest.call("proxy_get_buffer_status", 0, OUTSIDE_PTR, guest.out()),
        guest.call("proxy_get_buffer_status", 0, guest.out(), OUTSIDE_PTR),
      ],
      withBody("x"),
    );
    assert.deepEqual(got, [6, 6]);
  });
});

describe("proxy_get_buffer_status in the wrong phase", () => {
  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`tells of no body in ${phase}`, () => {
      assert.deepEqual(inPhase(phase, read(0), withBody("gone")), [0, 0, 0]);
    });
  }

  it("answers NotFound for a call's body and the plugin configuration", () => {
    assert.deepEqual(inPhase("proxy_on_request_headers", read(4)), [1, null, null]);
    assert.deepEqual(inPhase("proxy_on_request_headers", read(7)), [1, null, null]);
  });
});

describe("proxy_get_buffer_status edges", () => {
  it("tells of a body that is there and empty", () => {
    assert.deepEqual(inPhase("proxy_on_request_body", read(0), withBody("")), [0, 0, 0]);
  });

  it("tells of the new size after a change in the same callback", () => {
    const got = inPhase(
      "proxy_on_request_body",
      (guest) => {
        guest.call("proxy_set_buffer_bytes", 0, 0, 100, ...guest.put("longer body"));
        return read(0)(guest);
      },
      withBody("body"),
    );
    assert.deepEqual(got, [0, 11, 0]);
  });
});
