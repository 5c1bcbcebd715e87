/**
 * What guests declared about the properties that they set (`declare_property`): a property without
 * a declaration is writable bytes for the life of the stream. Source: ABI 3.14.
 */
import { LIMITS } from "../base/limits.ts";
import type { GuestContext } from "./contexts.ts";
import type { MessageType } from "./message-types.ts";

/** Lives as long as: the filter chain and the request (here the same), or the connection. */
export const STATE_SPAN = { filterChain: 0, request: 1, connection: 2 } as const;
/** How CEL sees the value; on the wire all are bytes. */
export const STATE_TYPE = { bytes: 0, string: 1, flatbuffers: 2, protobuf: 3 } as const;

export interface StateDeclaration {
  /** The first value stays. */
  readonly readOnly: boolean;
  /** A {@link STATE_TYPE}. */
  readonly type: number;
  /** A {@link STATE_SPAN}. */
  readonly span: number;
  /** Of a {@link STATE_TYPE} protobuf that is known: its fields are found by path. */
  readonly message: MessageType | null;
}

const UNDECLARED: StateDeclaration = {
  readOnly: false,
  type: STATE_TYPE.bytes,
  span: STATE_SPAN.filterChain,
  message: null,
};

/** The declarations made in one VM. */
export class DeclaredProperties {
  readonly #byContext = new WeakMap<GuestContext, Map<string, StateDeclaration>>();

  /** False when the context has declared it before, or has declared too many. */
  declare(context: GuestContext, name: string, declaration: StateDeclaration): boolean {
    const declared = this.#byContext.get(context) ?? new Map<string, StateDeclaration>();
    if (declared.has(name) || declared.size >= LIMITS.declaredPropertiesCount) return false;
    declared.set(name, declaration);
    this.#byContext.set(context, declared);
    return true;
  }

  /** What holds for `name` on the streams of `root`. */
  of(root: GuestContext, name: string): StateDeclaration {
    return this.#byContext.get(root)?.get(name) ?? UNDECLARED;
  }
}
