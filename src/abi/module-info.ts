/**
 * What a wasm file says about itself, read by a walker of our own: the JavaScript API tells no
 * types and compiles the whole code first. The bytes are hostile until proven otherwise: every
 * number is
 * bounded by the bytes that are left, nothing throws and nothing loops. It is no validator: code
 * bodies are not looked at. Source: WebAssembly core specification, binary format; ABI 1.1-1.9.
 */
import { problemsOfMarkerExport } from "./coroutine-exports.ts";
import { type Draft, emptyDraft, readSection, SECTION_NAMES } from "./module-sections.ts";
import type { FunctionType, ImportInfo, ModuleInfo } from "./module-types.ts";
import { guessToolchain } from "./toolchain.ts";
import { ABI_VERSIONS, detectAbiVersion, markerOf } from "./versions.ts";
import { WasmReader } from "./wasm-reader.ts";

export type { ExportInfo, ImportInfo, MemoryInfo, ModuleInfo } from "./module-types.ts";

/** How the host meets one imported function. */
export type Served = "served" | "unimplemented" | "unknown";
export type ServedLookup = (module: string, name: string) => Served;

/** Names listed in one problem; the rest is counted. */
const NAMES_LISTED = 50;

/** Reads a module. Thread: any. Never throws. */
export function readModuleInfo(bytes: Uint8Array): ModuleInfo | { readonly error: string } {
  const notWasm = problemOfHeader(bytes);
  if (notWasm !== null) return { error: notWasm };
  const reader = new WasmReader(bytes, 8, bytes.byteLength);
  const draft = emptyDraft();
  while (reader.isOk && reader.remaining > 0) {
    const id = reader.u8();
    const section = reader.section(reader.u32());
    if (!reader.isOk) break;
    readSection(draft, id, section);
    if (!section.isOk && id !== 0) {
      return { error: `malformed ${SECTION_NAMES[id] ?? id} section: ${section.problem}` };
    }
  }
  if (!reader.isOk) return { error: `malformed module: ${reader.problem}` };
  return finish(draft, bytes.byteLength);
}

function problemOfHeader(bytes: Uint8Array): string | null {
  const [m0, m1, m2, m3, version, , layer] = bytes;
  if (m0 !== 0x00 || m1 !== 0x61 || m2 !== 0x73 || m3 !== 0x6d) return "not a WebAssembly file";
  if (bytes.byteLength < 8) return "malformed module: the file ends in its header";
  if (layer === 1) return "a WebAssembly component; Proxy-Wasm needs a core module";
  return version === 1 ? null : `WebAssembly version ${version} is not supported`;
}

function finish(draft: Draft, byteSize: number): ModuleInfo {
  const { imports, exports, producers, customSections } = draft;
  return {
    byteSize,
    codeBytes: draft.codeBytes,
    functionCount: draft.functionCount,
    abi: detectAbiVersion(exports),
    imports,
    exports,
    memories: draft.memories,
    tables: draft.tables,
    hasStart: draft.hasStart,
    customSections,
    producers,
    moduleName: draft.moduleName,
    toolchain: guessToolchain({
      imports,
      exports,
      producers,
      sections: customSections.map((section) => section.name),
      functionNames: draft.functionNames,
      dataMarks: draft.dataMarks,
    }),
  };
}

/**
 * Why a module cannot be a filter, all reasons at once; empty = it can be loaded.
 * @param served answers for imported functions only. Thread: any. Never throws.
 */
export function checkModule(bytes: Uint8Array, served: ServedLookup): readonly string[] {
  const info = readModuleInfo(bytes);
  return "error" in info ? [info.error] : checkModuleInfo(info, served);
}

/** As {@link checkModule}, for a module that has been read already. */
export function checkModuleInfo(info: ModuleInfo, served: ServedLookup): readonly string[] {
  return [
    ...problemsOfMarker(info),
    ...problemsOfImports(info, served),
    ...problemsOfAllocator(info),
    ...problemsOfMemory(info),
    ...problemsOfMarkerExport(info.exports),
  ];
}

function problemsOfMarker(info: ModuleInfo): string[] {
  if (info.abi.version !== null) return [];
  const known = ABI_VERSIONS.map(markerOf).join(", ");
  const found = info.abi.markers;
  return found.length === 0
    ? [`no Proxy-Wasm ABI marker: the module exports none of the functions ${known}`]
    : [`unknown Proxy-Wasm ABI: the module exports ${listed(found)}; known are ${known}`];
}

function problemsOfImports(info: ModuleInfo, served: ServedLookup): string[] {
  const problems: string[] = [];
  const functions = info.imports.filter((entry) => entry.kind === "function");
  const unknown = functions.filter((entry) => served(entry.module, entry.name) === "unknown");
  if (unknown.length > 0) {
    problems.push(`imports that nobody serves: ${listed(unknown.map(describeImport))}`);
  }
  const others = info.imports.filter((entry) => entry.kind === "global" || entry.kind === "tag");
  if (others.length > 0) {
    problems.push(`imports other than functions: ${listed(others.map(describeImport))}`);
  }
  return problems;
}

function problemsOfAllocator(info: ModuleInfo): string[] {
  const has = (name: string): boolean =>
    info.exports.some((entry) => entry.kind === "function" && entry.name === name);
  if (has("proxy_on_memory_allocate") || has("malloc")) return [];
  return ["no allocator: the module exports neither proxy_on_memory_allocate nor malloc"];
}

function problemsOfMemory(info: ModuleInfo): string[] {
  const problems: string[] = [];
  const isExported = info.exports.some((it) => it.kind === "memory" && it.name === "memory");
  const isImported = info.imports.some((entry) => entry.kind === "memory");
  if (!isExported && !isImported) problems.push('no memory: the module exports none as "memory"');
  if (info.memories.length > 1) {
    problems.push(`${info.memories.length} memories: only one is supported`);
  }
  if (info.memories.some((memory) => memory.is64)) {
    problems.push("64-bit memory is not supported: build for wasm32");
  }
  if (info.memories.some((memory) => memory.isShared)) {
    problems.push("shared memory is not supported: build without threads");
  }
  return problems;
}

function describeImport(entry: ImportInfo): string {
  const name = `${entry.module}.${entry.name}`;
  if (entry.kind !== "function") return `${name} (${entry.kind})`;
  return entry.type === null ? name : `${name} ${describeType(entry.type)}`;
}

/** `(i32, i64) -> i32`; a function without a result has none after the arrow: `() -> ()`. */
export function describeType(type: FunctionType): string {
  const results = type.results.length === 1 ? type.results[0] : `(${type.results.join(", ")})`;
  return `(${type.params.join(", ")}) -> ${results}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_LISTED).join(", ");
  const rest = names.length - NAMES_LISTED;
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
