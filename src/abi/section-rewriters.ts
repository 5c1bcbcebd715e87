/**
 * How each section but the code changes when a module is rewritten; see module-rewriter.ts. What
 * does not fit ends the section's reader with a problem.
 */
import { LIMITS } from "../base/limits.ts";
import { BUDGET_IMPORT, I32, writeFuelGlobal } from "./budget-code.ts";
import { movedFunction, type Rewriting } from "./rewriting.ts";
import {
  OP,
  skipImmediates,
  skipMiscImmediates,
  skipValueType,
  skipVectorImmediates,
} from "./wasm-instructions.ts";
import type { WasmReader } from "./wasm-reader.ts";
import type { WasmWriter } from "./wasm-writer.ts";

const FUNCTION_TYPE = 0x60;
const PAGE_BYTES = 65_536;
const MIB_BYTES = 1_048_576;

/** Appends the types of `look: (i32) -> i32` and `charge: (i32) -> ()`. */
export function addBudgetTypes(_: Rewriting, section: WasmReader, out: WasmWriter): void {
  out.u32(section.u32() + 2);
  out.append(section.rest());
  out.append(Uint8Array.of(FUNCTION_TYPE, 1, I32, 1, I32, FUNCTION_TYPE, 1, I32, 0));
}

export function rewriteImports(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const { isMetered, shape } = rewriting;
  const count = section.u32();
  out.u32(isMetered ? count + 1 : count);
  for (let left = count; left > 0 && section.isOk; left--) rewriteImport(rewriting, section, out);
  if (!isMetered) return;
  out.name(BUDGET_IMPORT.module);
  out.name(BUDGET_IMPORT.name);
  out.u8(0);
  out.u32(shape.paramCounts.length);
}

function rewriteImport(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const start = section.offset;
  section.skip(section.u32());
  section.skip(section.u32());
  const kind = section.u8();
  if (kind === 1) skipValueType(section);
  if (kind === 1 || kind === 2) {
    out.copy(rewriting.bytes, start, section.offset);
    if (kind === 1) rewriteTableLimits(rewriting, section, out);
    else rewriteMemoryLimits(rewriting, section, out);
    return;
  }
  if (kind === 3) skipValueType(section);
  if (kind > 2) section.u8();
  if (kind !== 3) section.skipLeb();
  out.copy(rewriting.bytes, start, section.offset);
}

/** Appends the type of `charge`. */
export function rewriteFunctions(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  out.u32(section.u32() + 1);
  out.append(section.rest());
  out.u32(rewriting.shape.paramCounts.length + 1);
}

export function rewriteTables(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const count = section.u32();
  out.u32(count);
  for (let left = count; left > 0 && section.isOk; left--) {
    const start = section.offset;
    // A table with an initialiser starts with 0x40 0x00.
    const hasInitialiser = section.peek() === 0x40;
    if (hasInitialiser) section.skip(2);
    skipValueType(section);
    out.copy(rewriting.bytes, start, section.offset);
    rewriteTableLimits(rewriting, section, out);
    if (hasInitialiser) rewriteExpression(rewriting, section, out);
  }
}

export function rewriteMemories(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const count = section.u32();
  out.u32(count);
  if (count > 1) section.fail(`${count} memories; only one is supported`);
  for (let left = count; left > 0 && section.isOk; left--) {
    rewriteMemoryLimits(rewriting, section, out);
  }
}

interface Limits {
  readonly min: number;
  readonly max: number;
}

/** Reads limits whose maximum counts at most `cap`. */
function readLimits(section: WasmReader, cap: number): Limits {
  const flags = section.u8();
  if (flags > 1) section.fail("shared or 64-bit memories and tables are not supported");
  const min = section.u32();
  return { min, max: flags === 1 ? Math.min(section.u32(), cap) : cap };
}

function writeLimits(out: WasmWriter, { min, max }: Limits): void {
  out.u8(1);
  out.u32(min);
  out.u32(max);
}

function rewriteMemoryLimits(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const { pagesMax } = rewriting.options;
  const limits = readLimits(section, pagesMax);
  if (limits.min > pagesMax) {
    section.fail(`a memory of ${inMib(limits.min)} at its start; the limit is ${inMib(pagesMax)}`);
  }
  writeLimits(out, limits);
}

function inMib(pages: number): string {
  return `${(pages * PAGE_BYTES) / MIB_BYTES} MiB`;
}

function rewriteTableLimits(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const { tableElementsMax } = rewriting.options;
  const limits = readLimits(section, tableElementsMax);
  if (limits.min > tableElementsMax) {
    section.fail(`a table of ${limits.min} elements; the limit is ${tableElementsMax}`);
  }
  writeLimits(out, limits);
}

/** Appends the fuel; initial values may name functions. */
export function rewriteGlobals(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const count = section.u32();
  out.u32(count + 1);
  for (let left = count; left > 0 && section.isOk; left--) {
    const start = section.offset;
    skipValueType(section);
    section.u8();
    out.copy(rewriting.bytes, start, section.offset);
    rewriteExpression(rewriting, section, out);
  }
  writeFuelGlobal(out);
}

export function rewriteExports(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const count = section.u32();
  out.u32(count);
  for (let left = count; left > 0 && section.isOk; left--) {
    const start = section.offset;
    section.skip(section.u32());
    const kind = section.u8();
    out.copy(rewriting.bytes, start, section.offset);
    const index = section.u32();
    out.u32(kind === 0 ? movedFunction(rewriting, index) : index);
  }
}

export function rewriteStart(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  out.u32(movedFunction(rewriting, section.u32()));
}

const ELEMENT_FLAGS_MAX = 7;

/** Segments of functions by index, or of expressions that may name functions. */
export function rewriteElements(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const count = section.u32();
  out.u32(count);
  let total = 0;
  for (let left = count; left > 0 && section.isOk; left--) {
    const flags = section.u32();
    if (flags > ELEMENT_FLAGS_MAX) section.fail(`unknown element flags ${flags}`);
    out.u32(flags);
    const isActive = (flags & 1) === 0;
    const hasIndex = isActive && (flags & 2) !== 0;
    if (hasIndex) out.u32(section.u32());
    if (isActive) rewriteExpression(rewriting, section, out);
    const hasExpressions = (flags & 4) !== 0;
    if ((flags & 3) !== 0) {
      const start = section.offset;
      if (hasExpressions) skipValueType(section);
      else section.u8();
      out.copy(rewriting.bytes, start, section.offset);
    }
    const elements = section.count(LIMITS.moduleElements);
    total += elements;
    if (total > LIMITS.moduleElements) {
      section.fail(`more than ${LIMITS.moduleElements} elements in all segments together`);
    }
    out.u32(elements);
    for (let rest = elements; rest > 0 && section.isOk; rest--) {
      if (hasExpressions) rewriteExpression(rewriting, section, out);
      else writeNamedFunction(rewriting, section, out);
    }
  }
}

function writeNamedFunction(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const index = section.u32();
  if (index < rewriting.shape.importedFunctions) rewriting.importsEscape = true;
  out.u32(movedFunction(rewriting, index));
}

/** A constant expression with its end. */
function rewriteExpression(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  while (section.isOk) {
    const start = section.offset;
    const opcode = section.u8();
    if (opcode === OP.refFunc) {
      out.u8(opcode);
      writeNamedFunction(rewriting, section, out);
      continue;
    }
    skipAll(opcode, section);
    out.copy(rewriting.bytes, start, section.offset);
    if (opcode === OP.end) return;
  }
}

function skipAll(opcode: number, section: WasmReader): void {
  if (opcode === OP.miscPrefix) skipMiscImmediates(section.u32(), section);
  else if (opcode === OP.vectorPrefix) skipVectorImmediates(section.u32(), section);
  else skipImmediates(opcode, section);
}
