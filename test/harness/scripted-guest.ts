/**
 * Writes guests whose callbacks are lists of short steps: each step is WAT that calls one hostcall
 * or notes something in the log. Texts lie in static data; `note` writes `<text> <x> <y>`.
 */
import type { CallbackName } from "../../src/abi/callback-table.ts";
import { type GuestSource, guestText } from "./guest-source.ts";
import { compileWat } from "./wat.ts";

/** `(result)` values of callbacks. */
export const CONTINUE = "(i32.const 0)";
export const STOP = "(i32.const 1)";
/** Body callbacks: StopIterationNoBuffer. */
export const STOP_NO_BUFFER = "(i32.const 3)";
/** Headers callbacks: StopAllIterationAndBuffer. */
export const STOP_ALL_BUFFER = "(i32.const 3)";
export const TRAP = "(unreachable)";
export const CTX = "(local.get $ctx)";
export const A = "(local.get $a)";
export const B = "(local.get $b)";
const NONE = "(i32.const 0) (i32.const 0)";

/** Writes decimals and lines. Scratch: 3072 on for the line, 3040 for out-parameters. */
const LIBRARY = `
  (global $line (mut i32) (i32.const 3072))
  (func $bytes (param $p i32) (param $n i32)
    (memory.copy (global.get $line) (local.get $p) (local.get $n))
    (global.set $line (i32.add (global.get $line) (local.get $n))))
  (func $digits (param $v i32)
    (if (i32.ge_u (local.get $v) (i32.const 10))
      (then (call $digits (i32.div_u (local.get $v) (i32.const 10)))))
    (i32.store8 (global.get $line)
      (i32.add (i32.const 48) (i32.rem_u (local.get $v) (i32.const 10))))
    (global.set $line (i32.add (global.get $line) (i32.const 1))))
  (func $number (param $v i32)
    (i32.store8 (global.get $line) (i32.const 32))
    (global.set $line (i32.add (global.get $line) (i32.const 1)))
    (call $digits (local.get $v)))
  (func $flush
    (drop (call $proxy_log (i32.const 2) (i32.const 3072)
      (i32.sub (global.get $line) (i32.const 3072))))
    (global.set $line (i32.const 3072)))
  (func $note (param $p i32) (param $n i32) (param $x i32) (param $y i32)
    (call $bytes (local.get $p) (local.get $n))
    (call $number (local.get $x))
    (call $number (local.get $y))
    (call $flush))
  (func $out (param $p i32) (param $n i32) (param $status i32)
    (call $bytes (local.get $p) (local.get $n))
    (call $number (local.get $status))
    (if (i32.eqz (local.get $status)) (then
      (i32.store8 (global.get $line) (i32.const 32))
      (global.set $line (i32.add (global.get $line) (i32.const 1)))
      (call $bytes (i32.load (i32.const 3040)) (i32.load (i32.const 3044)))))
    (call $flush))
  (global $saved (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0))`;
const OUT = "(i32.const 3040) (i32.const 3044)";

type Body = readonly string[];
export type Callbacks = Readonly<Partial<Record<CallbackName, Body>>>;

/** The steps; one object per guest, because it owns the guest's texts. */
export class Script {
  readonly data: Record<number, string> = {};
  #next = 16;

  /** (pointer, length) of a static text. */
  slice(text: string): string {
    const bytes = Buffer.from(text, "latin1");
    const at = this.#next;
    if (at + bytes.length > 3040) throw new Error("the guest's texts are too long");
    this.#next += bytes.length;
    this.data[at] = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
    return `(i32.const ${at}) (i32.const ${bytes.length})`;
  }

  /** Logs `<text> <x> <y>`. */
  note(text: string, x = CTX, y = "(i32.const 0)"): string {
    return `(call $note ${this.slice(text)} ${x} ${y})`;
  }

  /** Logs `<text> <status>` of a hostcall. */
  status(text: string, call: string): string {
    return `(call $bytes ${this.slice(text)}) (call $number ${call}) (call $flush)`;
  }

  /** map: 0 request headers, 1 request trailers, 2 response headers, 3 response trailers. */
  add(map: number, name: string, value: string): string {
    const pair = `${this.slice(name)} ${this.slice(value)}`;
    return `(drop (call $proxy_add_header_map_value (i32.const ${map}) ${pair}))`;
  }

  remove(map: number, name: string): string {
    const key = this.slice(name);
    return `(drop (call $proxy_remove_header_map_value (i32.const ${map}) ${key}))`;
  }

  /** Logs `<name> <status> <value>`. */
  getHeader(map: number, name: string): string {
    const key = this.slice(name);
    const call = `(call $proxy_get_header_map_value (i32.const ${map}) ${key} ${OUT})`;
    return `(call $out ${this.slice(name)} ${call})`;
  }

  /** Logs `<label> <status> <value>`. */
  getProperty(label: string, path: readonly string[]): string {
    const call = `(call $proxy_get_property ${this.slice(path.join("\0"))} ${OUT})`;
    return `(call $out ${this.slice(label)} ${call})`;
  }

  /** Logs `<label> <status> <bytes>` of a whole buffer. */
  getBuffer(label: string, buffer: number): string {
    const range = "(i32.const 0) (i32.const 65536)";
    const call = `(call $proxy_get_buffer_bytes (i32.const ${buffer}) ${range} ${OUT})`;
    return `(call $out ${this.slice(label)} ${call})`;
  }

  /** Replaces a whole buffer. */
  setBuffer(buffer: number, text: string): string {
    const range = "(i32.const 0) (i32.const -1)";
    const data = this.slice(text);
    return `(drop (call $proxy_set_buffer_bytes (i32.const ${buffer}) ${range} ${data}))`;
  }

  /** A local reply without headers of its own; grpcStatus -1 = not given. */
  reply(status: number, body: string, grpcStatus = -1): string {
    const parts = `${this.slice("by the test")} ${this.slice(body)} ${NONE}`;
    const code = `(i32.const ${status})`;
    return `(drop (call $proxy_send_local_response ${code} ${parts} (i32.const ${grpcStatus})))`;
  }

  setTick(ms: number): string {
    return `(drop (call $proxy_set_tick_period_milliseconds (i32.const ${ms})))`;
  }

  /** Makes the stream whose context is in `$saved` effective. */
  effective(): string {
    return "(drop (call $proxy_set_effective_context (global.get $saved)))";
  }

  save(): string {
    return `(global.set $saved ${CTX})`;
  }

  /** type: 0 request, 1 response. */
  resume(type: number): string {
    return `(drop (call $proxy_continue_stream (i32.const ${type})))`;
  }
}

/** The module's bytes. `write` returns each callback's steps; the last gives its result, if any. */
export function scriptedGuest(
  write: (script: Script) => Callbacks,
  source: GuestSource = {},
): Uint8Array {
  const script = new Script();
  const bodies = Object.entries(write(script)).map(([name, body]) => [name, body.join("\n")]);
  const fields = LIBRARY + (source.fields ?? "");
  const callbacks = Object.fromEntries(bodies);
  return compileWat(guestText({ ...source, data: script.data, fields, callbacks }));
}
