/**
 * The one door to CEL. Loading it takes 160 ms and 15 MB, so a silo loads it when the first guest
 * creates an expression, and never otherwise.
 */
import { createRequire } from "node:module";
import type * as Cel from "@bufbuild/cel";
import type * as Protobuf from "@bufbuild/protobuf";
import type * as Reflection from "@bufbuild/protobuf/reflect";
import type * as Wkt from "@bufbuild/protobuf/wkt";

export type { CelInput, CelMap, CelValue } from "@bufbuild/cel";
export type { ReflectMessage as CelMessage } from "@bufbuild/protobuf/reflect";
export type CelExpression = ReturnType<typeof Cel.parse>["expr"];

export interface CelLibrary {
  readonly cel: typeof Cel;
  readonly protobuf: typeof Protobuf;
  readonly reflect: typeof Reflection;
  readonly wkt: typeof Wkt;
}

let library: CelLibrary | null = null;

export function loadCel(): CelLibrary {
  if (library !== null) return library;
  const load = createRequire(import.meta.url);
  library = {
    cel: load("@bufbuild/cel"),
    protobuf: load("@bufbuild/protobuf"),
    reflect: load("@bufbuild/protobuf/reflect"),
    wkt: load("@bufbuild/protobuf/wkt"),
  };
  return library;
}
