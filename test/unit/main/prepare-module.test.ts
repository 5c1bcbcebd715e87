/** Modules whose guests wait within hostcalls, prepared for engines that cannot switch stacks. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { asyncify } from "../../../src/main/asyncify.ts";
import { AsyncifiedGuest, prepared } from "../../harness/asyncified.ts";
import { REPOSITORY_ROOT } from "../../harness/filter-rig.ts";
import { METERED, modernWat } from "../../harness/metered.ts";
import { leb, moduleOf, section } from "../abi/module-bytes.ts";

const WAIT = '(import "env" "proxy_call_foreign_function" (func $wait (param i32) (result i32)))';

/** Adds up what `n` waits give, in a loop and through a table, with a value kept on the stack. */
const SUM = modernWat(`(module ${WAIT}
  (import "env" "proxy_done" (func $done (result i32)))
  (memory (export "memory") 1)
  (table 1 funcref) (elem (i32.const 0) $step)
  (type $step (func (param i32) (result i32)))
  (func $step (type $step) (i32.add (i32.const 1000) (call $wait (local.get 0))))
  (func (export "sum") (param $n i32) (result i32) (local $all i32)
    (loop $again
      (local.set $all (i32.add (local.get $all)
        (call_indirect (type $step) (local.get $n) (i32.const 0))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n)))
    (local.get $all))
  (func (export "done") (result i32) (call $done))
  (func (export "spin") (loop $l (br $l))))`);

/** `(func (export "f") ...)` that waits inside of `depth` blocks: deeper than text can be written. */
function nestedBlocks(depth: number): Uint8Array {
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const body = [
    0,
    ...Array.from({ length: depth }, () => [0x02, 0x40]).flat(),
    ...[0x41, 0x00, 0x10, 0x00, 0x1a],
    ...Array.from({ length: depth }, () => 0x0b),
    0x0b,
  ];
  return moduleOf(
    section(1, [2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 0]),
    section(2, [1, ...name("env"), ...name("proxy_call_foreign_function"), 0, 0]),
    section(3, [1, 1]),
    section(5, [1, 0, 1]),
    section(7, [2, ...name("memory"), 2, 0, ...name("f"), 0, 1]),
    section(10, [1, ...leb(body.length), ...body]),
  );
}

async function refusal(text: string): Promise<string> {
  try {
    await prepared(modernWat(text));
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("a module with coroutines", () => {
  it("goes on where it waited, as often as it waits", async () => {
    const guest = new AsyncifiedGuest(await prepared(SUM), () => null);
    assert.equal(guest.call("sum", 3), null);
    assert.equal(guest.waitsFor, 3);
    assert.equal(guest.resume(10), null);
    assert.equal(guest.waitsFor, 2);
    assert.equal(guest.resume(20), null);
    assert.equal(guest.resume(30), 3_060);
  });

  it("does not wait for what is answered at once", async () => {
    const guest = new AsyncifiedGuest(await prepared(SUM), (argument) => argument);
    assert.equal(guest.call("sum", 3), 3_006);
    assert.equal(guest.waitsFor, null);
  });

  it("is metered", async () => {
    const guest = new AsyncifiedGuest(await prepared(SUM), () => 1);
    guest.fuel = -1;
    assert.throws(() => guest.call("spin"), /unreachable/);
    assert.equal(guest.looks, 1);
  });

  it("is metered when it has waited, too", async () => {
    const text = `(module ${WAIT} (memory (export "memory") 1)
      (func (export "f") (param i32) (result i32)
        (drop (call $wait (local.get 0))) (loop $l (br $l)) (i32.const 0)))`;
    const guest = new AsyncifiedGuest(await prepared(modernWat(text)), () => null);
    assert.equal(guest.call("f", 1), null);
    guest.fuel = -1;
    assert.throws(() => guest.resume(1), /unreachable/);
  });

  it("has no more memory than it may, before a wait and behind it", async () => {
    const text = `(module ${WAIT} (memory (export "memory") 1)
      (func (export "f") (param i32) (result i32)
        (drop (memory.grow (local.get 0)))
        (drop (call $wait (i32.const 0)))
        (i32.mul (memory.grow (local.get 0)) (memory.size))))`;
    const module = await prepared(modernWat(text), { options: { ...METERED, pagesMax: 5 } });
    const guest = new AsyncifiedGuest(module, () => null);
    assert.equal(guest.call("f", 3), null);
    assert.equal(guest.resume(1), -4);
  });

  it("is refused when it is too large, before anything is done to it", async () => {
    const file = join(REPOSITORY_ROOT, "examples/filters/go/coroutines/coroutines.wasm");
    const options = { ...METERED, pagesMax: 4_096, tableElementsMax: 250_000 };
    await assert.rejects(
      prepared(readFileSync(file), { options }),
      /it is too large to be made to suspend .*: run Node 24 or later, or apply wasm-opt/,
    );
  });

  it("is refused or runs when its blocks are nested deeply; the next one runs", async () => {
    const bytes = nestedBlocks(50_000);
    assert.equal(WebAssembly.validate(bytes), true);
    await prepared(bytes).catch((error: Error) => {
      assert.match(error.message, /cannot be made to suspend|Compiling function/);
    });
    const guest = new AsyncifiedGuest(await prepared(SUM), () => null);
    assert.equal(guest.call("sum", 1), null);
  });

  it("is as it was when it calls nothing that could suspend it", async () => {
    const bytes = modernWat('(module (memory (export "memory") 1) (func (export "f")))');
    const module = await prepared(bytes, { options: { ...METERED, budget: "unmetered" } });
    assert.deepEqual(
      WebAssembly.Module.exports(module).map(({ name }) => name),
      ["memory", "f"],
    );
  });

  it("is not touched where the engine suspends guests", async () => {
    const module = await prepared(SUM, { coroutines: "none" });
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    assert.equal(
      names.some((name) => name.startsWith("asyncify")),
      false,
    );
  });

  it("that asyncify was applied to when it was built is taken as it is", async () => {
    const made = await asyncify(SUM);
    assert.ok(made.kind === "asyncified");
    const guest = new AsyncifiedGuest(await prepared(made.bytes), () => null);
    assert.equal(guest.call("sum", 1), null);
    assert.equal(guest.resume(7), 1_007);
  });

  for (const [name, text, reason] of [
    [
      "some of asyncify's exports",
      `(module ${WAIT} (memory 1) (func (export "asyncify_stop_unwind")))`,
      "it cannot be made to suspend: it lacks the export asyncify_start_unwind of asyncify",
    ],
    [
      "an export of asyncify's name and another type",
      `(module ${WAIT} (memory 1) (func (export "asyncify_get_state") (result i64) (i64.const 0)))`,
      "it cannot be made to suspend: its export asyncify_get_state is not that of asyncify",
    ],
    [
      "an export of asyncify's name that is no function",
      `(module ${WAIT} (memory (export "asyncify_get_state") 1))`,
      "it cannot be made to suspend: its export asyncify_get_state is not that of asyncify",
    ],
  ] as const) {
    it(`is refused with ${name}`, async () => {
      assert.equal(await refusal(text), reason);
    });
  }

  it("is refused with names that Binaryen does not read; the next one is not", async () => {
    const bad = Uint8Array.from(SUM);
    bad[SUM.length - 4] = 0xff;
    assert.equal(WebAssembly.validate(bad), true);
    await assert.rejects(prepared(bad), /it cannot be made to suspend: Binaryen does not read it/);
    const guest = new AsyncifiedGuest(await prepared(SUM), () => null);
    assert.equal(guest.call("sum", 1), null);
    assert.equal(guest.resume(7), 1_007);
  });

  it("is refused before anything else when it is not valid", async () => {
    assert.match(await refusal(`(module ${WAIT} (memory 65))`), /the limit is 4 MiB/);
    const types = modernWat(
      `(module ${WAIT} (memory 1) (func (export "f") (result i32) (i32.const 1)))`,
    );
    const bad = types.map((byte, at) => (byte === 0x41 && types[at + 1] === 1 ? 0x42 : byte));
    await assert.rejects(prepared(bad), /type error in fallthru/);
  });
});
