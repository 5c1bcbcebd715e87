/**
 * Writes small guests in WAT: every hostcall is imported as `$proxy_...`, memory is one exported
 * page that a bump allocator gives out from 4096 on, and callbacks are bodies over `$ctx`, `$a`,
 * `$b`.
 */
import { CALLBACKS, type CallbackName, type CallbackSpec } from "../../src/abi/callback-table.ts";
import { HOSTCALL_NAMES, HOSTCALLS } from "../../src/abi/hostcall-table.ts";
import { type HostcallSpec, WIRE_ARITY } from "../../src/abi/hostcall-types.ts";
import { compileWat } from "./wat.ts";

export interface GuestSource {
  /** Further imports. */
  readonly imports?: string;
  /** Marker, as in the export's name; "" = none. */
  readonly abi?: string;
  readonly callbacks?: Readonly<Partial<Record<CallbackName, string>>>;
  /** Static bytes by offset below 4096, written as WAT strings. */
  readonly data?: Readonly<Record<number, string>>;
  /** Further module fields (globals, functions, exports). */
  readonly fields?: string;
  /** The allocator's field; it may use the global `$heap`. */
  readonly allocator?: string;
  readonly memory?: string;
}

const BUMP_ALLOCATOR = `
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))`;

function importField(name: (typeof HOSTCALL_NAMES)[number]): string {
  const spec: HostcallSpec = HOSTCALLS[name];
  const wire = spec.params.flatMap(([, kind]) =>
    kind === "i64" || kind === "u64"
      ? ["i64"]
      : Array.from({ length: WIRE_ARITY[kind] }, () => "i32"),
  );
  return `(import "env" "${name}" (func $${name} (param ${wire.join(" ")}) (result i32)))`;
}

const PARAM_NAMES = ["$ctx", "$a", "$b", "$c", "$d"];

function callbackField(name: CallbackName, body: string): string {
  const { arity, result }: CallbackSpec = CALLBACKS[name];
  const params = PARAM_NAMES.slice(0, arity).map((param) => `(param ${param} i32)`);
  const returns = result === "none" ? "" : "(result i32)";
  return `(func (export "${name}") ${params.join(" ")} ${returns} ${body})`;
}

/** The WAT text of a guest. */
export function guestText(source: GuestSource): string {
  const abi = source.abi ?? "0_2_1";
  const callbacks = Object.entries(source.callbacks ?? {});
  return `(module
  ${HOSTCALL_NAMES.map(importField).join("\n  ")}
  ${source.imports ?? ""}
  ${source.memory ?? '(memory (export "memory") 1)'}
  (global $heap (mut i32) (i32.const 4096))
  ${abi === "" ? "" : `(func (export "proxy_abi_version_${abi}"))`}
  ${source.allocator ?? BUMP_ALLOCATOR}
  ${Object.entries(source.data ?? {})
    .map(([at, text]) => `(data (i32.const ${at}) "${text}")`)
    .join("\n  ")}
  ${source.fields ?? ""}
  ${callbacks.map(([name, body]) => callbackField(name as CallbackName, body)).join("\n  ")}
)`;
}

/** A compiled guest. */
export function guestModule(source: GuestSource = {}): WebAssembly.Module {
  return new WebAssembly.Module(compileWat(guestText(source)));
}
