/**
 * `--config-yaml` over `--config-path`, as protobuf merges messages: messages field by field, lists
 * appended, maps by key, everything else replaced. Works on the proto JSON of the first pass.
 */
import type { DescField, DescMessage, JsonObject, JsonValue } from "./protobuf.ts";
import { isWrapperDesc } from "./protobuf.ts";
import { isObject, setOwn } from "./read-node.ts";

/** A new object: `over` merged over `base`, both proto JSON of `desc` with proto field names. */
export function mergeMessages(base: JsonObject, over: JsonObject, desc: DescMessage): JsonObject {
  const merged: JsonObject = { ...base };
  for (const field of desc.fields) {
    const value = over[field.name];
    if (value === undefined) continue;
    // Setting one member of a oneof unsets the others.
    for (const sibling of field.oneof?.fields ?? []) {
      if (sibling !== field) delete merged[sibling.name];
    }
    merged[field.name] = mergeField(base[field.name], value, field);
  }
  return merged;
}

function mergeField(base: JsonValue | undefined, over: JsonValue, field: DescField): JsonValue {
  if (base === undefined) return over;
  if (field.fieldKind === "list") return [...(base as JsonValue[]), ...(over as JsonValue[])];
  if (!isObject(base) || !isObject(over)) return over;
  if (field.fieldKind === "map" || field.message?.typeName === "google.protobuf.Struct") {
    const merged: JsonObject = { ...base };
    for (const [key, value] of Object.entries(over)) setOwn(merged, key, value);
    return merged;
  }
  const desc = field.message;
  if (desc === undefined || isWrapperDesc(desc) || desc.typeName.startsWith("google.protobuf.")) {
    return over;
  }
  return mergeMessages(base, over, desc);
}
