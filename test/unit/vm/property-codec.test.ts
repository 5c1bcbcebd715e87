import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodePairs } from "../../../src/abi/pairs.ts";
import type { PropertyValue } from "../../../src/config/types.ts";
import { descend, serializeProperty, splitPath } from "../../../src/vm/property-codec.ts";

function bytesOf(value: PropertyValue): Uint8Array {
  const bytes = serializeProperty(value);
  assert.ok(bytes !== null);
  return bytes;
}
const hex = (value: PropertyValue): string => Buffer.from(bytesOf(value)).toString("hex");

describe("property values", () => {
  it("have the bytes of their type", () => {
    assert.equal(hex("ab\u00ff"), "6162ff");
    assert.equal(hex(""), "");
    assert.equal(hex(200n), "c800000000000000");
    assert.equal(hex(-1n), "ffffffffffffffff");
    assert.equal(hex(2n ** 64n - 1n), "ffffffffffffffff");
    assert.equal(hex(1.5), "000000000000f83f");
    assert.equal(hex(true), "01");
    assert.equal(hex(false), "00");
    assert.equal(hex(Uint8Array.of(9)), "09");
    assert.equal(hex({ kind: "duration", ns: 1n }), "0100000000000000");
    assert.equal(hex({ kind: "timestamp", ns: 2n }), "0200000000000000");
    assert.equal(hex({ kind: "message", encoded: Uint8Array.of(8, 1), fields: {} }), "0801");
  });

  it("that are text outside latin1 go out as UTF-8", () => {
    assert.equal(hex("\u20ac"), "e282ac");
  });

  it("of maps and lists are pairs blocks", () => {
    const map = bytesOf({ kind: "map", entries: { a: "1", b: true } });
    const mapPairs = [
      ["a", "1"],
      ["b", "\x01"],
    ];
    assert.deepEqual(decodePairs(map), { ok: true, pairs: mapPairs });
    const list = bytesOf({ kind: "list", items: ["x", "y"] });
    assert.deepEqual(decodePairs(list), {
      ok: true,
      pairs: [
        ["x", ""],
        ["y", ""],
      ],
    });
    assert.equal(hex({ kind: "map", entries: {} }), "00000000");
    assert.equal(serializeProperty({ kind: "map", entries: { a: "1", b: null } }), null);
    assert.equal(serializeProperty({ kind: "list", items: [null] }), null);
    const inner = { kind: "list", items: [null] } as const;
    assert.equal(serializeProperty({ kind: "map", entries: { a: inner } }), null);
  });
});

describe("property paths", () => {
  it("split at NUL, one trailing NUL aside", () => {
    assert.deepEqual(splitPath("a\0b"), ["a", "b"]);
    assert.deepEqual(splitPath("a\0b\0"), ["a", "b"]);
    assert.deepEqual(splitPath("a\0\0"), ["a", ""]);
    assert.deepEqual(splitPath("a.b"), ["a.b"]);
    assert.deepEqual(splitPath(""), [""]);
  });

  it("walk messages by field, maps by key and lists by index, and nothing else", () => {
    const value: PropertyValue = {
      kind: "message",
      encoded: new Uint8Array(),
      fields: {
        map: { kind: "map", entries: { key: "v" } },
        list: { kind: "list", items: ["x", "y"] },
        text: "t",
      },
    };
    const at = (...path: string[]): PropertyValue | undefined => descend(value, path, 0);
    assert.equal(at("map", "key"), "v");
    assert.equal(at("list", "1"), "y");
    assert.equal(at(), value);
    for (const path of [
      ["none"],
      ["toString"],
      ["map", "__proto__"],
      ["list", "2"],
      ["list", "-1"],
      ["list", "01"],
      ["list", "x"],
      ["text", "length"],
    ]) {
      assert.equal(at(...path), undefined, path.join("."));
    }
  });
});
