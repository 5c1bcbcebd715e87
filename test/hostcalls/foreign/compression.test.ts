/** `compress` and `uncompress`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deflateSync, gzipSync, inflateSync } from "node:zlib";
import { LIMITS } from "../../../src/base/limits.ts";
import { type Guest, inPhase, type Result } from "../guest.ts";

const PHASE = "proxy_on_request_headers";
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

function foreign(name: string, args: string | Uint8Array): Result {
  return inPhase(PHASE, (guest: Guest) =>
    guest.fetch("proxy_call_foreign_function", ...guest.put(name), ...guest.put(args)),
  );
}

describe("foreign function compress", () => {
  it("gives the zlib format", () => {
    const { status, text } = foreign("compress", "wheat ".repeat(500));
    assert.equal(status, 0);
    const bytes = Buffer.from(text ?? "", "latin1");
    assert.equal(bytes[0], 0x78);
    assert.ok(bytes.length < 100);
    assert.equal(inflateSync(bytes).toString(), "wheat ".repeat(500));
  });

  it("compresses nothing to the eight bytes of an empty stream", () => {
    const { status, text } = foreign("compress", "");
    assert.equal(status, 0);
    assert.equal(inflateSync(Buffer.from(text ?? "", "latin1")).length, 0);
  });

  it("answers InvalidMemoryAccess when the guest has no memory for the result", () => {
    const status = inPhase(PHASE, (guest) => {
      guest.allocate = () => 0;
      return guest.fetch("proxy_call_foreign_function", ...guest.put("compress"), 0, 0).status;
    });
    assert.equal(status, 6);
  });
});

describe("foreign function uncompress", () => {
  it("takes the zlib format back", () => {
    const { status, text } = foreign("uncompress", deflateSync(Buffer.from("barley")));
    assert.deepEqual([status, text], [0, "barley"]);
  });

  it("ignores what follows the end of the data", () => {
    const bytes = Buffer.concat([deflateSync(Buffer.from("rye")), Buffer.from("rest")]);
    assert.deepEqual(foreign("uncompress", bytes).text, "rye");
  });

  it("gives pointer 0 for data that was empty", () => {
    const got = foreign("uncompress", deflateSync(Buffer.alloc(0)));
    assert.deepEqual(got, { status: 0, ptr: 0, len: 0, text: "" });
  });

  it("answers SerializationFailure for what is no zlib stream, or a part of one", () => {
    const whole = deflateSync(Buffer.from("oats ".repeat(100)));
    const bad = [
      Buffer.from("no zlib at all"),
      Buffer.alloc(0),
      whole.subarray(0, whole.length - 5),
      gzipSync(Buffer.from("gzip is another format")),
    ];
    for (const bytes of bad) assert.equal(foreign("uncompress", bytes).status, 3, latin1(bytes));
  });

  it("refuses a bomb: what would become more than the cap", () => {
    const bomb = deflateSync(Buffer.alloc(LIMITS.foreignDataBytes + 1));
    assert.ok(bomb.length < 20_000);
    const got = foreign("uncompress", bomb);
    assert.deepEqual([got.status, got.ptr, got.len], [3, 0, 0]);
  });
});
