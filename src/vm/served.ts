/**
 * Which imports of a module the VM serves: for checks and reports about modules that do not run.
 */
import { EMSCRIPTEN_NAMES } from "../abi/emscripten.ts";
import { HOSTCALL_NAMES } from "../abi/hostcall-table.ts";
import { WASI_MODULES } from "../abi/imports.ts";
import type { Served } from "../abi/module-info.ts";
import { WASI_NAMES } from "../abi/wasi-table.ts";
import { IMPLEMENTED_HOSTCALLS } from "./hostcalls/bodies.ts";

const IMPLEMENTED: ReadonlySet<string> = new Set(IMPLEMENTED_HOSTCALLS);
const ENV_NAMES: ReadonlySet<string> = new Set([...HOSTCALL_NAMES, ...EMSCRIPTEN_NAMES]);
const WASI: ReadonlySet<string> = new Set(WASI_NAMES);
const WASI_MODULE_NAMES: ReadonlySet<string> = new Set(WASI_MODULES);
const HOSTCALLS: ReadonlySet<string> = new Set(HOSTCALL_NAMES);

/** Whether the function import `module.name` links, and whether it then does anything. */
export function servedImport(module: string, name: string): Served {
  if (WASI_MODULE_NAMES.has(module)) return WASI.has(name) ? "served" : "unknown";
  if (module !== "env" || !ENV_NAMES.has(name)) return "unknown";
  return HOSTCALLS.has(name) && !IMPLEMENTED.has(name) ? "unimplemented" : "served";
}
