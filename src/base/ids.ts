/**
 * Branded numbers, so that an id of one kind is never passed for another. Each brand is made in one
 * function that asserts its range.
 */
import { assert } from "./assert.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Proxy-Wasm context id, 1..2^32-1; 0 is the VM context. */
export type ContextId = Branded<"ContextId">;
/** Index of a silo, 0..concurrency-1. */
export type SiloIndex = Branded<"SiloIndex">;

export function contextId(value: number): ContextId {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, `context id ${value}`);
  return value as ContextId;
}

export function siloIndex(value: number): SiloIndex {
  assert(Number.isInteger(value) && value >= 0 && value < 1024, `silo index ${value}`);
  return value as SiloIndex;
}
