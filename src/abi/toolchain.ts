/**
 * Which toolchain made a module, guessed for people who read a report: the `producers` section
 * where it is left in, else imports, exports and names that only one runtime has. Source: ABI 1.9.
 */
import type { ExportInfo, ImportInfo, Producer } from "./module-types.ts";

export interface Toolchain {
  readonly name:
    | "Rust"
    | "Go"
    | "TinyGo"
    | "AssemblyScript"
    | "C++ (emscripten)"
    | "C/C++ (clang, wasi-libc)"
    | "unknown";
  /** As the producers section gives it, or "". */
  readonly version: string;
}

export interface ToolchainEvidence {
  readonly imports: readonly ImportInfo[];
  readonly exports: readonly ExportInfo[];
  readonly producers: readonly Producer[];
  /** Names of custom sections. */
  readonly sections: readonly string[];
  /** Some names of functions, from the name section. */
  readonly functionNames: readonly string[];
  /** Toolchains of those {@link DATA_MARKS} that are in the data section. */
  readonly dataMarks: readonly string[];
}

/** Text in the data of stripped modules that only one runtime has: places in its own library. */
export const DATA_MARKS = [
  { toolchain: "Rust", pattern: Buffer.from("library/core/src/", "latin1") },
  { toolchain: "Rust", pattern: Buffer.from("library/alloc/src/", "latin1") },
  { toolchain: "Rust", pattern: Buffer.from("library/std/src/", "latin1") },
  { toolchain: "AssemblyScript", pattern: Buffer.from("~lib/", "utf16le") },
] as const;

/** First match wins: Rust, Go and TinyGo link objects made by clang, so clang comes last. */
export function guessToolchain(evidence: ToolchainEvidence): Toolchain {
  const rust = versionOf(evidence, /^(rustc|rust)$/i);
  if (rust !== null) return { name: "Rust", version: rust };
  const tinyGo = versionOf(evidence, /^tinygo$/i);
  if (tinyGo !== null || isTinyGo(evidence)) return { name: "TinyGo", version: tinyGo ?? "" };
  const go = versionOf(evidence, /^(Go|Go cmd\/compile)$/);
  if (go !== null || evidence.sections.includes("go:buildid")) {
    return { name: "Go", version: go ?? "" };
  }
  const assemblyScript = versionOf(evidence, /^(asc|AssemblyScript)$/i);
  if (assemblyScript !== null || isAssemblyScript(evidence)) {
    return { name: "AssemblyScript", version: assemblyScript ?? "" };
  }
  if (isRust(evidence)) return { name: "Rust", version: "" };
  const clang = versionOf(evidence, /clang$/i);
  const emscripten = versionOf(evidence, /^emscripten$/i);
  if (emscripten !== null || isEmscripten(evidence)) {
    return { name: "C++ (emscripten)", version: emscripten ?? "" };
  }
  if (clang !== null) return { name: "C/C++ (clang, wasi-libc)", version: clang };
  return { name: "unknown", version: "" };
}

/** The version of the producer that matches: the one with a version, if several do. */
function versionOf(evidence: ToolchainEvidence, name: RegExp): string | null {
  const found = evidence.producers.filter((producer) => name.test(producer.name));
  if (found.length === 0) return null;
  return found.find((producer) => producer.version !== "")?.version ?? "";
}

function hasName(evidence: ToolchainEvidence, pattern: RegExp): boolean {
  return evidence.functionNames.some((name) => pattern.test(name));
}

function hasExport(evidence: ToolchainEvidence, pattern: RegExp): boolean {
  return evidence.exports.some((entry) => pattern.test(entry.name));
}

function isTinyGo(evidence: ToolchainEvidence): boolean {
  if (hasName(evidence, /^(tinygo_|runtime\.alloc$|runtime\.gcAlloc)/)) return true;
  // Stripped: of the runtimes for filters only TinyGo's exports both allocators.
  return (
    hasExport(evidence, /^malloc$/) &&
    hasExport(evidence, /^proxy_on_memory_allocate$/) &&
    hasExport(evidence, /^(calloc|realloc)$/)
  );
}

function isAssemblyScript(evidence: ToolchainEvidence): boolean {
  if (evidence.dataMarks.includes("AssemblyScript")) return true;
  if (hasName(evidence, /^(~lib\/|assembly\/|start:~lib)/)) return true;
  if (hasExport(evidence, /^(__new|__pin|__rtti_base)$/)) return true;
  // Emscripten's abort has no parameters.
  return evidence.imports.some(
    (entry) =>
      entry.kind === "function" &&
      entry.module === "env" &&
      entry.name === "abort" &&
      entry.type?.params.length === 4,
  );
}

function isRust(evidence: ToolchainEvidence): boolean {
  if (evidence.dataMarks.includes("Rust")) return true;
  return hasName(evidence, /(^__rust_|^rust_begin_unwind$|17h[0-9a-f]{16}E?$)/);
}

function isEmscripten(evidence: ToolchainEvidence): boolean {
  if (hasExport(evidence, /^_?emscripten_/)) return true;
  return evidence.imports.some(
    (entry) =>
      entry.module === "env" && /^(emscripten_|__cxa_|invoke_|__syscall_)/.test(entry.name),
  );
}
