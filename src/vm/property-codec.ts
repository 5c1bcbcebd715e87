/**
 * Paths and values of properties (ABI 3.3). Integers are bigint (8 bytes), a number is a double.
 * Text is latin1 as it came from the wire; text that is not, from the configuration, goes out as
 * UTF-8.
 */

import { pairsBlock } from "../abi/pairs.ts";
import { assertNever } from "../base/assert.ts";
import type { PropertyValue } from "../config/types.ts";

/** The parts of a path: split at NUL, without the empty part that a trailing NUL makes. */
export function splitPath(path: string): string[] {
  const parts = path.split("\0");
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  return parts;
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** `text` as one code unit for each byte. */
export function byteText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) return latin1Of(Buffer.from(text, "utf8"));
  }
  return text;
}

function word64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return bytes;
}

function double64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return bytes;
}

/**
 * The bytes of a value; the reader must know its type. Text is what {@link byteText} makes of it.
 * @returns null for a map or a list with a null in it.
 */
export function serializeProperty(value: PropertyValue): Uint8Array | null {
  if (typeof value === "string") return Buffer.from(byteText(value), "latin1");
  if (typeof value === "bigint") return word64(value);
  if (typeof value === "number") return double64(value);
  if (typeof value === "boolean") return Uint8Array.of(value ? 1 : 0);
  if (value instanceof Uint8Array) return value;
  switch (value.kind) {
    case "message":
      return value.encoded;
    case "duration":
    case "timestamp":
      return word64(value.ns);
    case "map":
      return serializePairs(Object.entries(value.entries), "withKeys");
    case "list":
      return serializePairs(Object.entries(value.items), "withoutKeys");
    default:
      return assertNever(value);
  }
}

/** A list is pairs whose names are its items. */
function serializePairs(
  items: readonly (readonly [string, PropertyValue | null])[],
  keys: "withKeys" | "withoutKeys",
): Uint8Array | null {
  const pairs: [string, string][] = [];
  for (const [key, item] of items) {
    const bytes = item === null ? null : serializeProperty(item);
    if (bytes === null) return null;
    const text = latin1Of(bytes);
    pairs.push(keys === "withKeys" ? [byteText(key), text] : [text, ""]);
  }
  return pairsBlock(pairs);
}

/** Walks from `value` along `path` from part `from` on; undefined = there is no such value. */
export function descend(
  value: PropertyValue,
  path: readonly string[],
  from: number,
): PropertyValue | undefined {
  let at: PropertyValue | undefined = value;
  for (let i = from; i < path.length && at !== undefined; i++) at = step(at, path[i] ?? "");
  return at;
}

function step(value: PropertyValue, part: string): PropertyValue | undefined {
  if (typeof value !== "object" || value instanceof Uint8Array) return undefined;
  switch (value.kind) {
    case "message":
      return Object.hasOwn(value.fields, part) ? (value.fields[part] ?? undefined) : undefined;
    case "map":
      return Object.hasOwn(value.entries, part) ? (value.entries[part] ?? undefined) : undefined;
    case "list":
      return /^(0|[1-9]\d{0,8})$/.test(part) ? (value.items[Number(part)] ?? undefined) : undefined;
    case "duration":
    case "timestamp":
      return undefined;
    default:
      return assertNever(value);
  }
}
