/**
 * What modules say about coroutines by their exports, and the one import in which a guest may wait.
 * Source: ADR 56.
 */
import type { ExportInfo, FunctionType, ImportInfo } from "./module-types.ts";

/** A function that is never called: its module wants coroutines. */
export const COROUTINE_MARKER = "granary_coroutines";

/** The only import during which a guest may be suspended. */
export const SUSPENDING_IMPORT = { module: "env", name: "proxy_call_foreign_function" } as const;

const NOTHING: FunctionType = { params: [], results: [] };
const TAKES_STACK: FunctionType = { params: ["i32"], results: [] };
/** The functions of asyncify that the host calls. */
export const ASYNCIFY = {
  startUnwind: "asyncify_start_unwind",
  stopUnwind: "asyncify_stop_unwind",
  startRewind: "asyncify_start_rewind",
  stopRewind: "asyncify_stop_rewind",
} as const;
/** What asyncify adds to a module. */
const ASYNCIFY_EXPORTS: Readonly<Record<string, FunctionType>> = {
  [ASYNCIFY.startUnwind]: TAKES_STACK,
  [ASYNCIFY.stopUnwind]: NOTHING,
  [ASYNCIFY.startRewind]: TAKES_STACK,
  [ASYNCIFY.stopRewind]: NOTHING,
  asyncify_get_state: { params: [], results: ["i32"] },
};

/** Whether a module with these exports wants coroutines. */
export function marksCoroutines(exports: readonly ExportInfo[]): boolean {
  return exports.some(({ kind, name }) => kind === "function" && name === COROUTINE_MARKER);
}

/** One line when the marker is no function; else none. */
export function problemsOfMarkerExport(exports: readonly ExportInfo[]): string[] {
  const marker = exports.find(({ name }) => name === COROUTINE_MARKER);
  if (marker === undefined || marker.kind === "function") return [];
  return [`the export ${COROUTINE_MARKER} is a ${marker.kind}: it must be a function`];
}

/** Whether a guest with these imports can be suspended at all. */
export function canSuspend(imports: readonly ImportInfo[]): boolean {
  const { module, name } = SUSPENDING_IMPORT;
  return imports.some((entry) => entry.module === module && entry.name === name);
}

/**
 * Whether asyncify has been applied to a module with these exports: all of its functions are there,
 * or none. Else why neither is the case.
 */
export function asyncifyExports(
  exports: readonly ExportInfo[],
): "none" | "all" | { readonly problem: string } {
  const names = Object.keys(ASYNCIFY_EXPORTS);
  const found = exports.filter(({ name }) => names.includes(name));
  if (found.length === 0) return "none";
  const odd = found.find((entry) => !isAsyncify(entry));
  if (odd !== undefined) return { problem: `its export ${odd.name} is not that of asyncify` };
  const missing = names.find((name) => !found.some((entry) => entry.name === name));
  return missing === undefined ? "all" : { problem: `it lacks the export ${missing} of asyncify` };
}

function isAsyncify(entry: ExportInfo): boolean {
  const wanted = ASYNCIFY_EXPORTS[entry.name];
  if (entry.kind !== "function" || entry.type === null || wanted === undefined) return false;
  return signature(entry.type) === signature(wanted);
}

function signature({ params, results }: FunctionType): string {
  return `${params.join()}:${results.join()}`;
}
