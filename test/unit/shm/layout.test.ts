import assert from "node:assert/strict";
import { test } from "node:test";
import { attachRegion, createRegion, defineLayout } from "../../../src/shm/layout.ts";

const row = (type: "u8" | "i32" | "f64", count: number) =>
  ({ type, count, unit: "values", writer: "silo", note: "for the test" }) as const;

const spec = {
  name: "sample",
  magic: "TEST",
  version: 1,
  fields: {
    small: row("u8", 3),
    word: row("i32", 1),
    wide: row("f64", 2),
    own: { ...row("i32", 1), align: 64 },
  },
} as const;

test("fields follow each other, aligned to their elements or as they ask", () => {
  const { fields, byteLength } = defineLayout(spec);
  assert.equal(fields.small.offset, 16);
  assert.equal(fields.word.offset, 20);
  assert.equal(fields.wide.offset, 24);
  assert.equal(fields.wide.byteLength, 16);
  assert.equal(fields.own.offset, 64);
  assert.equal(byteLength, 128);
});

test("a region attaches under the layout that made it and is zeroed behind the header", () => {
  const layout = defineLayout(spec);
  const region = createRegion(layout);
  assert.equal(attachRegion(layout, region), region);
  assert.ok(new Uint8Array(region, 16).every((byte) => byte === 0));
});

test("a region of another kind, version or length is refused", () => {
  const layout = defineLayout(spec);
  const region = createRegion(layout);
  assert.throws(() => attachRegion(defineLayout({ ...spec, magic: "ELSE" }), region), /magic/);
  assert.throws(() => attachRegion(defineLayout({ ...spec, version: 2 }), region), /version/);
  const longer = { ...spec, fields: { ...spec.fields, more: row("f64", 64) } };
  assert.throws(() => attachRegion(defineLayout(longer), region), /bytes/);
});

test("a layout that cannot be placed is a programmer error", () => {
  assert.throws(() => defineLayout({ ...spec, magic: "TOO LONG" }), /magic/);
  assert.throws(() => defineLayout({ ...spec, fields: { none: row("u8", 0) } }), /count/);
  const crooked = { word: { ...row("i32", 1), align: 3 } };
  assert.throws(() => defineLayout({ ...spec, fields: crooked }), /power of two/);
});
