import assert from "node:assert/strict";
import { test } from "node:test";
import { subjectAltNames } from "../../../src/net/tls-info.ts";

test("alternative names are split at commas outside of quotes", () => {
  assert.deepEqual(subjectAltNames('DNS:a.b, URI:"spiffe://x,DNS:evil", IP Address:::1'), [
    ["DNS", "a.b"],
    ["URI", "spiffe://x,DNS:evil"],
    ["IP Address", "::1"],
  ]);
});

test("no extension has no names, and a name that does not read as one is left out", () => {
  assert.deepEqual(subjectAltNames(""), []);
  assert.deepEqual(subjectAltNames('DNS:"a\\x", DNS:b'), [["DNS", "b"]]);
});
