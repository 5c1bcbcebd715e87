/**
 * Makes the module that runs out of the module that was given: its memories and tables cannot grow
 * over their limits, and, when it is metered, its loops and functions look at the CPU budget. What
 * it computes is the same. Indices of types, tables, globals and locals stay; a function that is
 * not imported moves up by one, in every place that names it.
 *
 * A pure function over bytes that nobody has validated: the caller validates the original too,
 * else a module could name what only the rewriting puts in. Thread: any; a pool's by preference.
 */
import { rewriteCode } from "./code-rewriter.ts";
import { SECTION_NAMES } from "./module-sections.ts";
import { type ModuleShape, readShape, SECTION, type SectionRange } from "./module-shape.ts";
import { rewriteNames } from "./name-rewriter.ts";
import type { RewriteOptions, Rewriting } from "./rewriting.ts";
import {
  addBudgetTypes,
  rewriteElements,
  rewriteExports,
  rewriteFunctions,
  rewriteGlobals,
  rewriteImports,
  rewriteMemories,
  rewriteStart,
  rewriteTables,
} from "./section-rewriters.ts";
import { WasmReader } from "./wasm-reader.ts";
import { WasmWriter } from "./wasm-writer.ts";

export type RewriteResult =
  | { readonly kind: "rewritten"; readonly bytes: Uint8Array }
  /** `reason`: one sentence, without the name of the module. */
  | { readonly kind: "refused"; readonly reason: string };

type SectionRewriter = (rewriting: Rewriting, section: WasmReader, out: WasmWriter) => void;

/** Sections that limits change. */
const LIMIT_REWRITERS: Readonly<Record<number, SectionRewriter>> = {
  [SECTION.import]: rewriteImports,
  [SECTION.table]: rewriteTables,
  [SECTION.memory]: rewriteMemories,
};
/** Sections that the budget changes, the former among them. */
const BUDGET_REWRITERS: Readonly<Record<number, SectionRewriter>> = {
  ...LIMIT_REWRITERS,
  [SECTION.type]: addBudgetTypes,
  [SECTION.function]: rewriteFunctions,
  [SECTION.global]: rewriteGlobals,
  [SECTION.export]: rewriteExports,
  [SECTION.start]: rewriteStart,
  [SECTION.element]: rewriteElements,
  [SECTION.code]: rewriteCode,
};

/** The order that the specification demands of sections. */
const ORDER: readonly number[] = [
  SECTION.type,
  SECTION.import,
  SECTION.function,
  SECTION.table,
  SECTION.memory,
  SECTION.tag,
  SECTION.global,
  SECTION.export,
  SECTION.start,
  SECTION.element,
  SECTION.dataCount,
  SECTION.code,
  SECTION.data,
];
/** Sections that a metered module has even if the original has none. */
const NEEDED: readonly number[] = [SECTION.import, SECTION.global];

const HEADER = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
const NO_ENTRIES = Uint8Array.of(0);
/** Sections about offsets within code, which move. */
const CODE_METADATA = "metadata.code.";

/** Rewrites a module. Never throws. */
export function rewriteModule(bytes: Uint8Array, options: RewriteOptions): RewriteResult {
  const shape = readShape(bytes);
  if (typeof shape === "string") return { kind: "refused", reason: shape };
  const hasCode = shape.functionTypes.length > 0;
  const isMetered = options.budget === "metered" && hasCode;
  const rewriting = { bytes, shape, options, isMetered, importsEscape: false };
  const out = new WasmWriter(bytes.byteLength + (isMetered ? bytes.byteLength >> 2 : 64));
  out.copy(HEADER, 0, HEADER.byteLength);
  const problem = writeSections(rewriting, out);
  return problem === null
    ? { kind: "rewritten", bytes: out.bytes }
    : { kind: "refused", reason: problem };
}

/** Writes all sections; gives what was wrong with one, or null. */
function writeSections(rewriting: Rewriting, out: WasmWriter): string | null {
  const { shape, isMetered } = rewriting;
  const missing = isMetered ? NEEDED.filter((id) => !has(shape, id)) : [];
  let hasNames = false;
  for (const range of shape.sections) {
    if (range.id === SECTION.custom) {
      hasNames = writeCustom(rewriting, range, out) || hasNames;
      continue;
    }
    while (missing[0] !== undefined && rank(missing[0]) < rank(range.id)) {
      writeSection(rewriting, missing.shift() ?? 0, new WasmReader(NO_ENTRIES, 0, 1), out);
    }
    const section = new WasmReader(rewriting.bytes, range.start, range.end);
    writeSection(rewriting, range.id, section, out);
    if (!section.isOk) return `${SECTION_NAMES[range.id]} section: ${section.problem}`;
  }
  if (isMetered && !hasNames) {
    writeNames(rewriting, new WasmReader(NO_ENTRIES, 0, 0), out);
  }
  return null;
}

function has(shape: ModuleShape, id: number): boolean {
  return shape.sections.some((section) => section.id === id);
}

function rank(id: number): number {
  return ORDER.indexOf(id);
}

function writeSection(
  rewriting: Rewriting,
  id: number,
  section: WasmReader,
  out: WasmWriter,
): void {
  const rewriter = (rewriting.isMetered ? BUDGET_REWRITERS : LIMIT_REWRITERS)[id];
  const body = new WasmWriter(section.remaining + (section.remaining >> 2));
  if (rewriter === undefined) body.append(section.rest());
  else rewriter(rewriting, section, body);
  out.u8(id);
  out.sized(body.bytes);
}

/** Writes a custom section; whether it was the one that names functions. */
function writeCustom(rewriting: Rewriting, range: SectionRange, out: WasmWriter): boolean {
  const section = new WasmReader(rewriting.bytes, range.start, range.end);
  const name = section.name();
  if (rewriting.isMetered && name.startsWith(CODE_METADATA)) return false;
  if (rewriting.isMetered && name === "name") {
    writeNames(rewriting, section, out);
    return true;
  }
  out.u8(SECTION.custom);
  out.sized(rewriting.bytes.subarray(range.start, range.end));
  return false;
}

function writeNames(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const body = new WasmWriter(section.remaining + 64);
  body.name("name");
  rewriteNames(rewriting, section, body);
  out.u8(SECTION.custom);
  out.sized(body.bytes);
}
