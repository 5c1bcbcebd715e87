import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteCache } from "../../../src/abi/byte-cache.ts";
import { latin1Bytes } from "../../../src/abi/latin1.ts";
import { prng } from "../../harness/prng.ts";

/** The text among other bytes, which must not matter. */
function found<T>(cache: ByteCache<T>, text: string, others: string): T {
  const buffer = new ArrayBuffer(text.length + 14);
  const bytes = latin1Bytes(buffer, 0, buffer.byteLength);
  bytes.fill(others.charCodeAt(0));
  bytes.latin1Write(text, 7, text.length);
  return cache.find(bytes, new DataView(buffer), 7, text.length);
}

describe("the cache of short runs of bytes", () => {
  it("gives the text of the bytes, whatever was asked for before", () => {
    const cache = new ByteCache((text) => text);
    const random = prng(7);
    const texts = Array.from({ length: 5_000 }, () => {
      const length = 1 + Math.floor(random() * 60);
      // Few characters: many texts share a length, some a slot.
      return Array.from({ length }, () => String.fromCharCode(97 + Math.floor(random() * 3))).join(
        "",
      );
    });
    for (const text of [...texts, ...texts]) assert.equal(found(cache, text, "a"), text);
  });

  it("tells texts apart that differ in one byte, at every place", () => {
    const cache = new ByteCache((text) => text);
    for (let length = 1; length <= 57; length++) {
      const same = "x".repeat(length);
      assert.equal(found(cache, same, "x"), same);
      for (let i = 0; i < length; i++) {
        const other = `${same.slice(0, i)}y${same.slice(i + 1)}`;
        assert.equal(found(cache, other, "x"), other);
        assert.equal(found(cache, same, "y"), same);
      }
    }
  });

  it("takes every byte", () => {
    const cache = new ByteCache((text) => text);
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    for (const byte of [...all, ...all]) assert.equal(found(cache, byte, "\0"), byte);
    assert.equal(found(cache, "\0".repeat(56), "\0"), "\0".repeat(56));
    assert.equal(found(cache, "\xff".repeat(57), "\xff"), "\xff".repeat(57));
  });

  it("makes what is known once, and what is long each time", () => {
    let made = 0;
    const cache = new ByteCache((text) => {
      made++;
      return { text };
    });
    assert.equal(cache.empty.text, "");
    const first = found(cache, "x-request-id", "a");
    assert.equal(found(cache, "x-request-id", "b"), first);
    assert.equal(made, 2);
    found(cache, "x".repeat(57), "a");
    found(cache, "x".repeat(57), "a");
    assert.equal(made, 4);
  });
});
