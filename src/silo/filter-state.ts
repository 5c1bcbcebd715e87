/**
 * Filter state of streams: `wasm.<name>` and what else filters set, on the stream or on its
 * connection, where later streams find it too.
 */
import { LIMITS } from "../base/limits.ts";
import { STATE_SPAN, STATE_TYPE, type StateDeclaration } from "../vm/declared-properties.ts";
import { StoredMessage } from "../vm/message-values.ts";
import type { DownstreamInfo, StreamInfo } from "./stream-info.ts";

interface StateEntry {
  /** Text (latin1) when it was declared a string. */
  value: string | Uint8Array;
  /** The value, when it was declared a message. */
  message: StoredMessage | null;
  readonly declaration: StateDeclaration;
}

export class FilterState {
  readonly #entries = new Map<string, StateEntry>();
  #byteSize = 0;

  get(key: string): StateEntry | undefined {
    return this.#entries.get(key);
  }

  /** False when it is read-only or would be too much. */
  change(entry: StateEntry, value: Uint8Array): boolean {
    const growth = value.length - entry.value.length;
    if (entry.declaration.readOnly || !this.#grow(growth)) return false;
    entry.value = stored(value, entry.declaration);
    entry.message = messageIn(value, entry.declaration);
    return true;
  }

  add(key: string, entry: StateEntry): boolean {
    if (!this.#grow(key.length + entry.value.length)) return false;
    this.#entries.set(key, entry);
    return true;
  }

  #grow(bytes: number): boolean {
    if (this.#byteSize + bytes > LIMITS.filterStateBytes) return false;
    this.#byteSize += bytes;
    return true;
  }
}

const byConnection = new WeakMap<DownstreamInfo, FilterState>();
/** Whether any connection ever had state: almost none does, and each property lookup asks. */
let connectionsHaveState = false;

/** Where `key` is: on the stream, on its connection, or nowhere. */
function stateWith(info: StreamInfo, key: string): FilterState | undefined {
  const own = info.filterState;
  if (own?.get(key) !== undefined) return own;
  const shared = connectionsHaveState ? byConnection.get(info.connection) : undefined;
  return shared?.get(key) === undefined ? undefined : shared;
}

function stateValue(info: StreamInfo, key: string): string | Uint8Array | undefined {
  return stateWith(info, key)?.get(key)?.value;
}

function isEmpty(info: StreamInfo): boolean {
  return info.filterState === null && !connectionsHaveState;
}

export function filterStateOf(info: StreamInfo, key: string): string | Uint8Array | undefined {
  return isEmpty(info) ? undefined : stateValue(info, key);
}

/** What attributes see of it: a message where that was declared. */
export function statePropertyOf(
  info: StreamInfo,
  key: string,
): string | Uint8Array | StoredMessage | undefined {
  const entry = isEmpty(info) ? undefined : stateWith(info, key)?.get(key);
  return entry?.message ?? entry?.value;
}

function stored(value: Uint8Array, { type }: StateDeclaration): string | Uint8Array {
  return type === STATE_TYPE.string ? Buffer.from(value).toString("latin1") : value;
}

function messageIn(value: Uint8Array, declaration: StateDeclaration): StoredMessage | null {
  const { type, message } = declaration;
  return type === STATE_TYPE.protobuf ? new StoredMessage(message, value) : null;
}

/**
 * Stores `value`, which the callee keeps. What is there already keeps its declaration.
 * @returns false when it is read-only, or there is too much already.
 */
export function setFilterState(
  info: StreamInfo,
  key: string,
  value: Uint8Array,
  declaration: StateDeclaration,
): boolean {
  const state = stateWith(info, key);
  const entry = state?.get(key);
  if (state !== undefined && entry !== undefined) {
    return state.change(entry, value);
  }
  const message = messageIn(value, declaration);
  const added = { value: stored(value, declaration), message, declaration };
  return stateFor(info, declaration.span).add(key, added);
}

function stateFor(info: StreamInfo, span: number): FilterState {
  if (span !== STATE_SPAN.connection) {
    info.filterState ??= new FilterState();
    return info.filterState;
  }
  connectionsHaveState = true;
  const known = byConnection.get(info.connection);
  if (known !== undefined) return known;
  const made = new FilterState();
  byConnection.set(info.connection, made);
  return made;
}
