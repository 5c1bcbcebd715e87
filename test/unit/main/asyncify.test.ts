/** Where the optional package is not installed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asyncify } from "../../../src/main/asyncify.ts";
import { compileWat } from "../../harness/wat.ts";

const BYTES = compileWat(`(module
  (import "env" "proxy_call_foreign_function" (func $wait (result i32)))
  (memory (export "memory") 1)
  (func (export "f") (result i32) (call $wait)))`);

const ABSENT: string = "no-such-package";

test("a module that cannot be made to suspend is refused with what helps, until it can", async () => {
  const missing = await asyncify(BYTES, () => import.meta.resolve(ABSENT));
  assert.deepEqual(missing, {
    kind: "refused",
    reason:
      "coroutines need the package binaryen on this release of Node: npm install binaryen, " +
      "run Node 24 or later, or apply wasm-opt --asyncify when the module is built",
  });
  const made = await asyncify(BYTES);
  assert.ok(made.kind === "asyncified" && WebAssembly.validate(made.bytes));
});
