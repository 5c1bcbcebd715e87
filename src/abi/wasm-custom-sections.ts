/**
 * The custom sections that tell where a module comes from: `producers` (tool conventions) and
 * `name`. They carry no meaning for running it, so what is malformed is left out.
 */
import type { Producer } from "./module-types.ts";
import type { WasmReader } from "./wasm-reader.ts";

export interface CustomContents {
  readonly producers: Producer[];
  readonly moduleName: string;
  /** The first {@link FUNCTION_NAMES_MAX}, enough to know a toolchain by. */
  readonly functionNames: string[];
}

const FUNCTION_NAMES_MAX = 4_096;
/** The convention has 3 fields; no tool chain is longer than a few tools. */
const PRODUCERS_MAX = 64;
const NAME_OF_MODULE = 0;
const NAMES_OF_FUNCTIONS = 1;

const NOTHING: CustomContents = { producers: [], moduleName: "", functionNames: [] };

/** Reads the rest of a custom section called `name`. */
export function readCustom(name: string, section: WasmReader): CustomContents {
  if (name === "producers") return { ...NOTHING, producers: readProducers(section) };
  return name === "name" ? readNames(section) : NOTHING;
}

function readProducers(section: WasmReader): Producer[] {
  const producers: Producer[] = [];
  for (let fields = section.count(PRODUCERS_MAX); fields > 0 && section.isOk; fields--) {
    const field = section.name();
    for (let values = section.count(PRODUCERS_MAX); values > 0 && section.isOk; values--) {
      const producer = { field, name: section.name(), version: section.name() };
      if (section.isOk) producers.push(producer);
    }
  }
  return producers;
}

function readNames(section: WasmReader): CustomContents {
  let moduleName = "";
  const functionNames: string[] = [];
  while (section.isOk && section.remaining > 0) {
    const id = section.u8();
    const part = section.section(section.u32());
    if (id === NAME_OF_MODULE) moduleName = part.name();
    if (id !== NAMES_OF_FUNCTIONS) continue;
    const count = Math.min(part.u32(), FUNCTION_NAMES_MAX - functionNames.length);
    for (let i = 0; i < count && part.isOk; i++) {
      part.u32();
      functionNames.push(part.name());
    }
  }
  return { producers: [], moduleName, functionNames };
}
