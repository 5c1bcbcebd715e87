/**
 * The name section of a rewritten module: backtraces name functions by it. What is malformed is
 * left out, as engines do. Source: WebAssembly core specification, appendix 7.4.1; the extended
 * name section proposal.
 */
import { BUDGET_IMPORT, CHARGE_NAME } from "./budget-code.ts";
import { movedFunction, type Rewriting } from "./rewriting.ts";
import type { WasmReader } from "./wasm-reader.ts";
import { WasmWriter } from "./wasm-writer.ts";

const encoder = new TextEncoder();
const FUNCTIONS = 1;
/** Names of locals and of labels: a map for each function. */
const BY_FUNCTION: readonly number[] = [2, 3];

/** Writes the contents after the section's own name; `section` stands there too. */
export function rewriteNames(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  let hasFunctions = false;
  while (section.isOk && section.remaining > 0) {
    const id = section.u8();
    const part = section.section(section.u32());
    if (!section.isOk) break;
    // Parts are sorted by their number.
    if (id > FUNCTIONS && !hasFunctions) hasFunctions = writeFunctions(rewriting, null, out);
    if (id === FUNCTIONS && !hasFunctions) hasFunctions = writeFunctions(rewriting, part, out);
    else if (BY_FUNCTION.includes(id)) writeByFunction(rewriting, id, part, out);
    else if (id !== FUNCTIONS) writePart(out, id, part.rest());
  }
  if (!hasFunctions) writeFunctions(rewriting, null, out);
}

function writePart(out: WasmWriter, id: number, bytes: Uint8Array): void {
  out.u8(id);
  out.sized(bytes);
}

/**
 * Names of functions, those of exports where there is none, and ours. The first name of a function
 * counts.
 */
function writeFunctions(rewriting: Rewriting, part: WasmReader | null, out: WasmWriter): true {
  const { importedFunctions, functionTypes, exportNames } = rewriting.shape;
  const functionCount = importedFunctions + functionTypes.length;
  const names = new Map<number, Uint8Array>();
  for (let left = part?.u32() ?? 0; left > 0 && part?.isOk === true; left--) {
    const index = part.u32();
    const name = part.section(part.u32()).rest();
    if (part.isOk && index < functionCount) names.set(index, name);
  }
  for (const [index, name] of exportNames) {
    if (index < functionCount && !names.has(index)) names.set(index, name);
  }
  const moved: [number, Uint8Array][] = [...names].map(([index, name]) => [
    movedFunction(rewriting, index),
    name,
  ]);
  const look = `${BUDGET_IMPORT.module}.${BUDGET_IMPORT.name}`;
  moved.push([importedFunctions, encoder.encode(look)]);
  moved.push([functionCount + 1, encoder.encode(CHARGE_NAME)]);
  moved.sort((a, b) => a[0] - b[0]);
  const map = new WasmWriter((part?.remaining ?? 0) + 64);
  map.u32(moved.length);
  for (const [index, name] of moved) {
    map.u32(index);
    map.sized(name);
  }
  writePart(out, FUNCTIONS, map.bytes);
  return true;
}

/** A map from functions to maps of names. */
function writeByFunction(
  rewriting: Rewriting,
  id: number,
  part: WasmReader,
  out: WasmWriter,
): void {
  const map = new WasmWriter(part.remaining + 64);
  let functions = part.u32();
  map.u32(functions);
  for (; functions > 0 && part.isOk; functions--) {
    map.u32(movedFunction(rewriting, part.u32()));
    let names = part.u32();
    map.u32(names);
    for (; names > 0 && part.isOk; names--) {
      map.u32(part.u32());
      map.sized(part.section(part.u32()).rest());
    }
  }
  if (part.isOk) writePart(out, id, map.bytes);
}
