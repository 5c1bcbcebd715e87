/**
 * The fields of protobuf messages that Envoy knows, by number and by name. The table is generated
 * (scripts/message-table.mjs says how it is written), and a thread loads it when the first guest
 * declares a property of such a type: 260 KB, about 7 ms.
 */
import { createRequire } from "node:module";
import { WIRE_TYPE } from "../abi/protobuf-wire.ts";

/** Wire types of the kinds that are no `bytes` on the wire. */
const WIRE_TYPES: Readonly<Record<string, number>> = {
  ...kinds(WIRE_TYPE.varint, "int32 int64 uint32 uint64 sint32 sint64 bool enum"),
  ...kinds(WIRE_TYPE.fixed64, "double fixed64 sfixed64"),
  ...kinds(WIRE_TYPE.fixed32, "float fixed32 sfixed32"),
};

function kinds(type: number, names: string): Record<string, number> {
  return Object.fromEntries(names.split(" ").map((name) => [name, type]));
}

export interface MessageField {
  readonly name: string;
  readonly number: number;
  /** A scalar of protobuf, "enum" or "message". */
  readonly kind: string;
  /** Name of the message, of its entry for maps; else "". */
  readonly message: string;
  readonly label: "one" | "repeated" | "map";
  /** Index in the message, -1 outside of all. */
  readonly oneof: number;
  /** Of one value; repeated ones may be packed as well. */
  readonly wireType: number;
}

export interface MessageType {
  readonly name: string;
  readonly fields: readonly MessageField[];
  readonly byNumber: ReadonlyMap<number, MessageField>;
  readonly byName: ReadonlyMap<string, MessageField>;
}

let lines: ReadonlyMap<string, string> | null = null;
const types = new Map<string, MessageType>();

function loadLines(): ReadonlyMap<string, string> {
  const text: string = createRequire(import.meta.url)("../gen/message-table.cjs");
  return new Map(text.split("\n").map((line) => [line.split(" ", 1)[0] ?? "", line]));
}

function parseField(text: string): MessageField {
  const [name = "", number = "", written = ""] = text.split(":");
  const [labelled = "", oneof = "-1"] = written.split("|");
  const label = labelled[0] === "*" ? "repeated" : labelled[0] === "%" ? "map" : "one";
  const kind = label === "one" ? labelled : labelled.slice(1);
  const message = kind[0] === "." ? kind.slice(1) : "";
  return {
    name,
    number: Number(number),
    kind: message === "" ? kind : "message",
    message,
    label,
    oneof: Number(oneof),
    wireType: WIRE_TYPES[kind] ?? WIRE_TYPE.bytes,
  };
}

/** The message `name`, or null when it is not known. Thread: any; loads the table. */
export function messageType(name: string): MessageType | null {
  const known = types.get(name);
  if (known !== undefined) return known;
  lines ??= loadLines();
  const line = lines.get(name);
  if (line === undefined) return null;
  const fields = line.split(" ").slice(1).map(parseField);
  const byNumber = new Map(fields.map((field) => [field.number, field]));
  const byName = new Map(fields.map((field) => [field.name, field]));
  const made = { name, fields, byNumber, byName };
  types.set(name, made);
  return made;
}

/** The message of a type URL, which needs a slash; or null. */
export function messageTypeOfUrl(url: string): MessageType | null {
  const slash = url.lastIndexOf("/");
  return slash < 0 ? null : messageType(url.slice(slash + 1));
}
