/** What the parts of the module rewriter share: options, the original, and how indices move. */
import type { ModuleShape } from "./module-shape.ts";

export interface RewriteOptions {
  /** Pages of 64 KiB that a memory may have. */
  readonly pagesMax: number;
  /** Elements that a table may have. */
  readonly tableElementsMax: number;
  /** Whether loops and functions look at the CPU budget. */
  readonly budget: "metered" | "unmetered";
  /** Whether metered code asks the host before its memory grows. */
  readonly growth: "free" | "asked";
}

/** What the section rewriters share. */
export interface Rewriting {
  readonly bytes: Uint8Array;
  readonly shape: ModuleShape;
  readonly options: RewriteOptions;
  readonly isMetered: boolean;
  /** An import may be called through a table: its calls are counted there. */
  importsEscape: boolean;
}

/** The function index that `index` of the original has now. */
export function movedFunction(rewriting: Rewriting, index: number): number {
  const { isMetered, shape } = rewriting;
  return isMetered && index >= shape.importedFunctions ? index + 1 : index;
}
