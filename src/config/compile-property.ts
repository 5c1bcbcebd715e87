/**
 * Messages to attribute trees (ABI 3.3): the encoding, and the fields by their proto names. Struct
 * and Value are unwrapped, wrappers too; integers and enums are bigint, floating numbers number.
 */

import { durationNs } from "./pgv.ts";
import type { DescField, Message, ReflectList, ReflectMap, ReflectMessage } from "./protobuf.ts";
import {
  isReflectMessage,
  isWrapperDesc,
  reflect,
  registry,
  ScalarType,
  toBinary,
} from "./protobuf.ts";
import type { PropertyMessage, PropertyValue } from "./types.ts";

/** The tree of one message (of a type in the registry). */
export function propertyMessage(message: Message): PropertyMessage {
  const desc = registry.getMessage(message.$typeName);
  if (desc === undefined) return { kind: "message", encoded: new Uint8Array(0), fields: {} };
  return fromReflect(reflect(desc, message));
}

/** The tree, or null for an absent message. */
export function propertyOrNull(message: Message | undefined): PropertyMessage | null {
  return message === undefined ? null : propertyMessage(message);
}

function fromReflect(message: ReflectMessage): PropertyMessage {
  const fields: [string, PropertyValue][] = [];
  for (const field of message.desc.fields) {
    if (!message.isSet(field)) continue;
    const value = fieldValue(message, field);
    if (value !== null) fields.push([field.name, value]);
  }
  const encoded = toBinary(message.desc, message.message);
  return { kind: "message", encoded, fields: Object.fromEntries(fields) };
}

function fieldValue(message: ReflectMessage, field: DescField): PropertyValue | null {
  const value: unknown = message.get(field);
  if (field.fieldKind === "list") {
    const items = [...(value as ReflectList)].map((item) => oneValue(item, field));
    return { kind: "list", items: items.filter((item) => item !== null) };
  }
  if (field.fieldKind === "map") {
    const entries: [string, PropertyValue][] = [];
    for (const [key, item] of value as ReflectMap) {
      const made = oneValue(item, field);
      if (made !== null) entries.push([String(key), made]);
    }
    return { kind: "map", entries: Object.fromEntries(entries) };
  }
  return oneValue(value, field);
}

function oneValue(value: unknown, field: DescField): PropertyValue | null {
  if (isReflectMessage(value)) return messageValue(value);
  if (field.enum !== undefined) return BigInt(value as number);
  return scalarValue(value, field.scalar ?? ScalarType.STRING);
}

function scalarValue(value: unknown, type: ScalarType): PropertyValue {
  const floating = type === ScalarType.DOUBLE || type === ScalarType.FLOAT;
  if (typeof value === "number" && !floating) return BigInt(value);
  return value as PropertyValue;
}

function messageValue(message: ReflectMessage): PropertyValue | null {
  const { desc } = message;
  const first = desc.fields[0];
  if (isWrapperDesc(desc) && first !== undefined) return fieldValue(message, first);
  const ns = (): bigint => durationNs(message.message);
  switch (desc.typeName) {
    case "google.protobuf.Duration":
      return { kind: "duration", ns: ns() };
    case "google.protobuf.Timestamp":
      return { kind: "timestamp", ns: ns() };
    case "google.protobuf.Struct": {
      const map = first === undefined ? null : fieldValue(message, first);
      return map ?? { kind: "map", entries: {} };
    }
    case "google.protobuf.ListValue":
      return first === undefined ? null : fieldValue(message, first);
    case "google.protobuf.Value": {
      const set = desc.oneofs[0] === undefined ? undefined : message.oneofCase(desc.oneofs[0]);
      // A null Value has no serialisation: it is as if the key were absent.
      return set === undefined || set.name === "null_value" ? null : fieldValue(message, set);
    }
    default:
      return fromReflect(message);
  }
}
