/**
 * What the CPU budget costs: code as it is against the same code metered, in turns, best of 25
 * rounds (streams: of 400 small ones). "noise" runs the original against itself.
 *
 * 2026-11-25, 2 vCPU with much other load, Node 20 (best of five runs [range]):
 * | what                                             | cost                   | noise   |
 * |--------------------------------------------------|------------------------|---------|
 * | FNV-1a hash of 60,000 bytes                      | 0 % [-0.7, 0.0]        | 0.4 %   |
 * | sieve of primes up to 60,000 (2026-11-29)        | 3 % (17 % before)      | 0.6 %   |
 * | product of 60x60 matrices of f64                 | 6 % [2.9, 6.4]         | 4.3 %   |
 * | scan of 60,000 bytes for the end of a line       | -4 % [-6.0, -4.0]      | 2.3 %   |
 * | sum of 15,000 words (three instructions a round) | 1 % [0.5, 1.2]         | 0.7 %   |
 * | Fibonacci by recursion (2026-11-29)              | 5 % (63 % before)      | 0.1 %   |
 * | a stream through the Rust header filter          | 0 to 0.1 us of 2.0 us  | 0.02 us |
 * | a stream through the Go toolbox                  | 0.3 to 0.5 us of 3.1 us| 0.04 us |
 *
 * Conclusions: a call in the guest's loop, even one that is never made, costs 1 to 2 ns a round
 * (values leave their registers): 157 % on a tight loop. In a loop of ours around it, it costs the
 * subtraction and the branch: 15 to 30 %. Four copies of a small loop share one of these: nothing.
 * A call that pays costs 1.5 ns; functions that do little and call little pay nothing, which saves
 * a third of the cost of Go.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BUDGET_IMPORT, FUEL } from "../../src/abi/budget-code.ts";
import { rewriteModule } from "../../src/abi/module-rewriter.ts";
import { LIMITS } from "../../src/base/limits.ts";
import { createPluginHost } from "../../src/vm/plugin-host.ts";
import { FakeThread } from "../../test/harness/fake-roles.ts";
import { REPOSITORY_ROOT } from "../../test/harness/filter-rig.ts";
import { CODE_SHA, configWith, pluginConfig } from "../../test/harness/plugin-fixture.ts";
import { compileWat } from "../../test/harness/wat.ts";
import { headerStream } from "./header-stream.ts";

const ROUNDS = 25;
/** Streams are short: many small rounds find a quiet moment. */
const STREAM_ROUNDS = 400;

/** Guests of one kind of work each: `run (n)`. */
const WORK: readonly (readonly [name: string, n: number, text: string])[] = [
  [
    "FNV-1a hash of 60,000 bytes",
    60,
    `(loop $o (local.set $i (i32.const 60000)) (local.set $h (i32.const 0x811c9dc5))
      (loop $l (local.set $h (i32.mul (i32.xor (local.get $h) (i32.load8_u (local.get $i))) (i32.const 0x01000193)))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (br_if $o (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get $h)`,
  ],
  [
    "sieve of primes up to 60,000",
    10,
    `(loop $o (memory.fill (i32.const 0) (i32.const 1) (i32.const 60000)) (local.set $i (i32.const 2))
      (loop $p (if (i32.load8_u (local.get $i)) (then
          (local.set $h (i32.add (local.get $i) (local.get $i)))
          (block $d (loop $m (br_if $d (i32.ge_u (local.get $h) (i32.const 60000)))
            (i32.store8 (local.get $h) (i32.const 0))
            (local.set $h (i32.add (local.get $h) (local.get $i))) (br $m)))))
        (br_if $p (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60000))))
      (br_if $o (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get $i)`,
  ],
  [
    "product of 60x60 matrices of f64",
    3,
    `(loop $o (local.set $i (i32.const 0)) (loop $r (local.set $j (i32.const 0)) (loop $c
        (local.set $f (f64.const 0)) (local.set $k (i32.const 0))
        (loop $s (local.set $f (f64.add (local.get $f) (f64.mul
            (f64.load (i32.add (i32.mul (local.get $i) (i32.const 480)) (i32.shl (local.get $k) (i32.const 3))))
            (f64.load (i32.add (i32.mul (local.get $k) (i32.const 480)) (i32.shl (local.get $j) (i32.const 3)))))))
          (br_if $s (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 60))))
        (f64.store (i32.add (i32.const 30000) (i32.shl (local.get $j) (i32.const 3))) (local.get $f))
        (br_if $c (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 60))))
        (br_if $r (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60))))
      (br_if $o (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (i32.trunc_sat_f64_s (local.get $f))`,
  ],
  [
    "scan of 60,000 bytes for the end of a line",
    60,
    `(loop $o (local.set $i (i32.const 0)) (local.set $h (i32.const 0))
      (loop $l (if (i32.eq (i32.load8_u (local.get $i)) (i32.const 10)) (then (local.set $h (i32.add (local.get $h) (i32.const 1)))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60000))))
      (br_if $o (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get $h)`,
  ],
  [
    "sum of 15,000 words (three instructions a round)",
    100,
    `(loop $o (local.set $i (i32.const 60000)) (loop $l
        (local.set $h (i32.add (local.get $h) (i32.load (local.get $i))))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 4)))))
      (br_if $o (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get $h)`,
  ],
  [
    "Fibonacci by recursion (nothing but calls)",
    24,
    `(if (i32.lt_s (local.get $n) (i32.const 2)) (then (return (local.get $n))))
      (i32.add (call $run (i32.sub (local.get $n) (i32.const 1))) (call $run (i32.sub (local.get $n) (i32.const 2))))`,
  ],
];

function metered(bytes: Uint8Array): Uint8Array {
  const options = {
    pagesMax: 2_048,
    tableElementsMax: LIMITS.tableElements,
    growth: "free",
  } as const;
  const result = rewriteModule(bytes, { ...options, budget: "metered" });
  if (result.kind === "refused") throw new Error(result.reason);
  return result.bytes;
}

/** Best time of each body, in turns. */
function race(bodies: readonly (() => unknown)[], rounds = ROUNDS): number[] {
  const best = bodies.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds + 3; round++) {
    for (const [i, body] of bodies.entries()) {
      const start = process.hrtime.bigint();
      body();
      const ns = Number(process.hrtime.bigint() - start);
      if (round >= 3) best[i] = Math.min(best[i] as number, ns);
    }
  }
  return best;
}

function report(name: string, count: number, best: readonly number[]): void {
  const [plain, again, cost] = best as [number, number, number];
  const percent = (ns: number): string => `${((ns / plain - 1) * 100).toFixed(1)} %`.padStart(8);
  const us = (ns: number): string => (ns / 1_000 / count).toFixed(3).padStart(10);
  process.stdout.write(
    `${name.padEnd(50)} ${us(plain)} us  metered ${us(cost)} us ${percent(cost)}  noise ${percent(again)}\n`,
  );
}

function computeLoops(): void {
  let looks = 0;
  const look = (): number => {
    looks++;
    process.hrtime.bigint();
    return FUEL;
  };
  for (const [name, n, body] of WORK) {
    const text = `(module (memory 2) (func $run (export "run") (param $n i32) (result i32)
      (local $i i32) (local $h i32) (local $j i32) (local $k i32) (local $f f64) ${body}))`;
    const bytes = compileWat(text);
    const instances = [bytes, bytes, metered(bytes)].map((code) => {
      const imports = { [BUDGET_IMPORT.module]: { [BUDGET_IMPORT.name]: look } };
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), imports);
      return exports["run"] as (n: number) => number;
    });
    report(name, 1, race(instances.map((run) => () => run(n))));
  }
  if (looks === 0) throw new Error("metered code never looked at its budget");
}

/** Whole streams through a filter that adds a header to request and response. */
function headerFilter(name: string, path: string, streams: number): void {
  const bytes = readFileSync(join(REPOSITORY_ROOT, path));
  const bodies = [bytes, bytes, metered(bytes)].map((code) => {
    const modules = new Map([[CODE_SHA, new WebAssembly.Module(code)]]);
    const config = pluginConfig({ configuration: Buffer.from("{}") });
    const thread = new FakeThread();
    thread.level = 6;
    const options = { config: configWith([config]), modules, singletons: "here" } as const;
    const host = createPluginHost({ ...options, roles: thread });
    const problems = host.start();
    if (problems.length > 0) throw new Error(problems.join("\n"));
    const plugin = host.plugin(config);
    return (): void => {
      for (let i = 0; i < streams; i++) {
        headerStream(plugin);
      }
    };
  });
  report(name, streams, race(bodies, STREAM_ROUNDS));
}

computeLoops();
headerFilter(
  "a stream through the Rust header filter",
  "examples/filters/rust/add-header/add-header.wasm",
  250,
);
headerFilter("a stream through the Go toolbox", "examples/filters/go/toolbox/toolbox.wasm", 250);
