/**
 * Guests that await: scripted guests with `$sleep` and `$await`, asyncified as Granary does it when
 * it loads a module whose engine cannot suspend.
 */
import type { Latin1Bytes } from "../../src/abi/latin1.ts";
import { encodePairs, pairsByteSize } from "../../src/abi/pairs.ts";
import type { PluginConfig } from "../../src/config/types.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { asyncify } from "../../src/main/asyncify.ts";
import type { GuestSource } from "./guest-source.ts";
import { type PluginFixture, pluginConfig, startModule } from "./plugin-fixture.ts";
import { type Callbacks, type Script, scriptedGuest } from "./scripted-guest.ts";

/** The request line of `$http`, as a pairs block in WAT. */
function requestLine(): string {
  const headers = HeaderMap.of([
    [":method", "GET"],
    [":path", "/"],
    [":authority", "a"],
  ]);
  const bytes = Buffer.alloc(pairsByteSize(headers));
  encodePairs(headers, bytes as Uint8Array<ArrayBuffer> as Latin1Bytes, 0);
  return [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
}
const REQUEST_LINE_BYTES = requestLine().length / 3;

/** `$sleep`, `$http` and `$grpc` (both of the upstream "known") give a token, `$await` a status; the result of the last await lies at 3040, 3044. */
const FIELDS = `
  (func (export "granary_coroutines"))
  (data (i32.const 2900) "granary.sleepgranary.await")
  (func $foreign (param $name i32) (param $argument i32) (result i32)
    (i32.store (i32.const 3048) (local.get $argument))
    (i32.store (i32.const 3044) (i32.const 0))
    (call $proxy_call_foreign_function (local.get $name) (i32.const 13)
      (i32.const 3048) (i32.const 4) (i32.const 3040) (i32.const 3044)))
  (func $sleep (param $ms i32) (result i32)
    (if (result i32) (call $foreign (i32.const 2900) (local.get $ms))
      (then (i32.const 0))
      (else (i32.load (i32.load (i32.const 3040))))))
  (func $await (param $token i32) (result i32)
    (call $foreign (i32.const 2913) (local.get $token)))
  (data (i32.const 2700) "${requestLine()}")
  (data (i32.const 2680) "known")
  (func $http (result i32)
    (drop (call $proxy_http_call (i32.const 2680) (i32.const 5)
      (i32.const 2700) (i32.const ${REQUEST_LINE_BYTES}) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3052)))
    (i32.load (i32.const 3052)))
  (func $grpc (result i32)
    (drop (call $proxy_grpc_call (i32.const 2680) (i32.const 5) (i32.const 2680) (i32.const 5)
      (i32.const 2680) (i32.const 5) (i32.const 0) (i32.const 0)
      (i32.const 2680) (i32.const 5) (i32.const 0) (i32.const 3052)))
    (i32.load (i32.const 3052)))
  (func $word (param $index i32) (result i32)
    (i32.load (i32.add (i32.load (i32.const 3040)) (i32.mul (local.get $index) (i32.const 4)))))`;

export type Way = "asyncify" | "JSPI";

/** How guests can be suspended on this Node. */
export const WAYS: readonly Way[] =
  "Suspending" in WebAssembly ? ["asyncify", "JSPI"] : ["asyncify"];

async function asyncified(bytes: Uint8Array): Promise<Uint8Array> {
  const result = await asyncify(bytes);
  if (result.kind === "refused") throw new Error(result.reason);
  return result.bytes;
}

/** A scripted guest that has coroutines. */
export async function coroutineGuest(
  way: Way,
  write: (script: Script) => Callbacks,
  source: GuestSource = {},
): Promise<Uint8Array> {
  const fields = FIELDS + (source.fields ?? "");
  const memory = '(memory (export "memory") 16)';
  const guest = scriptedGuest(write, { memory, ...source, fields });
  return way === "JSPI" ? guest : await asyncified(guest);
}

/** Awaits a sleep of `ms`; the status of the await is on the stack. */
export function slept(ms: number | string): string {
  const argument = typeof ms === "number" ? `(i32.const ${ms})` : ms;
  return `(call $await (call $sleep ${argument}))`;
}

/** The u32 `index` of what the last await answered. */
export function word(index: number): string {
  return `(call $word (i32.const ${index}))`;
}

/** Resolves when calls that go on by promises have done so. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export interface CoroutineFixture extends PluginFixture {
  /** What the guest has logged, and has not been asked for yet. */
  said(): readonly string[];
  /** Moves time on; resolves when what was due has gone on. */
  pass(ms: number): Promise<void>;
  /** A new stream and the status of its first callback, with `count` headers. */
  request(count?: number): ReturnType<PluginFixture["open"]> & { readonly status: number };
}

/** Starts one plugin that has coroutines, in one VM if nothing else is said: its calls meet. */
export async function startCoroutines(
  way: Way,
  write: (script: Script) => Callbacks,
  overrides: Partial<PluginConfig> & { readonly vmPoolMax?: number } = {},
  source: GuestSource = {},
): Promise<CoroutineFixture> {
  const base = pluginConfig();
  const { vmPoolMax = 1, ...fields } = overrides;
  const vm = { ...base.vm, coroutines: true };
  const isolation = { ...base.isolation, ...fields.isolation, vmPoolMax };
  const plugin = { vm, ...fields, isolation };
  const fixture = startModule(await coroutineGuest(way, write, source), plugin);
  if (fixture.problems.length > 0) throw new Error(fixture.problems.join());
  const { thread, open } = fixture;
  return {
    ...fixture,
    said: () => {
      const lines = thread.lines.splice(0);
      return lines.map((line) => line.replace(/^\d wasm log [^:]*: /, ""));
    },
    pass: async (ms) => {
      thread.timers.advance(ms);
      await settled();
    },
    request: (count = 1) => {
      const opened = open();
      opened.context.enter();
      return { ...opened, status: opened.context.onRequestHeaders(count, false) };
    },
  };
}
