import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { latin1Bytes } from "../../../src/abi/latin1.ts";
import { TextCache } from "../../../src/abi/text-cache.ts";
import { prng } from "../../harness/prng.ts";

function textOf(cache: TextCache, text: string): string {
  const buffer = new ArrayBuffer(text.length + 2);
  const bytes = latin1Bytes(buffer, 0, buffer.byteLength);
  bytes.latin1Write(text, 1, text.length);
  return cache.text(bytes, 1, text.length);
}

describe("the cache of short texts", () => {
  it("gives the text of the bytes, whatever was asked for before", () => {
    const cache = new TextCache("names");
    const random = prng(7);
    const texts = Array.from({ length: 5_000 }, () => {
      const length = 1 + Math.floor(random() * 60);
      // Few characters: many texts share a length, some a slot.
      return Array.from({ length }, () => String.fromCharCode(97 + Math.floor(random() * 3))).join(
        "",
      );
    });
    for (const text of [...texts, ...texts]) assert.equal(textOf(cache, text), text);
  });

  it("takes every byte", () => {
    const cache = new TextCache("names");
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    for (const byte of [...all, ...all]) assert.equal(textOf(cache, byte), byte);
    assert.equal(textOf(cache, "\0".repeat(48)), "\0".repeat(48));
    assert.equal(textOf(cache, "\xff".repeat(49)), "\xff".repeat(49));
  });
});
