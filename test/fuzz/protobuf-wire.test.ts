/** The wire reader against an independent writer, and against bytes that nobody wrote. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { type WireField, WireMessage, wireMessage } from "../../src/abi/protobuf-wire.ts";

const FIELD = fc.tuple(
  fc.integer({ min: 1, max: 2 ** 29 - 1 }),
  fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
);
const RUNS = { seed: 3, numRuns: 2_000 };

/** Whether another implementation walks over the whole of `bytes`; groups aside. */
function isWellFormed(bytes: Uint8Array): boolean {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      if (type === 3 || type === 4) return false;
      reader.skip(type, number);
    }
    return reader.pos === reader.len;
  } catch {
    return false;
  }
}

describe("protobuf wire", () => {
  it("reads what another implementation writes; the last field of a number wins", () => {
    fc.assert(
      fc.property(fc.array(FIELD, { maxLength: 8 }), (fields) => {
        const writer = new BinaryWriter();
        for (const [number, value] of fields) {
          if (typeof value === "bigint") writer.tag(number, 0).uint64(value);
          else writer.tag(number, 2).bytes(value);
        }
        const message = WireMessage.read(writer.finish());
        assert.ok(message);
        for (const [number, value] of fields) {
          const same = fields.filter((it) => it[0] === number && typeof it[1] === typeof value);
          const last = same.at(-1)?.[1];
          if (typeof last === "bigint") assert.equal(message.uint(number), last);
          else assert.deepEqual(Buffer.from(message.bytes(number)), Buffer.from(last ?? []));
        }
      }),
      RUNS,
    );
  });

  it("writes what it reads, without default values", () => {
    fc.assert(
      fc.property(fc.array(FIELD, { maxLength: 8 }), (fields: WireField[]) => {
        const written = wireMessage(fields);
        assert.ok(isWellFormed(written));
        const unique = new Map(fields.map((field) => [`${field[0]} ${typeof field[1]}`, field]));
        if (unique.size !== fields.length) return;
        const message = WireMessage.read(written);
        for (const [number, value] of fields) {
          if (typeof value === "bigint") assert.equal(message?.uint(number), value);
          else
            assert.deepEqual(
              Buffer.from(message?.bytes(number) ?? []),
              Buffer.from(value as Uint8Array),
            );
        }
      }),
      RUNS,
    );
  });

  it("refuses malformed bytes, and accepts none that are", () => {
    let wellFormed = 0;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const isRead = WireMessage.read(bytes) !== null;
        if (isRead) wellFormed++;
        if (isWellFormed(bytes) && !hasLongTag(bytes)) assert.ok(isRead);
        if (isRead) assert.ok(isWellFormed(bytes));
      }),
      RUNS,
    );
    assert.ok(wellFormed > 10);
  });
});

/** A tag that takes more than 32 bits: one reader wraps it, the other refuses it. */
function hasLongTag(bytes: Uint8Array): boolean {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, type] = reader.tag();
    if (reader.pos - start > 4) return true;
    reader.skip(type, number);
  }
  return false;
}
