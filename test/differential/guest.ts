/**
 * The one guest of the differential suite: an interpreter in WebAssembly text. Its program, a list of
 * "in callback X call hostcall Y with arguments Z, then return R" (program.ts), is its VM
 * configuration, so the same module plays every case in Envoy and in Granary. Each callback and each
 * call is one log line of hexadecimal numbers that {@link import("./program.ts")} reads back.
 *
 * Memory: 0 arguments, 128 out-parameters, 256 variables, 512 constants, 1024 counters of callbacks
 * by section, 5120 sections, 8192 section of each context, 24576 the log line, 65536 the heap.
 */
import {
  CALLBACK_NAMES,
  CALLBACKS,
  type CallbackName,
  type CallbackSpec,
} from "../../src/abi/callback-table.ts";
import { HOSTCALL_NAMES, HOSTCALLS, type HostcallName } from "../../src/abi/hostcall-table.ts";
import { type HostcallSpec, WIRE_ARITY } from "../../src/abi/hostcall-types.ts";
import { compileWat } from "../harness/wat.ts";

export const GUEST_ABIS = ["0.1.0", "0.2.0", "0.2.1"] as const;
export type GuestAbi = (typeof GUEST_ABIS)[number];

/** Operations that are no hostcalls. */
export const SPECIAL = { trap: 200, save: 201, allocator: 202, grow: 203 } as const;
export const OUT_AT = 128;
export const OUT_SLOTS = 8;

/** What only some versions may import; everything else is common. */
const VERSIONS_OF: Partial<Record<HostcallName, readonly GuestAbi[]>> = {
  proxy_get_configuration: ["0.1.0"],
  proxy_continue_request: ["0.1.0"],
  proxy_continue_response: ["0.1.0"],
  proxy_clear_route_cache: ["0.1.0"],
  proxy_continue_stream: ["0.2.0", "0.2.1"],
  proxy_close_stream: ["0.2.0", "0.2.1"],
  proxy_get_log_level: ["0.2.1"],
};

/** Vendor functions that Envoy does not link. */
const isForeign = (name: HostcallName): boolean =>
  HOSTCALLS[name].since === "0.2.100" || HOSTCALLS[name].since === "envoy";

const isImported = (name: HostcallName, abi: GuestAbi): boolean =>
  !isForeign(name) && (VERSIONS_OF[name]?.includes(abi) ?? true);

/** Wire types of a hostcall's parameters. */
function wireTypes(name: HostcallName): readonly string[] {
  const spec: HostcallSpec = HOSTCALLS[name];
  return spec.params.flatMap(([, kind]) =>
    kind === "i64" || kind === "u64" ? ["i64"] : Array<string>(WIRE_ARITY[kind]).fill("i32"),
  );
}

function importField(name: HostcallName): string {
  const types = wireTypes(name);
  const param = types.length === 0 ? "" : `(param ${types.join(" ")})`;
  return `(import "env" "${name}" (func $${name} ${param} (result i32)))`;
}

/** Calls the hostcall with the arguments that lie in memory. */
function trampoline(name: HostcallName, abi: GuestAbi): string {
  if (!isImported(name, abi)) return `(func $h_${name} (result i32) (unreachable))`;
  const args = wireTypes(name).map((type, at) => `(${type}.load (i32.const ${at * 8}))`);
  return `(func $h_${name} (result i32) (call $${name} ${args.join(" ")}))`;
}

function callbackField(name: CallbackName, abi: GuestAbi): string {
  const spec: CallbackSpec = CALLBACKS[name];
  const isShort = abi === "0.1.0" && spec.result === "headers";
  const arity = isShort ? 2 : spec.arity;
  const args = Array.from({ length: 5 }, (_, at) =>
    at < arity ? `(local.get ${at})` : "(i32.const 0)",
  );
  const fixed = `(i32.const ${CALLBACK_NAMES.indexOf(name)}) (i32.const ${arity})`;
  const usual = spec.result === "bool" ? 1 : 0;
  const call = `(call $run ${fixed} (i32.const ${usual}) ${args.join(" ")})`;
  const params = `(param ${Array<string>(arity).fill("i32").join(" ")})`;
  return spec.result === "none"
    ? `(func (export "${name}") ${params} (drop ${call}))`
    : `(func (export "${name}") ${params} (result i32) ${call})`;
}

const HELPERS = `
  (func $put (param $byte i32)
    (i32.store8 (global.get $line) (local.get $byte))
    (global.set $line (i32.add (global.get $line) (i32.const 1))))
  (func $digit (param $value i32)
    (call $put (i32.add (local.get $value)
      (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $value) (i32.const 9))))))
  (func $byte (param $value i32)
    (call $digit (i32.and (i32.shr_u (local.get $value) (i32.const 4)) (i32.const 15)))
    (call $digit (i32.and (local.get $value) (i32.const 15))))
  (func $word (param $value i32)
    (call $put (i32.const 32))
    (call $byte (i32.shr_u (local.get $value) (i32.const 24)))
    (call $byte (i32.and (i32.shr_u (local.get $value) (i32.const 16)) (i32.const 255)))
    (call $byte (i32.and (i32.shr_u (local.get $value) (i32.const 8)) (i32.const 255)))
    (call $byte (i32.and (local.get $value) (i32.const 255))))
  (func $dump (param $ptr i32) (param $len i32) (local $at i32) (local $hash i32)
    (call $put (i32.const 32))
    (local.set $hash (i32.const 0x811c9dc5))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $len)))
      (local.set $hash (i32.mul (i32.const 0x01000193) (i32.xor (local.get $hash)
        (i32.load8_u (i32.add (local.get $ptr) (local.get $at))))))
      (if (i32.lt_u (local.get $at) (i32.const 1024))
        (then (call $byte (i32.load8_u (i32.add (local.get $ptr) (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
    (call $word (local.get $hash)))
  (func $start (param $mark i32)
    (global.set $line (i32.const 24576))
    (call $put (i32.const 64))
    (call $put (local.get $mark)))
  (func $end
    (drop (call $proxy_log (i32.const 2) (i32.const 24576)
      (i32.sub (global.get $line) (i32.const 24576)))))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32) (local $ptr i32)
    (if (i32.eq (global.get $allocator) (i32.const 1)) (then (return (i32.const 0))))
    (if (i32.eq (global.get $allocator) (i32.const 2)) (then (return (i32.const 0x7ffffff0))))
    (if (i32.eq (global.get $allocator) (i32.const 3)) (then (unreachable)))
    (if (i32.eq (global.get $allocator) (i32.const 4))
      (then (drop (memory.grow (i32.const 1)))))
    (local.set $ptr (global.get $heap))
    (global.set $heap (i32.and (i32.const -8)
      (i32.add (i32.add (local.get $ptr) (local.get $size)) (i32.const 7))))
    (block $fits (loop $more
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $fits (i32.lt_s (memory.grow (i32.const 4)) (i32.const 0)))
      (br $more)))
    (local.get $ptr))
  (func $recurse (param $depth i32) (result i32)
    (i32.add (i32.const 1) (call $recurse (i32.add (local.get $depth) (i32.const 1)))))
  (func $trap (param $kind i32)
    (if (i32.eq (local.get $kind) (i32.const 1)) (then (drop (call $recurse (i32.const 0)))))
    (if (i32.eq (local.get $kind) (i32.const 2)) (then (drop (i32.load (i32.const -8)))))
    (if (i32.eq (local.get $kind) (i32.const 3))
      (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))
    (unreachable))`;

/** Reads the program, and the section of a new context: by its plugin's root id, or its parent's. */
const SECTIONS = `
  (func $load (local $at i32) (local $left i32)
    (drop (call $proxy_get_buffer_bytes (i32.const 6) (i32.const 0) (i32.const -1)
      (i32.const 600) (i32.const 604)))
    (global.set $program (i32.load (i32.const 600)))
    (if (i32.eqz (global.get $program)) (then (return)))
    (local.set $left (i32.load8_u (global.get $program)))
    (local.set $at (i32.add (global.get $program) (i32.const 1)))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (i32.store offset=5120
        (i32.mul (i32.const 4) (i32.and (i32.load8_u (local.get $at)) (i32.const 31)))
        (i32.add (global.get $program) (i32.load offset=1 (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 5)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next))))
  (func $slot (param $context i32) (result i32)
    (i32.mul (i32.const 4) (i32.and (local.get $context) (i32.const 4095))))
  (func $create (param $context i32) (param $parent i32) (local $section i32)
    (if (i32.eqz (global.get $program)) (then (call $load)))
    (local.set $section (i32.const 1))
    (if (local.get $parent)
      (then (local.set $section (i32.load offset=8192 (call $slot (local.get $parent)))))
      (else
        (i32.store (i32.const 604) (i32.const 0))
        (drop (call $proxy_get_property (i32.const 512) (i32.const 14)
          (i32.const 600) (i32.const 604)))
        (if (i32.load (i32.const 604)) (then
          (local.set $section (i32.and (i32.const 31) (i32.load8_u (i32.load (i32.const 600)))))))))
    (i32.store offset=8192 (call $slot (local.get $context)) (local.get $section)))`;

const RUN = `
  (func $argument (param $kind i32) (param $value i64) (result i64)
    (block $other
      (block $last (block $edge (block $context (block $variable (block $out (block $blob
        (br_table $other $blob $out $variable $context $edge $last $other (local.get $kind)))
      (return (i64.add (local.get $value) (i64.extend_i32_u (global.get $program)))))
      (return (i64.add (i64.const ${OUT_AT}) (i64.mul (local.get $value) (i64.const 8)))))
      (return (i64.load32_u offset=256
        (i32.mul (i32.const 4) (i32.wrap_i64 (local.get $value))))))
      (return (i64.extend_i32_u (global.get $context))))
      (return (i64.add (local.get $value)
        (i64.extend_i32_u (i32.mul (memory.size) (i32.const 65536))))))
      (return (i64.load32_u offset=${OUT_AT}
        (i32.mul (i32.const 8) (i32.wrap_i64 (local.get $value))))))
    (local.get $value))
  (func $special (param $op i32)
    (if (i32.eq (local.get $op) (i32.const ${SPECIAL.trap}))
      (then (call $trap (i32.load (i32.const 0)))))
    (if (i32.eq (local.get $op) (i32.const ${SPECIAL.save}))
      (then (i32.store offset=256 (i32.mul (i32.const 4) (i32.load (i32.const 0)))
        (i32.load (i32.const 8)))))
    (if (i32.eq (local.get $op) (i32.const ${SPECIAL.allocator}))
      (then (global.set $allocator (i32.load (i32.const 0)))))
    (if (i32.eq (local.get $op) (i32.const ${SPECIAL.grow}))
      (then (drop (memory.grow (i32.load (i32.const 0)))))))
  (func $call (param $op i32) (param $slot i32) (param $index i32) (local $status i32)
    (memory.fill (i32.const ${OUT_AT}) (i32.const 0xee) (i32.const ${OUT_SLOTS * 8}))
    (local.set $status (call_indirect (type $thunk) (local.get $op)))
    (call $start (i32.const 35))
    (call $word (local.get $index))
    (call $word (local.get $status))
    (call $word (i32.load offset=${OUT_AT} (i32.const 0)))
    (call $word (i32.load offset=${OUT_AT + 4} (i32.const 0)))
    (call $word (i32.load offset=${OUT_AT + 8} (i32.const 0)))
    (call $word (i32.load offset=${OUT_AT + 16} (i32.const 0)))
    (if (i32.and (i32.ne (local.get $slot) (i32.const 255))
      (i32.ne (i32.const 0xeeeeeeee)
        (i32.load offset=${OUT_AT} (i32.mul (local.get $slot) (i32.const 8)))))
      (then (call $dump
        (i32.load offset=${OUT_AT} (i32.mul (local.get $slot) (i32.const 8)))
        (i32.load offset=${OUT_AT + 8} (i32.mul (local.get $slot) (i32.const 8))))))
    (call $end))
  (func $step (param $at i32) (result i32) (local $left i32) (local $to i32) (local $from i32)
    (local.set $left (i32.load8_u offset=1 (local.get $at)))
    (local.set $from (i32.add (local.get $at) (i32.const 6)))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (i64.store (local.get $to) (call $argument
        (i32.load8_u (local.get $from)) (i64.load offset=1 (local.get $from))))
      (local.set $from (i32.add (local.get $from) (i32.const 9)))
      (local.set $to (i32.add (local.get $to) (i32.const 8)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
    (if (i32.ge_u (i32.load8_u (local.get $at)) (i32.const 200))
      (then (call $special (i32.load8_u (local.get $at))))
      (else (call $call (i32.load8_u (local.get $at)) (i32.load8_u offset=2 (local.get $at))
        (i32.load16_u offset=4 (local.get $at)))))
    (local.get $from))
  (func $run (param $callback i32) (param $arity i32) (param $usual i32) (param $context i32)
    (param $b i32) (param $c i32) (param $d i32) (param $e i32) (result i32)
    (local $section i32) (local $rules i32) (local $rule i32) (local $count i32) (local $steps i32)
    (local $at i32)
    (if (i32.eqz (local.get $callback))
      (then (call $create (local.get $context) (local.get $b))))
    (global.set $context (local.get $context))
    (call $start (i32.const 62))
    (call $word (local.get $callback))
    (call $word (local.get $context))
    (if (i32.gt_u (local.get $arity) (i32.const 1)) (then (call $word (local.get $b))))
    (if (i32.gt_u (local.get $arity) (i32.const 2)) (then (call $word (local.get $c))))
    (if (i32.gt_u (local.get $arity) (i32.const 3)) (then (call $word (local.get $d))))
    (if (i32.gt_u (local.get $arity) (i32.const 4)) (then (call $word (local.get $e))))
    (call $end)
    (local.set $section (i32.load offset=8192 (call $slot (local.get $context))))
    (local.set $at (i32.add (i32.mul (local.get $section) (i32.const 128))
      (i32.mul (local.get $callback) (i32.const 4))))
    (local.set $count (i32.add (i32.const 1) (i32.load offset=1024 (local.get $at))))
    (i32.store offset=1024 (local.get $at) (local.get $count))
    (local.set $rule (i32.load offset=5120 (i32.mul (local.get $section) (i32.const 4))))
    (if (i32.eqz (local.get $rule)) (then (return (local.get $usual))))
    (local.set $rules (i32.load16_u (local.get $rule)))
    (local.set $rule (i32.add (local.get $rule) (i32.const 2)))
    (block $none (loop $next
      (br_if $none (i32.eqz (local.get $rules)))
      (if (i32.and
          (i32.eq (i32.load8_u (local.get $rule)) (local.get $callback))
          (i32.or (i32.eqz (i32.load8_u offset=1 (local.get $rule)))
            (i32.eq (i32.load8_u offset=1 (local.get $rule)) (local.get $count))))
        (then
          (local.set $steps (i32.load16_u offset=2 (local.get $rule)))
          (local.set $at (i32.add (local.get $rule) (i32.const 12)))
          (block $end (loop $more
            (br_if $end (i32.eqz (local.get $steps)))
            (local.set $at (call $step (local.get $at)))
            (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
            (br $more)))
          (return (i32.load offset=4 (local.get $rule)))))
      (local.set $rule (i32.add (i32.add (local.get $rule) (i32.const 12))
        (i32.load offset=8 (local.get $rule))))
      (local.set $rules (i32.sub (local.get $rules) (i32.const 1)))
      (br $next)))
    (local.get $usual))`;

/** Callbacks that Envoy does not know are not exported. */
const EXPORTED = CALLBACK_NAMES.filter((name) => CALLBACKS[name].since !== "0.2.100");

/** The module's text for one ABI version. */
function guestText(abi: GuestAbi): string {
  const imported = HOSTCALL_NAMES.filter((name) => isImported(name, abi));
  return `(module
  (type $thunk (func (result i32)))
  ${imported.map(importField).join("\n  ")}
  (memory (export "memory") 2)
  (data (i32.const 512) "plugin_root_id")
  (global $line (mut i32) (i32.const 24576))
  (global $heap (mut i32) (i32.const 65536))
  (global $program (mut i32) (i32.const 0))
  (global $context (mut i32) (i32.const 0))
  (global $allocator (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_${abi.replaceAll(".", "_")}"))
  ${HELPERS}
  ${SECTIONS}
  ${RUN}
  ${HOSTCALL_NAMES.map((name) => trampoline(name, abi)).join("\n  ")}
  (table ${HOSTCALL_NAMES.length} funcref)
  (elem (i32.const 0) ${HOSTCALL_NAMES.map((name) => `$h_${name}`).join(" ")})
  ${EXPORTED.map((name) => callbackField(name, abi)).join("\n  ")})`;
}

/** The binary for one ABI version. */
export function guestModule(abi: GuestAbi): Uint8Array {
  return compileWat(guestText(abi));
}
