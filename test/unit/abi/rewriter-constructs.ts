/** Small modules that use each construct which the rewriter has to walk, shift or keep. */

export interface Construct {
  readonly name: string;
  readonly text: string;
  /** Export and arguments. */
  readonly calls: readonly (readonly [string, ...unknown[]])[];
  readonly imports?: () => WebAssembly.Imports;
}

const count = (from: number): readonly (readonly [string, number])[] =>
  [from, 0, 1, 2, 5_000, 100_000].map((n) => ["run", n] as const);

const tag = (): WebAssembly.Imports => {
  let calls = 0;
  return { h: { a: (x: number) => x + ++calls, b: () => 7 } };
};

/** A function `run (n) -> i32`. */
const run = (body: string, fields = "", locals = ""): string =>
  `(module ${fields} (func $run (export "run") (param $n i32) (result i32) (local $s i32) ${locals} ${body}))`;

const DOWN = "(local.tee $n (i32.sub (local.get $n) (i32.const 1)))";
const ADD = "(local.set $s (i32.add (i32.mul (local.get $s) (i32.const 31)) (local.get $n)))";

export const CONSTRUCTS: readonly Construct[] = [
  {
    name: "loops in loops, with branches over several of them",
    text: run(
      `(block $out (loop $a ${ADD}
        (br_if $out (i32.le_s (local.get $n) (i32.const 0)))
        (loop $b ${ADD}
          (br_if $a (i32.eqz (i32.rem_s ${DOWN} (i32.const 7))))
          (loop $c (br_if $out (i32.eqz (i32.rem_s (local.get $n) (i32.const 1001))))
            (br_if $b (i32.eqz (i32.rem_s ${DOWN} (i32.const 5))))
            (br_if $c (i32.gt_s (local.get $n) (i32.const 0)))))))
       (local.get $s)`,
    ),
    calls: count(12_345),
  },
  {
    name: "small loops, left and gone round from everywhere",
    text: run(
      `(loop $o
        (block $b (loop $l
          (if (i32.and (local.get $n) (i32.const 1)) (then
            (br_if $l (i32.gt_s ${DOWN} (i32.const 3)))) (else
            (br_if $b (i32.eqz (i32.and (local.get $n) (i32.const 30))))))
          (local.set $s (i32.add (local.get $s) (i32.const 1)))
          (br_if $o (i32.eq (local.get $n) (i32.const 17)))
          (br_if $l (i32.gt_s ${DOWN} (i32.const 0)))))
        ${ADD}
        (loop $m ${ADD})
        (loop $k (block (br_if 1 (i32.and (local.tee $n (i32.sub (local.get $n) (i32.const 3))) (i32.const 4)))))
        (br_if $o (i32.gt_s (local.get $n) (i32.const 0))))
       (local.get $s)`,
    ),
    calls: [
      ...count(1_000),
      ...[3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 31, 33].map((n) => ["run", n] as const),
    ],
  },
  {
    name: "branch tables out of loops",
    text: run(
      `(block $out (loop $a (block $x (block $y (loop $b
          (br_table $b $x $y $a $out (i32.rem_u ${DOWN} (i32.const 6)))) (local.set $s (i32.add (local.get $s) (i32.const 3))))
        (local.set $s (i32.add (local.get $s) (i32.const 5))) (br_if $a (i32.gt_s (local.get $n) (i32.const 0))))))
       (local.get $s)`,
    ),
    calls: [1, 2, 3, 4, 5, 6, 7, 12, 600].map((n) => ["run", n] as const),
  },
  {
    name: "a loop with parameters and several results",
    text: run(
      `(i32.const 1) (i64.const 2)
       (loop $l (param i32 i64) (result i64 i32)
         (local.set $w) (local.set $s)
         (i32.mul (local.get $s) (i32.const 3)) (i64.add (local.get $w) (i64.const 5))
         (br_if $l (i32.gt_s ${DOWN} (i32.const 0)))
         (local.set $w) (local.set $s) (local.get $w) (local.get $s))
       (local.set $s) (i32.wrap_i64) (i32.add (local.get $s))`,
      "",
      "(local $w i64)",
    ),
    calls: count(77),
  },
  {
    name: "a loop with a result, in an if with a result, with a branch out of the function",
    text: run(
      `(if (result i32) (local.get $n)
         (then (loop $l (result i32) ${ADD} (br_if $l (i32.gt_s ${DOWN} (i32.const 0))) (br 2 (local.get $s))))
         (else (loop (result i32) (return (i32.const -1)))))`,
    ),
    calls: count(9),
  },
  {
    name: "recursion, direct and through a table, and tail calls",
    text: `(module (type $t (func (param i32) (result i32))) (table (export "table") 3 10 funcref)
      (elem (i32.const 0) $fib $even $odd)
      (func $fib (export "run") (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0))
          (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
            (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 2)) (i32.const 0))))))
      (func $even (export "even") (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
        (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
      (func $odd (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1))))`,
    calls: [
      ["run", 20],
      ["even", 100_000],
      ["even", 100_001],
      ["even", 0],
    ],
  },
  {
    name: "imports of functions and globals, exports of them, a start function",
    text: `(module (import "h" "a" (func $a (param i32) (result i32))) (import "h" "b" (func $b (result i32)))
      (global $g (mut i32) (i32.const 5)) (export "again" (func $a)) (export "other" (func $b))
      (func $start (global.set $g (i32.add (global.get $g) (call $b)))) (start $start)
      (func $run (export "run") (param i32) (result i32)
        (call $a (i32.add (call $b) (i32.add (global.get $g) (local.get 0))))))`,
    calls: [["run", 1], ["again", 10], ["other"], ["run", 2]],
    imports: tag,
  },
  {
    name: "references to functions in globals, tables and element segments of every form",
    text: `(module (type $t (func (result i32)))
      (import "h" "b" (func $b (result i32))) (import "h" "a" (func $a (param i32) (result i32)))
      (table $one 8 funcref) (table $two (export "two") 8 16 funcref) (table $ext 2 externref)
      (global $g funcref (ref.func $f1)) (global $n funcref (ref.null func))
      (elem (i32.const 0) $f0 $b)
      (elem $passive func $f1 $f2 $b)
      (elem (table $two) (i32.const 1) func $f2)
      (elem declare func $f3)
      (elem (table $two) (i32.const 2) funcref (ref.func $f1) (ref.null func) (ref.func $b))
      (elem $exprs funcref (ref.func $f3) (ref.func $f0))
      (func $f0 (result i32) (i32.const 100)) (func $f1 (result i32) (i32.const 101))
      (func $f2 (result i32) (i32.const 102)) (func $f3 (result i32) (i32.const 103))
      (func (export "one") (param i32) (result i32) (call_indirect $one (type $t) (local.get 0)))
      (func (export "in-two") (param i32) (result i32) (call_indirect $two (type $t) (local.get 0)))
      (func (export "fill") (param i32) (result i32)
        (table.init $one $passive (i32.const 2) (i32.const 0) (i32.const 3)) (elem.drop $passive)
        (table.init $two $exprs (i32.const 6) (i32.const 0) (i32.const 2))
        (table.copy $one $two (i32.const 5) (i32.const 6) (i32.const 2))
        (table.set $two (i32.const 0) (global.get $g))
        (table.fill $two (i32.const 5) (ref.func $f3) (i32.const 1))
        (ref.is_null (global.get $n)) (table.size $one) (i32.add))
      (func (export "grow") (param i32) (result i32) (table.grow $two (ref.func $f0) (local.get 0))))`,
    calls: [
      ...["one", "in-two"].flatMap((name) => [0, 1, 2, 3, 4].map((i) => [name, i] as const)),
      ["fill", 0],
      ...["one", "in-two"].flatMap((name) =>
        [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => [name, i] as const),
      ),
      ["grow", 2],
      ["in-two", 9],
      ["grow", 100_000],
      ["fill", 0],
    ],
    imports: tag,
  },
  {
    name: "bulk memory, memory growth, data segments",
    text: `(module (memory (export "memory") 1 4) (data (i32.const 10) "hello") (data $d "passive")
      (func (export "run") (param i32) (result i32)
        (memory.copy (i32.const 100) (i32.const 10) (i32.const 5))
        (memory.fill (i32.const 200) (i32.const 65) (local.get 0))
        (memory.init $d (i32.const 300) (i32.const 1) (i32.const 4)) 
        (i32.add (memory.size) (i32.load8_u (i32.const 201))))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "drop") (data.drop $d)))`,
    calls: [
      ["run", 10],
      ["grow", 1],
      ["grow", 10],
      ["run", 70_000],
      ["run", 100_000],
      ["drop"],
      ["run", 1],
    ],
  },
  {
    name: "exceptions, caught, delegated and thrown again, across loops",
    text: `(module (tag $e (param i32)) (tag $x)
      (func $throw (param i32) (if (i32.and (local.get 0) (i32.const 1)) (then (throw $e (local.get 0)))) (throw $x))
      (func (export "run") (param $n i32) (result i32) (local $s i32)
        (loop $l
          (try $t (do (loop $m (try (do (call $throw (local.get $n))) (delegate $t))))
            (catch $e (local.set $s (i32.add (local.get $s)))
              (block (br_if 0 (i32.rem_s (local.get $n) (i32.const 5)))
                (try (do (loop $k (rethrow 3))) (catch_all (local.set $s (i32.add (local.get $s) (i32.const 1000)))))))
            (catch_all (local.set $s (i32.add (local.get $s) (i32.const 7)))))
          (br_if $l (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
        (local.get $s))
      (func (export "escapes") (param i32) (loop (call $throw (local.get 0)))))`,
    calls: [
      ["run", 1],
      ["run", 10],
      ["run", 501],
      ["escapes", 1],
    ],
  },
  {
    name: "vectors with every kind of immediate",
    text: run(
      `(loop $l (v128.store (i32.const 0) (i8x16.shuffle 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0
          (i32x4.add (v128.load (i32.const 0)) (i32x4.splat (local.get $n))) (v128.const i32x4 1 2 3 0x40030b0b)))
        (v128.store (i32.const 16) (v128.load32_lane offset=4 2 (i32.const 0) (v128.load64_splat (i32.const 8))))
        (v128.store64_lane 1 (i32.const 32) (i64x2.replace_lane 1 (v128.load32_zero (i32.const 4)) (i64.const 77)))
        (local.set $s (i32.add (local.get $s) (i8x16.extract_lane_u 3 (v128.load8x8_s (i32.const 2)))))
        (br_if $l (i32.gt_s ${DOWN} (i32.const 0)))) (local.get $s)`,
      '(memory (export "memory") 1)',
    ),
    calls: count(99),
  },
  {
    name: "numbers: sign extension, saturation, constants whose bytes look like opcodes",
    text: `(module (func (export "f") (param f64) (result i32 i64 f32)
        (loop (nop)) (i32.trunc_sat_f64_s (local.get 0)) (i64.trunc_sat_f64_u (local.get 0))
        (f32.add (f32.const 0x1.061616p+10) (f32.demote_f64 (local.get 0))))
      (func (export "g") (param i64) (result i64) (loop (nop))
        (i64.xor (i64.extend8_s (local.get 0)) (i64.add (i64.const 0x0b0b0b0b03030303) (i64.const -0x1010101010101010))))
      (func (export "h") (param i32) (result i32) (loop (nop)) (i32.add (i32.const 0x0b100340) (i32.extend16_s (local.get 0))))
      (func (export "i") (param i32) (result f64) (loop (nop)) (select (result f64) (f64.const 0x1.30b0310b0b0b0p+3) (f64.const nan) (local.get 0))))`,
    calls: [
      ["f", 1.5],
      ["f", Number.NaN],
      ["f", 1e300],
      ["g", 0x80n],
      ["h", 0x8000],
      ["i", 0],
      ["i", 1],
    ],
  },
  {
    name: "traps",
    text: `(module (memory (export "memory") 1)
      (func (export "div") (param i32) (result i32) (loop (nop)) (i32.div_s (i32.const 1) (local.get 0)))
      (func (export "load") (param i32) (result i32) (loop (nop)) (i32.load (local.get 0)))
      (func (export "stop") (loop (unreachable)))
      (func $deep (export "deep") (call $deep)))`,
    calls: [
      ["div", 0],
      ["div", 1],
      ["load", 65_533],
      ["load", 65_532],
      ["load", -1],
      ["stop"],
      ["deep"],
    ],
  },
  {
    name: "code after a branch, which is never run",
    text: run(
      `(block $b (br $b) (loop $l (drop (call $run (i32.const 1))) (br $l)) (unreachable)) (return (local.get $n)) (loop $k (br $k))`,
    ),
    calls: count(3),
  },
];
