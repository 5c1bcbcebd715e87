/** `granary.shared_data_delete`, `_ttl`, `_list`, `_add`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Guest, inPhase, type Result } from "../guest.ts";

const PHASE = "proxy_on_request_headers";

const foreign = (guest: Guest, name: string, args: Uint8Array): Result =>
  guest.fetch(
    "proxy_call_foreign_function",
    ...guest.put(`granary.shared_data_${name}`),
    ...guest.put(args),
  );

const set = (guest: Guest, key: string, value: string, cas = 0): number =>
  guest.call("proxy_set_shared_data", ...guest.put(key), ...guest.put(value), cas);

const has = (guest: Guest, key: string): boolean => {
  const outs = [guest.out(), guest.out(), guest.out()] as const;
  return guest.call("proxy_get_shared_data", ...guest.put(key), ...outs) === 0;
};

function u32(value: number, rest = ""): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(value);
  return Buffer.concat([head, Buffer.from(rest)]);
}

function i64(value: bigint, rest = ""): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigInt64LE(value);
  return Buffer.concat([head, Buffer.from(rest)]);
}

/** The keys of a listing. */
function keysOf(result: Result): string[] {
  const bytes = Buffer.from(result.text ?? "", "latin1");
  const keys: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    keys.push(bytes.toString("latin1", at + 4, end));
    at = end;
  }
  return keys.sort();
}

describe("foreign function granary.shared_data_delete", () => {
  it("takes a key away; NotFound when there is none", () => {
    const got = inPhase(PHASE, (guest) => {
      set(guest, "k", "v");
      const remove = (): number => foreign(guest, "delete", Buffer.from("k")).status;
      return [remove(), has(guest, "k"), remove()];
    });
    assert.deepEqual(got, [0, false, 1]);
  });
});

describe("foreign function granary.shared_data_ttl", () => {
  it("ends a value after so many milliseconds, and 0 takes that back", () => {
    const got = inPhase(PHASE, (guest) => {
      for (const key of ["short", "long"]) set(guest, key, "v");
      const ttl = (key: string, ms: number): number => foreign(guest, "ttl", u32(ms, key)).status;
      const statuses = [ttl("short", 100), ttl("long", 100), ttl("long", 0), ttl("none", 5)];
      guest.thread.clock.advance(100);
      return [statuses, has(guest, "short"), has(guest, "long")];
    });
    assert.deepEqual(got, [[0, 0, 0, 1], false, true]);
  });

  it("answers BadArgument for arguments that are too short", () => {
    assert.equal(
      inPhase(PHASE, (guest) => foreign(guest, "ttl", Buffer.alloc(3)).status),
      2,
    );
  });
});

describe("foreign function granary.shared_data_list", () => {
  it("lists the keys with a prefix, of this vm_id alone", () => {
    const got = inPhase(PHASE, (guest) => {
      for (const key of ["a:1", "a:2", "b:1", "a"]) set(guest, key, "v");
      const { shared } = guest.thread;
      shared.data.set(shared.spaceOf("other"), Buffer.from("a:9"), Buffer.from("v"), 0);
      const list = (max: number, prefix: string): string[] =>
        keysOf(foreign(guest, "list", u32(max, prefix)));
      return [list(0, "a:"), list(0, ""), list(1, "a:").length, list(0, "none")];
    });
    assert.deepEqual(got, [["a:1", "a:2"], ["a", "a:1", "a:2", "b:1"], 1, []]);
  });

  it("answers BadArgument for arguments that are too short", () => {
    assert.equal(
      inPhase(PHASE, (guest) => foreign(guest, "list", Buffer.alloc(0)).status),
      2,
    );
  });
});

describe("foreign function granary.shared_data_add", () => {
  const sum = ({ text }: Result): bigint => Buffer.from(text ?? "", "latin1").readBigInt64LE();

  it("counts from 0, gives sum and CAS number, and the value is its 8 bytes", () => {
    const got = inPhase(PHASE, (guest) => {
      const first = foreign(guest, "add", i64(40n, "n"));
      const second = foreign(guest, "add", i64(-50n, "n"));
      const cas = Buffer.from(second.text ?? "", "latin1").readUInt32LE(8);
      return [sum(first), sum(second), second.len, set(guest, "n", "12345678", cas)];
    });
    assert.deepEqual(got, [40n, -10n, 12, 0]);
  });

  it("answers BadArgument for another kind of value, and for short arguments", () => {
    const got = inPhase(PHASE, (guest) => {
      set(guest, "text", "text");
      return [
        foreign(guest, "add", i64(1n, "text")).status,
        foreign(guest, "add", Buffer.alloc(7)).status,
      ];
    });
    assert.deepEqual(got, [2, 2]);
  });
});
