import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { type Guest, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";

const set =
  (path: string, value: string | Uint8Array) =>
  (guest: Guest): number =>
    guest.call("proxy_set_property", ...guest.put(path), ...guest.put(value));

describe("proxy_set_property works", () => {
  it("stores the bytes under the name", () => {
    const stream = new FakeStream();
    const value = Uint8Array.of(0, 1, 255);
    assert.equal(inPhase("proxy_on_request_headers", set("mine", value), { stream }), 0);
    assert.deepEqual(stream.stored.get("wasm.mine"), value);
  });

  it("stores a name of several parts, with or without a NUL at the end, as one name", () => {
    for (const path of ["a\0b", "a\0b\0"]) {
      const stream = new FakeStream();
      inPhase("proxy_on_request_headers", set(path, "1"), { stream });
      assert.deepEqual([...stream.stored.keys()], ["wasm.a\0b"]);
    }
  });

  it("keeps the value when the guest changes its memory afterwards", () => {
    const stream = new FakeStream();
    inPhase(
      "proxy_on_request_headers",
      (guest) => {
        const value = guest.put("before");
        guest.call("proxy_set_property", ...guest.put("mine"), ...value);
        guest.vm.memory.writeLatin1(value[0], "AFTER!");
      },
      { stream },
    );
    assert.equal(Buffer.from(stream.stored.get("wasm.mine") ?? "").toString(), "before");
  });
});

describe("proxy_set_property misuse", () => {
  it("answers InvalidMemoryAccess for a path or a value outside the memory", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => [
      guest.call("proxy_set_property", ...OUTSIDE, ...guest.put("v")),
      guest.call("proxy_set_property", ...guest.put("p"), ...OUTSIDE),
    ]);
    assert.deepEqual(got, [6, 6]);
  });

  it("answers BadArgument when the stream refuses it", () => {
    const stream = new FakeStream();
    stream.properties.setState = () => false;
    assert.equal(inPhase("proxy_on_request_headers", set("a", "b"), { stream }), 2);
  });
});

describe("proxy_set_property in the wrong phase", () => {
  for (const phase of ROOT_PHASES) {
    it(`answers NotFound in ${phase}, where there is no stream`, () => {
      assert.equal(inPhase(phase, set("a", "b")), 1);
    });
  }

  it("stores while logging", () => {
    const stream = new FakeStream();
    assert.equal(inPhase("proxy_on_log", set("a", "b"), { stream }), 0);
    assert.equal(stream.stored.size, 1);
  });
});

describe("proxy_set_property edges", () => {
  it("stores an empty value", () => {
    const stream = new FakeStream();
    assert.equal(inPhase("proxy_on_request_headers", set("a", ""), { stream }), 0);
    assert.equal(stream.stored.get("wasm.a")?.byteLength, 0);
  });
});
