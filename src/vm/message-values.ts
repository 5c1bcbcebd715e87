/**
 * Messages that guests stored, as trees of attributes (ABI 3.3): fields are decoded when a path
 * asks for them. The bytes are a guest's: those that are no message of their type, or are too many
 * or too deep, have no fields. What CEL makes of messages decides: unset fields have their default,
 * wrappers, Struct, Value and Any stand for what is in them.
 */
import { isUtf8 } from "node:buffer";
import { WIRE_TYPE, WireCursor } from "../abi/protobuf-wire.ts";
import { LIMITS } from "../base/limits.ts";
import type { PropertyMessage, PropertyValue } from "../config/types.ts";
import {
  type MessageField,
  type MessageType,
  messageType,
  messageTypeOfUrl,
} from "./message-types.ts";

type Raw = bigint | Uint8Array;
type Value = PropertyValue | null;
type Fields = Readonly<Record<string, Value>>;

const NOTHING = new Uint8Array(0);
const NO_FIELDS: Fields = Object.freeze({});
const NS = 1_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;

/** A message that is known to be one of `type`. */
export class DecodedMessage implements PropertyMessage {
  readonly kind = "message";
  readonly encoded: Uint8Array;
  readonly #type: MessageType;

  constructor(type: MessageType, encoded: Uint8Array) {
    this.#type = type;
    this.encoded = encoded;
  }

  /** The field `name`; undefined when the type has none. */
  field(name: string): Value | undefined {
    const field = this.#type.byName.get(name);
    return field === undefined ? undefined : fieldValue(this.#type, field, this.encoded);
  }

  /** Every field by name, decoded when it is read. */
  get fields(): Fields {
    const fields: Record<string, Value> = Object.create(null);
    for (const field of this.#type.fields) {
      const get = (): Value => fieldValue(this.#type, field, this.encoded);
      Object.defineProperty(fields, field.name, { get, enumerable: true });
    }
    return fields;
  }
}

/** A message of `type` (null: not known), which is looked at when a path goes into it. */
export class StoredMessage implements PropertyMessage {
  readonly kind = "message";
  readonly encoded: Uint8Array;
  readonly #type: MessageType | null;
  #isReadable: boolean | null = null;

  constructor(type: MessageType | null, encoded: Uint8Array) {
    this.#type = type;
    this.encoded = encoded;
  }

  /** What it stands for, decoded anew each time; null when the bytes cannot be read. */
  get value(): Value {
    const type = this.encoded.byteLength > LIMITS.storedMessageBytes ? null : this.#type;
    if (type === null) return null;
    this.#isReadable ??= isMessage(type, this.encoded, 1);
    return this.#isReadable ? messageValue(type, [this.encoded]) : null;
  }

  get fields(): Fields {
    const { value } = this;
    if (typeof value !== "object" || value === null || value instanceof Uint8Array)
      return NO_FIELDS;
    if (value.kind === "message") return value.fields;
    return value.kind === "map" ? value.entries : NO_FIELDS;
  }
}

/** Whether `bytes` are a message of `type`, with all that is in it. */
function isMessage(type: MessageType, bytes: Uint8Array, depth: number): boolean {
  if (depth > LIMITS.storedMessageDepth) return false;
  const cursor = new WireCursor(bytes);
  while (!cursor.isAtEnd) {
    if (!cursor.advance()) return false;
    const field = type.byNumber.get(cursor.number);
    if (field !== undefined && !isField(field, cursor, depth)) return false;
  }
  return true;
}

function isField(field: MessageField, { type, value }: WireCursor, depth: number): boolean {
  // Of another wire type it is an unknown field.
  if (!(value instanceof Uint8Array) || type !== WIRE_TYPE.bytes) return true;
  if (isPacked(field)) return unpacked(field, value) !== null;
  if (field.kind === "string") return isUtf8(value);
  const inner = field.kind === "message" ? messageType(field.message) : null;
  return inner === null || isMessage(inner, value, depth + 1);
}

/** Whether values may stand behind each other in one field. */
function isPacked({ label, wireType }: MessageField): boolean {
  return label === "repeated" && wireType !== WIRE_TYPE.bytes;
}

function unpacked({ wireType }: MessageField, bytes: Uint8Array): Raw[] | null {
  const cursor = new WireCursor(bytes);
  const values: Raw[] = [];
  while (!cursor.isAtEnd) {
    const value = cursor.read(wireType);
    if (value === null) return null;
    values.push(value);
  }
  return values;
}

/** What the wire has of `field`; another member of its oneof takes it away. */
function rawValues(type: MessageType, field: MessageField, bytes: Uint8Array): Raw[] {
  const cursor = new WireCursor(bytes);
  let values: Raw[] = [];
  while (!cursor.isAtEnd && cursor.advance()) {
    if (cursor.number !== field.number) {
      const other = field.oneof < 0 ? undefined : type.byNumber.get(cursor.number);
      if (other?.oneof === field.oneof && other.wireType === cursor.type) values = [];
    } else if (cursor.type === field.wireType) {
      values.push(cursor.value);
    } else if (cursor.value instanceof Uint8Array && isPacked(field)) {
      for (const value of unpacked(field, cursor.value) ?? []) values.push(value);
    }
  }
  return values;
}

function fieldValue(type: MessageType, field: MessageField, bytes: Uint8Array): Value {
  const raw = rawValues(type, field, bytes);
  if (field.label === "map") return mapValue(field, raw);
  if (field.label === "repeated") {
    return { kind: "list", items: raw.map((one) => oneValue(field, [one])) };
  }
  return oneValue(field, raw);
}

function mapValue(field: MessageField, raw: readonly Raw[]): Value {
  const entries: Record<string, Value> = Object.create(null);
  const entry = messageType(field.message);
  const [key, item] = entry?.fields ?? [];
  if (entry === null || key === undefined || item === undefined) return { kind: "map", entries };
  for (const bytes of raw) {
    if (typeof bytes === "bigint") continue;
    const name = String(fieldValue(entry, key, bytes));
    entries[name] = fieldValue(entry, item, bytes);
  }
  return { kind: "map", entries };
}

/** The value of a field that is not repeated; `raw` is empty when it is not set. */
function oneValue(field: MessageField, raw: readonly Raw[]): Value {
  if (field.kind !== "message") return scalarValue(field.kind, raw.at(-1) ?? null);
  const type = messageType(field.message);
  return type === null ? null : messageValue(type, raw as readonly Uint8Array[]);
}

function scalarValue(kind: string, raw: Raw | null): PropertyValue {
  if (raw instanceof Uint8Array) return bytesValue(kind, raw);
  const value = raw ?? 0n;
  switch (kind) {
    case "string":
      return "";
    case "bytes":
      return NOTHING;
    case "double":
    case "float":
      return 0;
    case "bool":
      return value !== 0n;
    case "int32":
    case "enum":
      return BigInt.asIntN(32, value);
    case "uint32":
      return BigInt.asUintN(32, value);
    case "sint32":
      return zigzag(BigInt.asUintN(32, value));
    case "sint64":
      return zigzag(value);
    default:
      return kind === "int64" ? BigInt.asIntN(64, value) : value;
  }
}

function zigzag(value: bigint): bigint {
  return (value >> 1n) ^ -(value & 1n);
}

function bytesValue(kind: string, raw: Uint8Array): PropertyValue {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  switch (kind) {
    case "string":
      return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("latin1");
    case "double":
      return view.getFloat64(0, true);
    case "float":
      return view.getFloat32(0, true);
    case "fixed32":
      return BigInt(view.getUint32(0, true));
    case "sfixed32":
      return BigInt(view.getInt32(0, true));
    case "fixed64":
      return view.getBigUint64(0, true);
    case "sfixed64":
      return view.getBigInt64(0, true);
    default:
      return raw;
  }
}

/** What CEL makes of a message that came in `parts`: none when it is not set. */
function messageValue(type: MessageType, parts: readonly Uint8Array[]): Value {
  // Of a field that comes twice the messages are merged: that is what their bytes in a row mean.
  const bytes = parts.length === 1 ? (parts[0] ?? NOTHING) : Buffer.concat(parts);
  const [first] = type.fields;
  const known = type.name.startsWith("google.protobuf.") ? type.name.slice(16) : "";
  switch (known) {
    case "Duration":
      return { kind: "duration", ns: nanoseconds(type, bytes) };
    case "Timestamp":
      return { kind: "timestamp", ns: nanoseconds(type, bytes) };
    case "Value":
      return valueOfValue(type, bytes);
    case "Any":
      return anyValue(type, bytes);
    default:
      break;
  }
  const isStandIn = known === "Struct" || (known.endsWith("Value") && known !== "EnumValue");
  if (isStandIn && first !== undefined) return fieldValue(type, first, bytes);
  return new DecodedMessage(type, bytes);
}

function nanoseconds(type: MessageType, bytes: Uint8Array): bigint {
  const [seconds = 0n, nanos = 0n] = type.fields.map((field) => fieldValue(type, field, bytes));
  const ns = (seconds as bigint) * NS + (nanos as bigint);
  if (ns > INT64_MAX) return INT64_MAX;
  return ns < -INT64_MAX - 1n ? -INT64_MAX - 1n : ns;
}

function valueOfValue(type: MessageType, bytes: Uint8Array): Value {
  const set = type.fields.find((field) => rawValues(type, field, bytes).length > 0);
  return set === undefined || set.name === "null_value" ? null : fieldValue(type, set, bytes);
}

/** The message inside; one that cannot be read has no serialisation. */
function anyValue(any: MessageType, bytes: Uint8Array): Value {
  let inner = bytes;
  for (let depth = 0; depth < LIMITS.storedMessageDepth; depth++) {
    const [url, value] = any.fields.map((field) => fieldValue(any, field, inner));
    const type = typeof url === "string" ? messageTypeOfUrl(url) : null;
    if (type === null || !(value instanceof Uint8Array) || !isMessage(type, value, 1)) return null;
    if (type !== any) return messageValue(type, [value]);
    inner = value;
  }
  return null;
}
