import assert from "node:assert/strict";
import { test } from "node:test";
import { keyedHash } from "../../../src/shm/keyed-hash.ts";
import { prng } from "../../harness/prng.ts";

const KEY = { k0: 0x03020100, k1: 0x07060504 };
const bytes = (text: string): Uint8Array => Buffer.from(text);

test("equal keys of one namespace have equal hashes, other namespaces and secrets others", () => {
  const hash = keyedHash(KEY, 7, bytes("session"));
  assert.equal(keyedHash(KEY, 7, bytes("session")), hash);
  assert.notEqual(keyedHash(KEY, 8, bytes("session")), hash);
  assert.notEqual(keyedHash({ k0: 1, k1: 2 }, 7, bytes("session")), hash);
});

test("every byte and the length count", () => {
  const seen = new Set<number>();
  for (let length = 0; length <= 40; length++) seen.add(keyedHash(KEY, 2, new Uint8Array(length)));
  assert.equal(seen.size, 41);
  for (let at = 0; at < 23; at++) {
    const key = new Uint8Array(23);
    key[at] = 1;
    seen.add(keyedHash(KEY, 2, key));
  }
  assert.equal(seen.size, 41 + 23);
});

test("keys that differ little fall into all buckets evenly", () => {
  const counts = new Uint32Array(64);
  for (let i = 0; i < 64_000; i++) {
    const at = keyedHash(KEY, 2, bytes(`10.0.${i >> 8}.${i & 255}`)) & 63;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 800 && count < 1_200, String(count));
});

test("keys that collide under one secret do not under another", () => {
  const random = prng(9);
  const colliding: Uint8Array[] = [];
  while (colliding.length < 50) {
    const key = Uint8Array.from({ length: 8 }, () => random() * 256);
    if ((keyedHash(KEY, 2, key) & 0xfff) === 0) colliding.push(key);
  }
  const buckets = new Set(colliding.map((key) => keyedHash({ k0: 99, k1: -5 }, 2, key) & 0xfff));
  assert.ok(buckets.size > 40);
});
