/** Metered modules compute what the originals compute, and stop when their budget is used up. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { REPOSITORY_ROOT } from "../../harness/filter-rig.ts";
import { modernWat, refusal, rewritten, SideBySide } from "../../harness/metered.ts";
import { CONSTRUCTS } from "./rewriter-constructs.ts";

function sourcesUnder(folder: string): string[] {
  return readdirSync(join(REPOSITORY_ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".wasm") && !name.includes("node_modules"))
    .map((name) => join(REPOSITORY_ROOT, folder, name));
}

describe("a metered module", () => {
  for (const { name, text, calls, imports } of CONSTRUCTS) {
    it(`computes the same: ${name}`, () => {
      const both = new SideBySide(modernWat(text), imports);
      for (const [exported, ...wire] of calls) {
        const { original, metered } = both.call(exported, ...wire);
        assert.equal(metered, original, `${exported}(${wire.join(", ")})`);
        assert.doesNotMatch(original, /is not a function/);
      }
      const memories = [both.original["memory"], both.metered["memory"]];
      const [one, other] = memories.map((it) =>
        it instanceof WebAssembly.Memory ? Buffer.from(it.buffer) : null,
      );
      assert.deepEqual(other, one);
    });
  }

  it("is valid for every filter of the repository, with the same imports and exports", () => {
    const files = sourcesUnder("examples");
    assert.ok(files.length >= 5);
    for (const file of files) {
      const bytes = readFileSync(file);
      const before = new WebAssembly.Module(bytes);
      const after = new WebAssembly.Module(
        rewritten(bytes, { pagesMax: 2_048, tableElementsMax: 250_000 }),
      );
      assert.deepEqual(WebAssembly.Module.exports(after), WebAssembly.Module.exports(before), file);
      assert.deepEqual(
        WebAssembly.Module.imports(after),
        [
          ...WebAssembly.Module.imports(before),
          { module: "granary", name: "look", kind: "function" },
        ],
        file,
      );
    }
  });

  it("names its functions as before in backtraces", () => {
    const text = `(module (import "h" "f" (func $imported))
      (func $inner (unreachable)) (func $outer (export "run") (call $inner)))`;
    const both = new SideBySide(modernWat(text), () => ({ h: { f: () => undefined } }));
    const stackOf = (exported: unknown): string[] => {
      try {
        (exported as () => void)();
      } catch (error) {
        return ((error as Error).stack ?? "").match(/at \w+ (?=\(wasm)/g) ?? [];
      }
      return [];
    };
    assert.deepEqual(stackOf(both.original["run"]), ["at inner ", "at outer "]);
    assert.deepEqual(stackOf(both.metered["run"]), ["at inner ", "at outer "]);
  });
});

/** Guests that never end by themselves. */
const ENDLESS: readonly (readonly [string, string])[] = [
  ["a loop", "(loop $l (br $l))"],
  ["a loop with parameters", "(i32.const 1) (loop $l (param i32) (br $l))"],
  ["a loop in a loop", "(loop $l (loop $m (br_if $m (i32.const 0))) (br $l))"],
  ["a tail call to itself", "(return_call $f)"],
  ["an indirect tail call to itself", "(return_call_indirect (type $v) (i32.const 0))"],
  ["calls that double", "(call $d0)"],
  ["a loop over hostcalls", "(loop $l (call $host) (br $l))"],
  [
    "a loop over bulk memory",
    "(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $l))",
  ],
  ["a loop that catches all", "(loop $l (try (do (loop $m (br $m))) (catch_all)) (br $l))"],
];
/** Each calls the next twice: 2 ** 40 calls. */
const DOUBLING = Array.from(
  { length: 40 },
  (_, i) => `(func $d${i} (call $d${i + 1}) (call $d${i + 1}))`,
);

describe("the CPU budget", () => {
  for (const [name, body] of ENDLESS) {
    it(`stops ${name}`, () => {
      const text = `(module (type $v (func)) (import "h" "host" (func $host)) (memory (export "memory") 1)
        (table 1 funcref) (elem (i32.const 0) $f) ${DOUBLING.join(" ")} (func $d40)
        (func $f (export "run") ${body}))`;
      const both = new SideBySide(modernWat(text), () => ({ h: { host: () => undefined } }));
      both.fuel = -1;
      const run = both.metered["run"] as () => void;
      assert.throws(run, { name: "RuntimeError", message: "unreachable" });
      assert.ok(both.looks >= 1 && both.looks < 10, `${both.looks} looks`);
    });
  }

  it("is looked at by calls through a table, when an import is in one", () => {
    const text = `(module (type $v (func)) (import "h" "host" (func $host))
      (table 1 funcref) (elem (i32.const 0) $host)
      (func (export "run") (param i32) (loop $l (call_indirect (type $v) (i32.const 0))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`;
    const both = new SideBySide(modernWat(text), () => ({ h: { host: () => undefined } }));
    (both.metered["run"] as (rounds: number) => void)(5_000);
    assert.ok(both.looks >= 5, `${both.looks} looks`);
  });

  it("is looked at every few times that memory grows", () => {
    const text = `(module (memory 1) (func (export "run") (result i32) (memory.grow (i32.const 1))))`;
    const both = new SideBySide(modernWat(text));
    const run = both.metered["run"] as () => number;
    for (let pages = 1; pages <= 20; pages++) assert.equal(run(), pages);
    assert.ok(both.looks >= 4, `${both.looks} looks`);
  });

  for (const [name, body] of [
    [
      "in a row",
      `(if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0))
        (else (i32.add (call $f (i32.sub (local.get 0) (i32.const 1)))
          (call $f (i32.sub (local.get 0) (i32.const 2))))))`,
    ],
    [
      "on one of two ways",
      `(if (i32.lt_s (local.get 0) (i32.const 2)) (then (return (local.get 0))))
       (if (result i32) (i32.and (local.get 0) (i32.const 1))
        (then (call $f (i32.sub (local.get 0) (i32.const 1))))
        (else (i32.add (call $f (i32.sub (local.get 0) (i32.const 1)))
          (call $f (i32.sub (local.get 0) (i32.const 2))))))`,
    ],
    [
      "behind a branch past the first",
      `(if (i32.lt_s (local.get 0) (i32.const 2)) (then (return (local.get 0))))
       (block (br_if 0 (i32.and (local.get 0) (i32.const 1)))
        (local.set 0 (i32.add (local.get 0) (call $f (i32.sub (local.get 0) (i32.const 2))))))
       (i32.add (call $f (i32.shr_u (local.get 0) (i32.const 1)))
        (call $f (i32.sub (local.get 0) (i32.const 3))))`,
    ],
  ] as const) {
    it(`is looked at by recursion before its calls, not where it ends: calls ${name}`, () => {
      const text = `(module (func $f (export "f") (param i32) (result i32) ${body}))`;
      const both = new SideBySide(modernWat(text));
      both.fuel = 3;
      for (let depth = 0; depth < 2; depth++) both.call("f", depth);
      assert.equal(both.looks, 0);
      const { original, metered } = both.call("f", 26);
      assert.equal(metered, original);
      // The first look is when the fuel of the start is used up.
      const looksBefore = both.looks;
      while (both.looks < looksBefore + 2) assert.equal(both.call("f", 26).metered, original);
      both.fuel = -1;
      assert.match(both.call("f", 26).metered, /unreachable/);
    });
  }

  it("is looked at on each way on which a recursion goes on", () => {
    const again = (less: number) =>
      `(call $f (i32.sub (local.get 0) (i32.const ${less})) (local.get 1))`;
    const both = `(i32.add ${again(1)} ${again(2)})`;
    const small = "(i32.lt_s (local.get 0) (i32.const 2))";
    const ways = [
      `(if (result i32) (local.get 1) (then ${both}) (else ${both}))`,
      `(block (br_if 0 (local.get 1)) (drop ${again(9)})) ${both}`,
    ];
    for (const way of ways) {
      const text = `(module (func $f (export "f") (param i32 i32) (result i32)
        (if ${small} (then (return (local.get 0)))) ${way}))`;
      for (const which of [0, 1]) {
        const pair = new SideBySide(modernWat(text));
        const { original, metered } = pair.call("f", 26, which);
        assert.equal(metered, original);
        assert.ok(pair.looks > 0, `${way} ${which}`);
      }
    }
  });

  it("is not looked at by code that is soon over", () => {
    const text = `(module (func (export "run") (param i32) (result i32)
      (i32.mul (local.get 0) (i32.const 3))))`;
    const both = new SideBySide(modernWat(text));
    for (let i = 0; i < 100_000; i++) (both.metered["run"] as (x: number) => void)(i);
    assert.equal(both.looks, 0);
  });
});

describe("instructions that cannot be metered", () => {
  for (const [name, text, reason] of [
    ["atomics", "(module (memory 1 1) (func (drop (i32.atomic.load (i32.const 0)))))", /threads/],
  ] as const) {
    it(`are refused: ${name}`, () => {
      assert.match(refusal(modernWat(text)), reason);
    });
  }

  for (const [name, code, reason] of [
    ["garbage collection", [0xfb, 0x00, 0x00], /garbage collection/],
    ["an unknown opcode", [0x27], /unknown instruction 0x27/],
    ["an unknown bulk opcode", [0xfc, 0x12], /unknown instruction 0xfc 18/],
    ["an unknown vector opcode", [0xfd, 0xff, 0x02], /unknown instruction 0xfd 383/],
    ["a second memory", [0x28, 0x40, 0x01, 0x00], /second memory/],
  ] as const) {
    it(`are refused: ${name}`, () => {
      const body = [0, ...code, 0x0b];
      const bytes = Uint8Array.of(
        ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0],
        ...[10, body.length + 2, 1, body.length, ...body],
      );
      assert.match(refusal(bytes), reason);
      assert.equal(refusal(bytes, { budget: "unmetered" }), "");
    });
  }
});
