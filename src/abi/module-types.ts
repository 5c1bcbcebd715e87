/**
 * What can be said about a wasm file without compiling it: the result of `readModuleInfo`.
 */
import type { Toolchain } from "./toolchain.ts";
import type { AbiDetection } from "./versions.ts";

export interface FunctionType {
  readonly params: readonly string[];
  readonly results: readonly string[];
}

export interface MemoryInfo {
  /** Pages of 64 KiB. */
  readonly minPages: number;
  /** null = no maximum. */
  readonly maxPages: number | null;
  readonly isShared: boolean;
  readonly is64: boolean;
}

export interface TableInfo {
  readonly elementType: string;
  readonly minElements: number;
  readonly maxElements: number | null;
}

/** `type` is null when the type section has forms that this reader does not know. */
type ModuleItem =
  | { readonly kind: "function"; readonly type: FunctionType | null }
  | { readonly kind: "memory"; readonly memory: MemoryInfo | null }
  | { readonly kind: "table" | "global" | "tag" };
export type ImportInfo = ModuleItem & { readonly module: string; readonly name: string };
export type ExportInfo = ModuleItem & { readonly name: string };

export interface Producer {
  /** `language`, `processed-by` or `sdk`. */
  readonly field: string;
  readonly name: string;
  readonly version: string;
}

export interface CustomSection {
  readonly name: string;
  readonly byteSize: number;
}

export interface ModuleInfo {
  readonly byteSize: number;
  /** Bytes of the code section. */
  readonly codeBytes: number;
  /** Functions the module defines, imports not counted. */
  readonly functionCount: number;
  readonly abi: AbiDetection;
  readonly imports: readonly ImportInfo[];
  readonly exports: readonly ExportInfo[];
  /** Imported ones first, as in the index space. */
  readonly memories: readonly MemoryInfo[];
  readonly tables: readonly TableInfo[];
  /** A `(start)` section runs while the module is instantiated. */
  readonly hasStart: boolean;
  readonly customSections: readonly CustomSection[];
  readonly producers: readonly Producer[];
  /** From the name section, or "". */
  readonly moduleName: string;
  readonly toolchain: Toolchain;
}
