/**
 * Filter state of streams: `wasm.<name>` and what else filters set, on the stream or on its
 * connection, where later streams find it too.
 */
import { STATE_SPAN, STATE_TYPE, type StateDeclaration } from "../vm/declared-properties.ts";
import type { DownstreamInfo, StreamInfo } from "./stream-info.ts";

interface StateEntry {
  /** Text (latin1) when it was declared a string. */
  value: string | Uint8Array;
  readonly declaration: StateDeclaration;
}

export type FilterState = Map<string, StateEntry>;

const byConnection = new WeakMap<DownstreamInfo, FilterState>();
/** Whether any connection ever had state: almost none does, and each property lookup asks. */
let connectionsHaveState = false;

function entryOf(info: StreamInfo, key: string): StateEntry | undefined {
  const own = info.filterState?.get(key);
  if (own !== undefined || !connectionsHaveState) return own;
  return byConnection.get(info.connection)?.get(key);
}

function isEmpty(info: StreamInfo): boolean {
  return info.filterState === null && !connectionsHaveState;
}

export function filterStateOf(info: StreamInfo, key: string): string | Uint8Array | undefined {
  return isEmpty(info) ? undefined : entryOf(info, key)?.value;
}

/** What `proxy_set_property` stored under `path`. */
export function guestStateOf(info: StreamInfo, path: readonly string[]) {
  return isEmpty(info) ? undefined : entryOf(info, `wasm.${path.join("\0")}`)?.value;
}

function stored(value: Uint8Array, { type }: StateDeclaration): string | Uint8Array {
  return type === STATE_TYPE.string ? Buffer.from(value).toString("latin1") : value;
}

/**
 * Stores `value`, which the callee keeps. What is there already keeps its declaration.
 * @returns false when it is read-only.
 */
export function setFilterState(
  info: StreamInfo,
  key: string,
  value: Uint8Array,
  declaration: StateDeclaration,
): boolean {
  const entry = entryOf(info, key);
  if (entry !== undefined) {
    if (entry.declaration.readOnly) return false;
    entry.value = stored(value, entry.declaration);
    return true;
  }
  stateFor(info, declaration.span).set(key, { value: stored(value, declaration), declaration });
  return true;
}

function stateFor(info: StreamInfo, span: number): FilterState {
  if (span !== STATE_SPAN.connection) {
    info.filterState ??= new Map();
    return info.filterState;
  }
  connectionsHaveState = true;
  const known = byConnection.get(info.connection);
  if (known !== undefined) return known;
  const made: FilterState = new Map();
  byConnection.set(info.connection, made);
  return made;
}
