/**
 * The first walk of the rewriter over a module: where its sections lie and what its index spaces
 * count, before anything of it has been validated. What costs an engine much more than the bytes
 * it takes in the file (runs of locals, tables, counts) is bounded here, before the engine sees it.
 * Source: WebAssembly core specification, 5.5 Modules.
 */
import { LIMITS } from "../base/limits.ts";
import { SECTION_NAMES } from "./module-sections.ts";
import { skipValueType } from "./wasm-instructions.ts";
import { WasmReader } from "./wasm-reader.ts";

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

export interface SectionRange {
  readonly id: number;
  /** Contents without id and size. */
  readonly start: number;
  readonly end: number;
}

export interface ModuleShape {
  readonly sections: readonly SectionRange[];
  /** Parameters of each type. */
  readonly paramCounts: readonly number[];
  readonly importedFunctions: number;
  /** Type of each function that the module defines. */
  readonly functionTypes: readonly number[];
  /** Imported and defined. */
  readonly globalCount: number;
  /** Names, in UTF-8, of exported functions. */
  readonly exportNames: ReadonlyMap<number, Uint8Array>;
}

interface Draft {
  readonly sections: SectionRange[];
  readonly paramCounts: number[];
  importedFunctions: number;
  readonly functionTypes: number[];
  globalCount: number;
  readonly exportNames: Map<number, Uint8Array>;
}

const FUNCTION_TYPE = 0x60;

/** The shape of `bytes`, or why it cannot be told. Never throws. */
export function readShape(bytes: Uint8Array): ModuleShape | string {
  const draft: Draft = {
    sections: [],
    paramCounts: [],
    importedFunctions: 0,
    functionTypes: [],
    globalCount: 0,
    exportNames: new Map(),
  };
  const reader = new WasmReader(bytes, 8, bytes.byteLength);
  while (reader.isOk && reader.remaining > 0) {
    const id = reader.u8();
    const size = reader.u32();
    const start = reader.offset;
    const section = reader.section(size);
    if (!reader.isOk) break;
    draft.sections.push({ id, start, end: start + size });
    readCounts(draft, id, section);
    if (!section.isOk) return `${SECTION_NAMES[id] ?? id} section: ${section.problem}`;
  }
  return reader.isOk ? draft : `malformed module: ${reader.problem}`;
}

function readCounts(draft: Draft, id: number, section: WasmReader): void {
  switch (id) {
    case SECTION.type:
      for (let left = section.count(section.remaining); left > 0 && section.isOk; left--) {
        draft.paramCounts.push(readParamCount(section));
      }
      return;
    case SECTION.import:
      for (let left = section.count(LIMITS.moduleImports); left > 0 && section.isOk; left--) {
        readImport(draft, section);
      }
      return;
    case SECTION.function:
      for (let left = section.count(LIMITS.moduleFunctions); left > 0 && section.isOk; left--) {
        draft.functionTypes.push(section.u32());
      }
      return;
    case SECTION.table:
      section.count(LIMITS.moduleTables);
      return;
    case SECTION.global:
      draft.globalCount += section.count(LIMITS.moduleGlobals);
      return;
    case SECTION.export:
      for (let left = section.count(LIMITS.moduleExports); left > 0 && section.isOk; left--) {
        readExport(draft, section);
      }
      return;
    case SECTION.code:
      readLocals(section);
      return;
    default:
      if (id >= SECTION_NAMES.length) section.fail("unknown section");
  }
}

function readParamCount(section: WasmReader): number {
  if (section.u8() !== FUNCTION_TYPE) section.fail("garbage collection types are not supported");
  const params = section.count(section.remaining);
  for (let left = params; left > 0 && section.isOk; left--) skipValueType(section);
  for (let left = section.count(section.remaining); left > 0 && section.isOk; left--) {
    skipValueType(section);
  }
  return params;
}

function readImport(draft: Draft, section: WasmReader): void {
  section.skip(section.u32());
  section.skip(section.u32());
  const kind = section.u8();
  switch (kind) {
    case 0:
      section.skipLeb();
      draft.importedFunctions++;
      return;
    case 1:
      skipValueType(section);
      skipLimits(section);
      return;
    case 2:
      skipLimits(section);
      return;
    case 3:
      skipValueType(section);
      section.u8();
      draft.globalCount++;
      return;
    case 4:
      section.u8();
      section.skipLeb();
      return;
    default:
      section.fail(`unknown import kind ${kind}`);
  }
}

function readExport(draft: Draft, section: WasmReader): void {
  const name = section.section(section.u32()).rest();
  const kind = section.u8();
  const index = section.u32();
  if (kind === 0 && section.isOk) draft.exportNames.set(index, name);
}

function skipLimits(section: WasmReader): void {
  const flags = section.u8();
  section.skipLeb();
  if ((flags & 1) !== 0) section.skipLeb();
}

/** Locals are run-length coded: a few bytes can ask for any number of them. */
function readLocals(section: WasmReader): void {
  let total = 0;
  for (let left = section.count(LIMITS.moduleFunctions); left > 0 && section.isOk; left--) {
    const body = section.section(section.u32());
    for (let runs = body.count(body.remaining); runs > 0 && body.isOk; runs--) {
      total += body.u32();
      skipValueType(body);
    }
    if (!body.isOk) section.fail(body.problem ?? "malformed body");
    if (total > LIMITS.moduleLocals) {
      section.fail(`more than ${LIMITS.moduleLocals} locals in all functions together`);
    }
  }
}
