/** Small questions about YAML nodes and JSON values that the reader asks. Pure. */
import type { DescField, JsonObject, JsonValue } from "./protobuf.ts";
import type { Node } from "./yaml.ts";
import { isScalar } from "./yaml.ts";

export type MaybeNode = Node | null | undefined;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Sets an own property, also for the key `__proto__`. */
export function setOwn(target: JsonObject, key: string, value: JsonValue): void {
  Object.defineProperty(target, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

export function isNull(node: MaybeNode): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

/** google.protobuf.Value has a null of its own. */
export function isValueField(field: DescField): boolean {
  return field.message?.typeName === "google.protobuf.Value";
}

export function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

export function plainScalar(value: unknown): JsonValue {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  return String(value);
}

export function describe(node: Node): string {
  return isScalar(node) ? `${typeof node.value} ${JSON.stringify(node.value) ?? ""}` : "nothing";
}

export function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
