/**
 * Branded numbers, so that an id of one kind is never passed for another. Each brand is made in one
 * function that asserts its range.
 */
import { assert } from "./assert.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Proxy-Wasm context id, 1..2^32-1; 0 is the VM context. */
export type ContextId = Branded<"ContextId">;

export function contextId(value: number): ContextId {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, `context id ${value}`);
  return value as ContextId;
}
