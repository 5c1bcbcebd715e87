/**
 * `granary inspect FILE.wasm`: what a module is, what it asks for and whether Granary can run it,
 * without running it. Nothing in the file is trusted; the file is read whole, up to the size limit.
 */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { CALLBACKS } from "../abi/callback-table.ts";
import {
  checkModuleInfo,
  describeType,
  type ExportInfo,
  type ImportInfo,
  type MemoryInfo,
  type ModuleInfo,
  readModuleInfo,
} from "../abi/module-info.ts";
import { LIMITS } from "../base/limits.ts";
import { servedImport } from "../vm/served.ts";
import { printable, textTable } from "./text-table.ts";

export interface Inspection {
  /** The report, or why there is none; ends in a newline. */
  readonly text: string;
  /** 0: Granary can load the module. 1: it cannot, or the file cannot be read. */
  readonly exitCode: 0 | 1;
}

/** Reports on the module at `path`. Thread: main. Never throws. */
export function inspectModule(path: string): Inspection {
  const read = readModuleFile(path);
  if (typeof read === "string") return { text: `granary inspect: ${read}\n`, exitCode: 1 };
  return inspectBytes(path, read);
}

/** As {@link inspectModule}, for bytes that are here already. */
export function inspectBytes(origin: string, bytes: Uint8Array): Inspection {
  const info = readModuleInfo(bytes);
  if ("error" in info) {
    return { text: `granary inspect: ${printable(`${origin}: ${info.error}`)}\n`, exitCode: 1 };
  }
  const problems = checkModuleInfo(info, servedImport);
  const lines = [
    ...summary(origin, info),
    "",
    ...importTable(info.imports),
    "",
    ...exportTable(info.exports),
    "",
    ...verdict(problems),
  ];
  return { text: `${lines.join("\n")}\n`, exitCode: problems.length === 0 ? 0 : 1 };
}

/** The bytes, or one sentence that says why not. */
function readModuleFile(path: string): Uint8Array | string {
  let fd = -1;
  try {
    fd = openSync(path, "r");
    const stat = fstatSync(fd);
    if (!stat.isFile()) return `${path} is not a file`;
    if (stat.size > LIMITS.moduleBytes) {
      return `${path} has ${stat.size} bytes; the limit is ${LIMITS.moduleBytes}`;
    }
    return readFileSync(fd);
  } catch (error) {
    return `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function summary(origin: string, info: ModuleInfo): readonly string[] {
  const facts: readonly (readonly [string, string])[] = [
    ["File", `${origin}, ${info.byteSize} bytes`],
    ["Name", info.moduleName],
    ["ABI", abiText(info)],
    ["Toolchain", `${info.toolchain.name} ${info.toolchain.version}`.trimEnd()],
    ["Code", `${info.codeBytes} bytes in ${info.functionCount} functions`],
    ["Memory", info.memories.map(memoryText).join("; ") || "none"],
    ["Tables", String(info.tables.length)],
    ["Start-up", startText(info)],
    ["Allocator", named(info, ["proxy_on_memory_allocate", "malloc"]).join(", ") || "none"],
    ["Sections", info.customSections.map((section) => section.name).join(", ")],
  ];
  return facts
    .filter(([, value]) => value !== "")
    .map(([label, value]) => `${label.padEnd(11)}${printable(value)}`);
}

function abiText(info: ModuleInfo): string {
  const { version, markers } = info.abi;
  if (version !== null) {
    return markers.length > 1 ? `${version} (newest of ${markers.join(", ")})` : version;
  }
  return markers.length > 0 ? `unknown (${markers.join(", ")})` : "none declared";
}

function memoryText(memory: MemoryInfo): string {
  const maximum = memory.maxPages === null ? "no maximum" : `at most ${size(memory.maxPages)}`;
  const kinds = `${memory.is64 ? ", 64-bit" : ""}${memory.isShared ? ", shared" : ""}`;
  return `${size(memory.minPages)}, ${maximum}${kinds}`;
}

function size(pages: number): string {
  const kib = pages * 64;
  return `${pages} pages (${kib < 1024 ? `${kib} KiB` : `${(kib / 1024).toFixed(1)} MiB`})`;
}

/** In the order in which it happens (ABI 1.4). */
function startText(info: ModuleInfo): string {
  const steps = info.hasStart ? ["(start) section"] : [];
  const reactor = named(info, ["_initialize"]);
  if (reactor.length > 0) {
    steps.push("_initialize", ...named(info, ["main", "__main_void"]).slice(0, 1));
  } else {
    steps.push(...named(info, ["_start"]));
  }
  return steps.join(", then ") || "nothing";
}

/** Those of `names` that the module exports as functions. */
function named(info: ModuleInfo, names: readonly string[]): readonly string[] {
  return names.filter((name) =>
    info.exports.some((entry) => entry.kind === "function" && entry.name === name),
  );
}

function importTable(imports: readonly ImportInfo[]): readonly string[] {
  if (imports.length === 0) return ["Imports: none"];
  const rows = imports.map((entry) => [
    entry.module,
    entry.name,
    itemText(entry),
    importState(entry),
  ]);
  return [`Imports (${imports.length})`, ...textTable(["MODULE", "NAME", "TYPE", "HERE"], rows)];
}

function importState(entry: ImportInfo): string {
  if (entry.kind === "memory" || entry.kind === "table") return "served";
  if (entry.kind !== "function") return "NOT KNOWN";
  const state = servedImport(entry.module, entry.name);
  if (state === "unimplemented") return "links, answers Unimplemented";
  return state === "unknown" ? "NOT KNOWN" : "served";
}

function exportTable(exports: readonly ExportInfo[]): readonly string[] {
  if (exports.length === 0) return ["Exports: none"];
  const rows = exports.map((entry) => [entry.name, itemText(entry), exportUse(entry)]);
  return [`Exports (${exports.length})`, ...textTable(["NAME", "TYPE", "USE"], rows)];
}

const EXPORT_USES: Readonly<Record<string, string>> = {
  proxy_on_memory_allocate: "allocator",
  malloc: "allocator",
  _initialize: "start-up",
  _start: "start-up",
  main: "start-up",
  __main_void: "start-up",
};

function exportUse(entry: ExportInfo): string {
  if (entry.kind === "memory") return entry.name === "memory" ? "memory" : "";
  if (entry.kind !== "function") return "";
  if (entry.name.startsWith("proxy_abi_version_")) return "ABI marker";
  if (Object.hasOwn(CALLBACKS, entry.name)) return "callback";
  if (Object.hasOwn(EXPORT_USES, entry.name)) return EXPORT_USES[entry.name] ?? "";
  return entry.name.startsWith("proxy_") ? "never called" : "";
}

function itemText(entry: ImportInfo | ExportInfo): string {
  if (entry.kind === "memory") return "memory";
  if (entry.kind !== "function") return entry.kind;
  return entry.type === null ? "function" : describeType(entry.type);
}

function verdict(problems: readonly string[]): readonly string[] {
  if (problems.length === 0) return ["Granary can load this module."];
  // A problem lists many names: as it is, but on one line and without control characters.
  return ["Granary cannot load this module:", ...problems.map((text) => `  - ${oneLine(text)}`)];
}

function oneLine(text: string): string {
  return text.split(", ").map(printable).join(", ");
}
