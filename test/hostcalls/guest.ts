/**
 * A Wasm guest whose code is written in the test. A small WAT module imports every hostcall, exports
 * every callback and one trampoline for each hostcall; callbacks run a JavaScript function that calls
 * hostcalls through the trampolines. So what reaches the host are real i32 and i64 from Wasm, results
 * lie in real linear memory, and a test reads like the guest it stands for.
 */
import assert from "node:assert/strict";
import {
  CALLBACK_NAMES,
  CALLBACKS,
  type CallbackName,
  type CallbackSpec,
} from "../../src/abi/callback-table.ts";
import { HOSTCALL_NAMES, HOSTCALLS, type HostcallName } from "../../src/abi/hostcall-table.ts";
import { type HostcallSpec, WIRE_ARITY } from "../../src/abi/hostcall-types.ts";
import type { PluginConfig } from "../../src/config/types.ts";
import { HttpStreamContext } from "../../src/vm/contexts.ts";
import type { EngineInstance, VmEngine } from "../../src/vm/engine.ts";
import { MemoryAccount } from "../../src/vm/memory-account.ts";
import { Probation } from "../../src/vm/probation.ts";
import { RootContext } from "../../src/vm/root-context.ts";
import { v8Engine } from "../../src/vm/v8-engine.ts";
import { Vm } from "../../src/vm/vm.ts";
import { FakeStream, FakeThread } from "../harness/fake-roles.ts";
import { pluginConfig } from "../harness/plugin-fixture.ts";
import { compileWat } from "../harness/wat.ts";

const PAGE_BYTES = 65_536;
const MEMORY_PAGES = 4;
/** Where a test's own data lies; the allocator gives out memory from the second page on. */
const SCRATCH_AT = 1_024;
const HEAP_AT = PAGE_BYTES;
/** Out-parameters hold this before a call, so that a test sees whether the host wrote them. */
const UNTOUCHED = 0xeeeeeeee;

/** (pointer, length) as a hostcall takes it. */
type Slice = readonly [ptr: number, len: number];
export type Wire = number | bigint;

/** What a hostcall with an `outBytes` parameter gave. */
export interface Result {
  readonly status: number;
  readonly ptr: number;
  readonly len: number;
  /** Latin1; null when the out-parameters were not written. */
  readonly text: string | null;
}

/** A slice that ends behind the memory. */
export const OUTSIDE: Slice = [MEMORY_PAGES * PAGE_BYTES - 2, 4];
/** A pointer with no room for 4 bytes behind it. */
export const OUTSIDE_PTR = MEMORY_PAGES * PAGE_BYTES - 2;

/** What the guest does in one callback; the result is the callback's, 0 when there is none. */
type GuestCode = (guest: Guest, wire: readonly number[]) => number | undefined;

/** Phases in which a test can make calls. */
export type Phase = "startUp" | "tick" | CallbackName;

function wireTypes(name: HostcallName): readonly string[] {
  const spec: HostcallSpec = HOSTCALLS[name];
  return spec.params.flatMap(([, kind]) =>
    kind === "i64" || kind === "u64" ? ["i64"] : Array<string>(WIRE_ARITY[kind]).fill("i32"),
  );
}

function hostcallFields(name: HostcallName): readonly [imported: string, trampoline: string] {
  const types = wireTypes(name);
  const param = types.length === 0 ? "" : `(param ${types.join(" ")})`;
  const args = types.map((_, index) => `(local.get ${index})`).join(" ");
  return [
    `(import "env" "${name}" (func $${name} ${param} (result i32)))`,
    `(func (export "call_${name}") ${param} (result i32) (call $${name} ${args}))`,
  ];
}

function callbackField(name: CallbackName, index: number): string {
  const { arity, result }: CallbackSpec = CALLBACKS[name];
  const args = Array.from({ length: 5 }, (_, at) =>
    at < arity ? `(local.get ${at})` : "(i32.const 0)",
  );
  const call = `(call $callback (i32.const ${index}) ${args.join(" ")})`;
  const params = `(param ${Array<string>(arity).fill("i32").join(" ")})`;
  return result === "none"
    ? `(func (export "${name}") ${params} (drop ${call}))`
    : `(func (export "${name}") ${params} (result i32) ${call})`;
}

function guestText(abi: string): string {
  const hostcalls = HOSTCALL_NAMES.map(hostcallFields);
  return `(module
    (import "test" "callback" (func $callback (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "test" "allocate" (func $allocate (param i32) (result i32)))
    ${hostcalls.map(([imported]) => imported).join("\n")}
    (memory (export "memory") ${MEMORY_PAGES})
    (func (export "proxy_abi_version_${abi}"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32)
      (call $allocate (local.get 0)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "_initialize")
      (drop (call $callback (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0))))
    ${hostcalls.map(([, trampoline]) => trampoline).join("\n")}
    ${CALLBACK_NAMES.map(callbackField).join("\n")})`;
}

const modules = new Map<string, WebAssembly.Module>();

function guestModule(abi: string): WebAssembly.Module {
  const known = modules.get(abi);
  if (known !== undefined) return known;
  const code = new WebAssembly.Module(compileWat(guestText(abi)));
  modules.set(abi, code);
  return code;
}

/** The engine that links the module's two `test` imports beside what the host serves. */
class TestEngine implements VmEngine {
  readonly name = "test";
  readonly exportsOf = v8Engine.exportsOf;
  readonly #hooks: Readonly<Record<string, unknown>>;
  readonly #linked: (instance: EngineInstance) => void;

  constructor(
    hooks: Readonly<Record<string, unknown>>,
    linked: (instance: EngineInstance) => void,
  ) {
    this.#hooks = hooks;
    this.#linked = linked;
  }

  importsOf(code: WebAssembly.Module): ReturnType<VmEngine["importsOf"]> {
    return v8Engine.importsOf(code).filter((entry) => entry.module !== "test");
  }

  link(code: WebAssembly.Module, plan: Parameters<VmEngine["link"]>[1]): EngineInstance {
    const instance = v8Engine.link(code, (stores) => {
      const built = plan(stores);
      return { ...built, imports: { ...built.imports, test: this.#hooks } };
    });
    this.#linked(instance);
    return instance;
  }
}

export interface GuestOptions {
  /** Marker: `0_1_0`, `0_2_0`, `0_2_1` (default), `0_2_100`. */
  readonly abi?: string;
  readonly config?: Partial<PluginConfig>;
  readonly allowed?: readonly string[];
  /** A thread that others are on. */
  readonly thread?: FakeThread;
}

export class Guest {
  readonly thread: FakeThread;
  readonly config: PluginConfig;
  readonly vm: Vm;
  readonly root: RootContext;
  /** What the allocator does; replace it to make it fail. */
  allocate: (size: number) => number = (size) => this.#bump(size);
  /** Sizes that the host allocated. */
  readonly allocations: number[] = [];
  readonly #code = new Map<string, GuestCode>();
  readonly #module: WebAssembly.Module;
  #instance: EngineInstance | null = null;
  #scratch = SCRATCH_AT;
  #heap = HEAP_AT;

  constructor(options: GuestOptions = {}) {
    this.thread = options.thread ?? new FakeThread();
    this.config = pluginConfig(options.config);
    this.#module = guestModule(options.abi ?? "0_2_1");
    const hooks = {
      callback: (index: number, ...wire: number[]) => this.#run(index, wire),
      allocate: (size: number) => this.allocate(size),
    };
    const engine = new TestEngine(hooks, (instance) => {
      this.#instance = instance;
    });
    const allowed = options.allowed === undefined ? null : new Set(options.allowed);
    const { vm: config, isolation } = this.config;
    const onFailure = (): void => undefined;
    const account = new MemoryAccount(null, isolation.memoryBytesMax);
    const limits = { allowed, isolation, probation: new Probation(0), account };
    this.vm = new Vm({ engine, config, roles: this.thread, onFailure, ...limits });
    this.root = new RootContext(this.vm, this.config);
  }

  /** What the guest does in `phase`, from now on. */
  on(phase: Phase, code: GuestCode): this {
    this.#code.set(phase === "tick" ? "proxy_on_tick" : phase, code);
    return this;
  }

  /** Starts the VM and the plugin; both must succeed. */
  start(): this {
    assert.equal(this.vm.start(this.#module), null);
    assert.equal(this.root.start(), null);
    return this;
  }

  /** Starts the VM alone; why it cannot run, or null. */
  startVm(): string | null {
    return this.vm.start(this.#module);
  }

  /** A stream context on `stream`; the guest learns of it at its first callback. */
  open(stream: FakeStream = new FakeStream()): HttpStreamContext {
    return new HttpStreamContext(this.root, this.config, stream);
  }

  /** Calls `name` and returns its status. */
  call(name: HostcallName, ...wire: readonly Wire[]): number {
    const trampoline = this.#export(`call_${name}`);
    assert.equal(wire.length, wireTypes(name).length, `${name} takes so many parameters`);
    return trampoline(...wire) as number;
  }

  /** Calls `name`, whose last two parameters are an `outBytes`, and reads what it gave. */
  fetch(name: HostcallName, ...wire: readonly Wire[]): Result {
    const ptrPtr = this.out();
    const lenPtr = this.out();
    const status = this.call(name, ...wire, ptrPtr, lenPtr);
    const ptr = this.u32(ptrPtr);
    const len = this.u32(lenPtr);
    const text = ptr === UNTOUCHED ? null : this.vm.memory.readLatin1(ptr, len);
    return { status, ptr, len, text };
  }

  /** Calls `name`, whose last parameter is an `outU32`; null when it was not written. */
  fetchU32(name: HostcallName, ...wire: readonly Wire[]): readonly [number, number | null] {
    const ptr = this.out();
    const status = this.call(name, ...wire, ptr);
    const value = this.u32(ptr);
    return [status, value === UNTOUCHED ? null : value];
  }

  /** Puts latin1 text or bytes into the guest's memory. */
  put(value: string | Uint8Array): Slice {
    const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
    const ptr = this.#reserve(bytes.byteLength);
    assert.ok(this.vm.memory.writeBytes(ptr, bytes));
    return [ptr, bytes.byteLength];
  }

  /** A place for an out-parameter of up to 8 bytes, with a mark in it. */
  out(): number {
    const ptr = this.#reserve(8);
    this.vm.memory.writeU32(ptr, UNTOUCHED);
    this.vm.memory.writeU32(ptr + 4, UNTOUCHED);
    return ptr;
  }

  u32(ptr: number): number {
    return this.vm.memory.readU32(ptr);
  }

  u64(ptr: number): bigint {
    return BigInt(this.u32(ptr)) | (BigInt(this.u32(ptr + 4)) << 32n);
  }

  /** Whether the host left the out-parameter at `ptr` alone. */
  isUntouched(ptr: number): boolean {
    return this.u32(ptr) === UNTOUCHED;
  }

  grow(pages: number): void {
    assert.ok((this.#export("grow")(pages) as number) > 0);
  }

  #export(name: string): (...wire: readonly Wire[]) => unknown {
    const fn = this.#instance?.getFunction(name);
    assert.ok(fn, `${name} is exported`);
    return fn as unknown as (...wire: readonly Wire[]) => unknown;
  }

  #run(index: number, wire: readonly number[]): number {
    const name = index < 0 ? "startUp" : (CALLBACK_NAMES[index] ?? "");
    const code = this.#code.get(name);
    const isYes = index >= 0 && CALLBACKS[name as CallbackName].result === "bool";
    const answer = code?.(this, wire);
    return answer ?? (isYes ? 1 : 0);
  }

  #reserve(size: number): number {
    const ptr = this.#scratch;
    this.#scratch += (size + 7) & ~7;
    assert.ok(this.#scratch <= HEAP_AT, "the scratch page is full");
    return ptr;
  }

  #bump(size: number): number {
    this.allocations.push(size);
    const ptr = this.#heap;
    this.#heap += (size + 7) & ~7;
    return ptr;
  }
}

/**
 * Runs `code` inside `phase` of a fresh guest and returns what it returned. Stream phases follow
 * request headers on `stream`; `configure` sees the guest before it starts.
 */
export function inPhase<T>(phase: Phase, code: (guest: Guest) => T, setting: PhaseSetting = {}): T {
  const guest = new Guest(setting.options);
  const results: T[] = [];
  guest.on(phase, (inner) => {
    if (results.length === 0) results.push(code(inner));
    return undefined;
  });
  guest.start();
  if (phase === "tick") tick(guest);
  if (results.length === 0) reach(guest, phase, setting.stream ?? new FakeStream());
  assert.equal(results.length, 1, `${phase} was reached`);
  assert.equal(guest.vm.failure, null);
  return results[0] as T;
}

export interface PhaseSetting {
  readonly options?: GuestOptions;
  readonly stream?: FakeStream;
}

function tick(guest: Guest): void {
  guest.root.setTick(1);
  guest.thread.timers.advance(1);
  guest.root.setTick(0);
}

/** Walks a stream through its life, then ends the plugin, so that every callback happens. */
function reach(guest: Guest, phase: Phase, stream: FakeStream): void {
  const context = guest.open(stream);
  context.onRequestHeaders(1, false);
  if (phase === "proxy_on_request_headers") return;
  context.onRequestBody(stream.bodies[0]?.byteLength ?? 0, false);
  context.onRequestTrailers(0);
  context.onResponseHeaders(1, false);
  context.onResponseBody(stream.bodies[1]?.byteLength ?? 0, false);
  context.onResponseTrailers(0);
  context.onLog();
  context.onDestroy();
  guest.root.finish(() => undefined);
}

/** Root phases without a stream: every hostcall on a stream must be harmless there. */
export const ROOT_PHASES = [
  "startUp",
  "proxy_on_vm_start",
  "proxy_on_configure",
  "tick",
] as const satisfies readonly Phase[];

/** Phases of a stream that has ended. */
export const ENDED_PHASES = [
  "proxy_on_log",
  "proxy_on_done",
  "proxy_on_delete",
] as const satisfies readonly Phase[];
