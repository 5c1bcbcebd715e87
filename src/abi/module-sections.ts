/**
 * The sections of a wasm file, read one by one into a draft of what module-info.ts tells. Counts
 * are bounded by the bytes that are left and by what engines accept; see wasm-reader.ts for how a
 * malformed section ends. Source: WebAssembly core specification, 5.5 Modules.
 */
import type {
  CustomSection,
  ExportInfo,
  FunctionType,
  ImportInfo,
  MemoryInfo,
  Producer,
  TableInfo,
} from "./module-types.ts";
import { DATA_MARKS } from "./toolchain.ts";
import { readCustom } from "./wasm-custom-sections.ts";
import type { WasmReader } from "./wasm-reader.ts";

/** What engines accept at most (V8's numbers). */
const COUNT_MAX = {
  types: 1_000_000,
  imports: 1_000_000,
  exports: 1_000_000,
  functions: 1_000_000,
  parameters: 1_000,
  memories: 100_000,
  tables: 100_000,
  /** Beyond this the rest is not listed. */
  customSections: 1_000,
} as const;

const VALUE_TYPES: Readonly<Record<number, string>> = {
  0x7f: "i32",
  0x7e: "i64",
  0x7d: "f32",
  0x7c: "f64",
  0x7b: "v128",
  0x70: "funcref",
  0x6f: "externref",
};
export const SECTION_NAMES: readonly string[] = [
  "custom",
  "type",
  "import",
  "function",
  "table",
  "memory",
  "global",
  "export",
  "start",
  "element",
  "code",
  "data",
  "data count",
  "tag",
];

/** Everything gathered while walking; index spaces hold the imports first. */
export interface Draft {
  types: FunctionType[] | null;
  /** Type index of each function. */
  functions: number[];
  functionCount: number;
  memories: MemoryInfo[];
  tables: TableInfo[];
  imports: ImportInfo[];
  exports: ExportInfo[];
  hasStart: boolean;
  codeBytes: number;
  customSections: CustomSection[];
  producers: Producer[];
  moduleName: string;
  functionNames: string[];
  dataMarks: string[];
}

export function emptyDraft(): Draft {
  return {
    types: [],
    functions: [],
    functionCount: 0,
    memories: [],
    tables: [],
    imports: [],
    exports: [],
    hasStart: false,
    codeBytes: 0,
    customSections: [],
    producers: [],
    moduleName: "",
    functionNames: [],
    dataMarks: [],
  };
}

/** Reads one section into `draft`; what is wrong with it is in `section.problem`. */
export function readSection(draft: Draft, id: number, section: WasmReader): void {
  switch (id) {
    case 0:
      readCustomInto(draft, section);
      break;
    case 1:
      draft.types = readTypes(section);
      break;
    case 2:
      readImports(draft, section);
      break;
    case 3:
      draft.functionCount = section.count(COUNT_MAX.functions);
      for (let i = 0; i < draft.functionCount && section.isOk; i++) {
        draft.functions.push(section.u32());
      }
      break;
    case 4:
      readTables(draft, section);
      break;
    case 5:
      for (let left = section.count(COUNT_MAX.memories); left > 0 && section.isOk; left--) {
        draft.memories.push(readMemory(section));
      }
      break;
    case 7:
      readExports(draft, section);
      break;
    case 8:
      draft.hasStart = true;
      break;
    case 10:
      draft.codeBytes = section.remaining;
      break;
    case 11:
      draft.dataMarks = DATA_MARKS.filter((mark) => section.contains(mark.pattern)).map(
        (mark) => mark.toolchain,
      );
      break;
    default:
      if (id >= SECTION_NAMES.length) section.fail("unknown section");
  }
}

/** A malformed custom section is what the engine ignores too: the rest of the module counts. */
function readCustomInto(draft: Draft, section: WasmReader): void {
  const byteSize = section.remaining;
  const name = section.name();
  if (!section.isOk || draft.customSections.length >= COUNT_MAX.customSections) return;
  draft.customSections.push({ name, byteSize });
  const found = readCustom(name, section);
  draft.producers.push(...found.producers);
  if (draft.functionNames.length === 0) draft.functionNames = found.functionNames;
  if (found.moduleName !== "") draft.moduleName = found.moduleName;
}

function readTypes(section: WasmReader): FunctionType[] | null {
  const types: FunctionType[] = [];
  for (let left = section.count(COUNT_MAX.types); left > 0 && section.isOk; left--) {
    // Anything but a plain function type belongs to garbage collection: indices shift, so all of
    // the types count as unknown.
    if (section.u8() !== 0x60) return null;
    const params = readValueTypes(section);
    const results = readValueTypes(section);
    if (params === null || results === null) return section.isOk ? null : types;
    types.push({ params, results });
  }
  return types;
}

function readValueTypes(section: WasmReader): string[] | null {
  const names: string[] = [];
  for (let left = section.count(COUNT_MAX.parameters); left > 0 && section.isOk; left--) {
    const name = VALUE_TYPES[section.u8()];
    if (name === undefined) return null;
    names.push(name);
  }
  return names;
}

/** A reference type in a table or global: `(ref null? heap)` has a second part. */
function readValueType(section: WasmReader, code: number): string {
  if (code === 0x63 || code === 0x64) section.u64();
  return VALUE_TYPES[code] ?? "ref";
}

function readMemory(section: WasmReader): MemoryInfo {
  const flags = section.u8();
  if (flags > 0x0f) section.fail(`unknown memory flags ${flags}`);
  const is64 = (flags & 4) !== 0;
  const minPages = is64 ? section.u64() : section.u32();
  const maxPages = (flags & 1) === 0 ? null : is64 ? section.u64() : section.u32();
  if ((flags & 8) !== 0) section.u32();
  return { minPages, maxPages, isShared: (flags & 2) !== 0, is64 };
}

function readTable(section: WasmReader, code: number): TableInfo {
  const elementType = readValueType(section, code);
  const limits = readMemory(section);
  return { elementType, minElements: limits.minPages, maxElements: limits.maxPages };
}

function readTables(draft: Draft, section: WasmReader): void {
  for (let left = section.count(COUNT_MAX.tables); left > 0 && section.isOk; left--) {
    const code = section.u8();
    // 0x40 starts a table with an initialiser expression, which only a decoder of code can skip.
    if (code === 0x40) return;
    draft.tables.push(readTable(section, code));
  }
}

function readImports(draft: Draft, section: WasmReader): void {
  for (let left = section.count(COUNT_MAX.imports); left > 0 && section.isOk; left--) {
    const names = { module: section.name(), name: section.name() };
    const kind = section.u8();
    if (!section.isOk) return;
    if (kind === 0) {
      const typeIndex = section.u32();
      draft.functions.push(typeIndex);
      draft.imports.push({ ...names, kind: "function", type: draft.types?.[typeIndex] ?? null });
    } else if (kind === 1) {
      draft.tables.push(readTable(section, section.u8()));
      draft.imports.push({ ...names, kind: "table" });
    } else if (kind === 2) {
      const memory = readMemory(section);
      draft.memories.push(memory);
      draft.imports.push({ ...names, kind: "memory", memory });
    } else if (kind === 3) {
      readValueType(section, section.u8());
      section.u8();
      draft.imports.push({ ...names, kind: "global" });
    } else if (kind === 4) {
      section.u8();
      section.u32();
      draft.imports.push({ ...names, kind: "tag" });
    } else {
      section.fail(`unknown import kind ${kind}`);
    }
  }
}

function readExports(draft: Draft, section: WasmReader): void {
  for (let left = section.count(COUNT_MAX.exports); left > 0 && section.isOk; left--) {
    const name = section.name();
    const kind = section.u8();
    const index = section.u32();
    if (!section.isOk) return;
    if (kind === 0) {
      const typeIndex = draft.functions[index] ?? -1;
      draft.exports.push({ name, kind: "function", type: draft.types?.[typeIndex] ?? null });
    } else if (kind === 1) {
      draft.exports.push({ name, kind: "table" });
    } else if (kind === 2) {
      draft.exports.push({ name, kind: "memory", memory: draft.memories[index] ?? null });
    } else if (kind === 3 || kind === 4) {
      draft.exports.push({ name, kind: kind === 3 ? "global" : "tag" });
    } else {
      section.fail(`unknown export kind ${kind}`);
    }
  }
}
