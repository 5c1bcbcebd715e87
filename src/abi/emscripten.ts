/**
 * What emscripten and AssemblyScript import from `env` beside hostcalls. Most of it belongs to
 * exceptions or libc features that a filter links but never reaches, so it links and traps when it
 * is called after all. `invoke_*` is not served: with it nearly every call of the guest goes
 * through
 * the host, so such a module is better refused by name at load. Source: ABI 1.8.
 */
import type { HostFunction, HostFunctions } from "./imports.ts";
import type { LinearMemory } from "./linear-memory.ts";

export interface EmscriptenEnv {
  readonly memory: LinearMemory;
  /** Leaves the guest by throwing: the VM has failed for `reason`, which the engine logs. */
  trap(reason: string): never;
}

/** `body`: a function of this file. `trap`: links, and fails the VM when it is called. */
export type EmscriptenAnswer = "body" | "trap" | "nothing" | "zero";

export const EMSCRIPTEN_FUNCTIONS = {
  abort: "body",
  emscripten_notify_memory_growth: "nothing",
  pthread_equal: "body",
  setTempRet0: "body",
  getTempRet0: "body",
  emscripten_memcpy_big: "body",
  HaveOffsetConverter: "zero",
  /** The documented "no memory": malloc then returns null. */
  emscripten_resize_heap: "zero",
  /** Destructors of globals never run: the host drops the whole instance. */
  __cxa_atexit: "zero",
  __cxa_thread_atexit: "zero",
  __cxa_allocate_exception: "trap",
  __cxa_begin_catch: "trap",
  __cxa_current_primary_exception: "trap",
  __cxa_decrement_exception_refcount: "trap",
  __cxa_end_catch: "trap",
  __cxa_find_matching_catch: "trap",
  __cxa_find_matching_catch_2: "trap",
  __cxa_find_matching_catch_3: "trap",
  __cxa_find_matching_catch_4: "trap",
  __cxa_free_exception: "trap",
  __cxa_get_exception_ptr: "trap",
  __cxa_increment_exception_refcount: "trap",
  __cxa_pure_virtual: "trap",
  __cxa_rethrow: "trap",
  __cxa_rethrow_primary_exception: "trap",
  __cxa_throw: "trap",
  __cxa_uncaught_exceptions: "trap",
  __resumeException: "trap",
  llvm_eh_typeid_for: "trap",
  clock_gettime: "trap",
  strftime_l: "trap",
  __syscall_open: "trap",
  __syscall_openat: "trap",
  __syscall_fcntl64: "trap",
  __syscall_ioctl: "trap",
} as const satisfies Record<string, EmscriptenAnswer>;

export type EmscriptenName = keyof typeof EMSCRIPTEN_FUNCTIONS;
export const EMSCRIPTEN_NAMES = Object.keys(EMSCRIPTEN_FUNCTIONS) as EmscriptenName[];
type BodyName = {
  [N in EmscriptenName]: (typeof EMSCRIPTEN_FUNCTIONS)[N] extends "body" ? N : never;
}[EmscriptenName];

/** Bytes of an AssemblyScript string that reach the log. */
const MESSAGE_BYTES = 4_096;
const utf16 = new TextDecoder("utf-16le");

/** Makes the functions of one VM. Thread: the VM's. Those that trap throw as `env.trap` does. */
export function createEmscripten(env: EmscriptenEnv): HostFunctions {
  const functions: Record<string, HostFunction> = {};
  for (const name of EMSCRIPTEN_NAMES) {
    const made = fromTable(name, env);
    if (made !== null) functions[name] = made;
  }
  return { ...functions, ...bodies(env) };
}

function fromTable(name: EmscriptenName, env: EmscriptenEnv): HostFunction | null {
  switch (EMSCRIPTEN_FUNCTIONS[name]) {
    case "trap":
      return () => env.trap(`env.${name} is not available`);
    case "nothing":
      return () => undefined;
    case "zero":
      return () => 0;
    case "body":
      return null;
  }
}

function bodies(env: EmscriptenEnv): { readonly [N in BodyName]: HostFunction } {
  const { memory } = env;
  let tempRet0 = 0;
  return {
    // Emscripten declares no parameters, so none arrive; AssemblyScript passes all four.
    abort: (message?: number, file?: number, line?: number, column?: number): never =>
      env.trap(abortReason(memory, [message, file, line, column])),
    pthread_equal: (a: number, b: number): number => (a === b ? 1 : 0),
    setTempRet0: (value: number): void => {
      tempRet0 = value;
    },
    getTempRet0: (): number => tempRet0,
    emscripten_memcpy_big: (target: number, source: number, count: number): number => {
      const bytes = memory.view(source, count);
      if (bytes === null || !memory.writeBytes(target, bytes)) {
        return env.trap("emscripten_memcpy_big: out of bounds");
      }
      return target;
    },
  };
}

type AbortArguments = readonly [
  message: number | undefined,
  file: number | undefined,
  line: number | undefined,
  column: number | undefined,
];

function abortReason(memory: LinearMemory, wire: AbortArguments): string {
  const [messagePtr, filePtr, line, column] = wire;
  if (messagePtr === undefined) return "abort()";
  const message = readString(memory, messagePtr);
  const file = readString(memory, filePtr ?? 0);
  const place = `${file ?? "?"}:${(line ?? 0) >>> 0}:${(column ?? 0) >>> 0}`;
  return message === null ? `abort at ${place}` : `abort: ${message} at ${place}`;
}

/** An AssemblyScript string: UTF-16LE at `ptr`, its bytes counted in the u32 before; null: none. */
function readString(memory: LinearMemory, ptr: number): string | null {
  const start = ptr >>> 0;
  if (start < 4) return null;
  const byteLength = memory.readU32(start - 4);
  if (byteLength < 0) return null;
  const bytes = memory.view(start, byteLength);
  return bytes === null ? null : utf16.decode(bytes.subarray(0, MESSAGE_BYTES));
}
