import assert from "node:assert/strict";
import { test } from "node:test";
import { idOfName, KNOWN_NAMES, knownNameId } from "../../../../src/http/h1/header-names.ts";

function idOf(name: string): number {
  const bytes = Buffer.from(`..${name}`, "latin1");
  return knownNameId(bytes, 2, name.length);
}

test("every known name is found by its bytes", () => {
  KNOWN_NAMES.forEach((name, id) => {
    if (id > 0) assert.equal(idOf(name), id, `${name} shares its slot with another name`);
    assert.equal(idOfName(name), id);
  });
  assert.ok(KNOWN_NAMES.length > 90);
});

test("names that differ in one byte or in length are unknown", () => {
  for (const name of KNOWN_NAMES.slice(1)) {
    for (let i = 0; i < name.length; i++) {
      const other = `${name.substring(0, i)}!${name.substring(i + 1)}`;
      assert.equal(idOf(other), 0, other);
      assert.equal(idOfName(other), 0, other);
    }
    assert.equal(idOf(`${name}!`), 0);
  }
  assert.equal(idOf("x"), 0);
});
