/**
 * What the VM needs of an engine that executes guest code. Adding an engine means implementing this
 * and nothing else.
 */
import type { ImportedStores, ImportPlan, ModuleImport } from "../abi/imports.ts";

/**
 * An exported guest function; arguments are i32, the result i32 or nothing. It throws on a trap.
 */
export type GuestFunction = (...wire: number[]) => unknown;

export interface ModuleExport {
  readonly name: string;
  readonly kind: string;
}

export interface EngineInstance {
  /** Memory the module exports or imports; null when it has none. */
  readonly memory: WebAssembly.Memory | null;
  /** The exported function `name`, or null. */
  getFunction(name: string): GuestFunction | null;
}

export interface VmEngine {
  readonly name: string;
  exportsOf(code: WebAssembly.Module): readonly ModuleExport[];
  importsOf(code: WebAssembly.Module): readonly ModuleImport[];
  /**
   * Instantiates `code`; its `(start)` section runs now. `plan` is asked for the imports, again
   * when the stores it was given do not fit what the module declares. Throws on a trap in the start
   * section and on a link error.
   */
  link(code: WebAssembly.Module, plan: (stores: ImportedStores) => ImportPlan): EngineInstance;
}
