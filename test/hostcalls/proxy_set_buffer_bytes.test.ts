import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "../harness/fake-roles.ts";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE, ROOT_PHASES } from "./guest.ts";

const set =
  (type: number, start: number, length: number, data: string) =>
  (guest: Guest): number =>
    guest.call("proxy_set_buffer_bytes", type, start, length, ...guest.put(data));

/** [status, body afterwards] of one change to `body`. */
function changed(body: string, start: number, length: number, data: string): [number, string] {
  const stream = new FakeStream();
  stream.bodies[0] = Buffer.from(body);
  const status = inPhase("proxy_on_request_body", set(0, start, length, data), { stream });
  return [status, Buffer.from(stream.bodies[0] ?? []).toString()];
}

describe("proxy_set_buffer_bytes works", () => {
  const rows: readonly (readonly [string, string, number, number, string, string])[] = [
    ["puts data in front with start 0 and length 0", "body", 0, 0, "new ", "new body"],
    ["replaces the front with a length below the size", "body", 0, 2, "XYZ", "XYZdy"],
    ["replaces everything with the size itself", "body", 0, 4, "new", "new"],
    ["replaces everything with Rust's greatest length", "body", 0, -1, "new", "new"],
    ["replaces everything with Go's greatest length", "body", 0, 0x7fffffff, "new", "new"],
    ["appends at the end", "body", 4, 0, "!", "body!"],
    ["appends far behind the end, as Go does", "body", 0x7fffffff, 0, "!", "body!"],
    ["appends with a start that is negative as i32", "body", -1, 5, "!", "body!"],
    ["replaces a part in the middle", "body", 1, 2, "OO", "bOOy"],
    ["puts data into the middle", "body", 2, 0, "--", "bo--dy"],
    ["cuts a range that goes over the end", "body", 2, 100, "X", "boX"],
    ["deletes the front with empty data", "body", 0, 2, "", "dy"],
    ["deletes everything with empty data", "body", 0, -1, "", ""],
    ["makes a body where there was an empty one", "", 0, 0, "new", "new"],
    ["makes a body in place of an empty one", "", 0, -1, "new", "new"],
  ];
  for (const [what, body, start, length, data, expected] of rows) {
    it(what, () => {
      assert.deepEqual(changed(body, start, length, data), [0, expected]);
    });
  }

  it("changes the response body in its callback", () => {
    const stream = new FakeStream();
    stream.bodies[1] = Buffer.from("body");
    assert.equal(inPhase("proxy_on_response_body", set(1, 0, -1, "new"), { stream }), 0);
    assert.equal(Buffer.from(stream.bodies[1]).toString(), "new");
  });

  it("keeps the data when the guest changes its memory afterwards", () => {
    const stream = new FakeStream();
    stream.bodies[0] = new Uint8Array();
    inPhase(
      "proxy_on_request_body",
      (guest) => {
        const data = guest.put("before");
        guest.call("proxy_set_buffer_bytes", 0, 0, 0, ...data);
        guest.vm.memory.writeLatin1(data[0], "AFTER!");
      },
      { stream },
    );
    assert.equal(Buffer.from(stream.bodies[0]).toString(), "before");
  });
});

describe("proxy_set_buffer_bytes misuse", () => {
  it("answers BadArgument for a buffer type that does not exist, before all else", () => {
    for (const type of [9, -1]) {
      const call = (guest: Guest): number =>
        guest.call("proxy_set_buffer_bytes", type, 0, 0, ...OUTSIDE);
      assert.equal(inPhase("proxy_on_request_body", call), 2);
    }
  });

  it("answers InvalidMemoryAccess for data outside the memory", () => {
    const stream = new FakeStream();
    stream.bodies[0] = Buffer.from("body");
    const call = (guest: Guest): number =>
      guest.call("proxy_set_buffer_bytes", 0, 0, 0, ...OUTSIDE);
    assert.equal(inPhase("proxy_on_request_body", call, { stream }), 6);
    assert.equal(Buffer.from(stream.bodies[0]).toString(), "body");
  });

  it("answers BadArgument for buffers that are never written", () => {
    for (const type of [5, 6, 8])
      assert.equal(inPhase("proxy_on_configure", set(type, 0, 0, "")), 2);
  });

  it("answers NotFound for a call's body and the plugin configuration", () => {
    for (const type of [4, 7]) {
      assert.equal(inPhase("proxy_on_request_body", set(type, 0, 0, "x")), 1);
    }
  });

  it("answers BadArgument when the stream says that the body has gone on", () => {
    const stream = new FakeStream();
    stream.bodies[0] = Buffer.from("body");
    stream.buffers.splice = () => false;
    assert.equal(inPhase("proxy_on_request_body", set(0, 0, 0, "x"), { stream }), 2);
  });
});

describe("proxy_set_buffer_bytes in the wrong phase", () => {
  it("answers BadArgument where there is no body, and says so in the log", () => {
    const got = inPhase("proxy_on_request_headers", (guest) => {
      guest.thread.lines.length = 0;
      return [set(0, 0, 0, "x")(guest), guest.thread.lines.length];
    });
    assert.deepEqual(got, [2, 1]);
  });

  for (const phase of [...ROOT_PHASES, ...ENDED_PHASES]) {
    it(`answers BadArgument in ${phase}`, () => {
      const stream = new FakeStream();
      stream.bodies[0] = Buffer.from("gone");
      assert.equal(inPhase(phase, set(0, 0, 0, "x"), { stream }), 2);
      assert.equal(Buffer.from(stream.bodies[0]).toString(), "gone");
    });
  }
});

describe("proxy_set_buffer_bytes edges", () => {
  it("takes empty data with any pointer", () => {
    const stream = new FakeStream();
    stream.bodies[0] = Buffer.from("body");
    const call = (guest: Guest): number => guest.call("proxy_set_buffer_bytes", 0, 0, 1, -1, 0);
    assert.equal(inPhase("proxy_on_request_body", call, { stream }), 0);
    assert.equal(Buffer.from(stream.bodies[0]).toString(), "ody");
  });

  it("sees its own change in the same callback", () => {
    const stream = new FakeStream();
    stream.bodies[0] = Buffer.from("body");
    const text = inPhase(
      "proxy_on_request_body",
      (guest) => {
        set(0, 4, 0, "!")(guest);
        set(0, 0, 0, "<")(guest);
        return guest.fetch("proxy_get_buffer_bytes", 0, 0, -1).text;
      },
      { stream },
    );
    assert.equal(text, "<body!");
  });
});
