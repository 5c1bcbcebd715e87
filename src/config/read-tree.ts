/**
 * First pass: walks the YAML nodes and the message descriptors in parallel. Reports unknown fields,
 * wrong types, unknown @type, two members of a oneof; gives proto JSON of what is sound (field
 * names
 * as in the proto, enum values spelled as in the proto) and remembers where each field stands.
 */
import type { ProblemList } from "./problems.ts";
import type { DescField, DescMessage, JsonObject, JsonValue } from "./protobuf.ts";
import { isWrapperDesc, registry } from "./protobuf.ts";
import type { MaybeNode } from "./read-node.ts";
import {
  describe,
  isNull,
  isObject,
  isValueField,
  join,
  keyText,
  plainScalar,
  setOwn,
} from "./read-node.ts";
import { enumJson, scalarJson } from "./read-scalar.ts";
import { fieldHint } from "./suggest.ts";
import type { Alias, Document, LineCounter, Node, YAMLMap } from "./yaml.ts";
import { isAlias, isMap, isScalar, isSeq } from "./yaml.ts";

/** Nodes after expansion of aliases: more is an alias bomb. */
const NODES_MAX = 200_000;
const DEPTH_MAX = 200;
/** Messages whose proto JSON is not an object of their fields. */
const SPECIAL = new Set(
  ["Duration", "Timestamp", "FieldMask", "Struct", "Value", "ListValue", "Any"].map(
    (name) => `google.protobuf.${name}`,
  ),
);

/** Envoy reads these in place of any configuration. */
const TYPED_STRUCTS = new Set(["udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"]);

export interface Source {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly origin: string;
  /** JSON of the file that this text is merged over, or null: indexes of lists go on from there. */
  readonly base: JsonObject | null;
}
/** `undefined` = nothing usable (reported, or null in the text). */
type Read = JsonValue | undefined;

export class TreeReader {
  readonly #source: Source;
  readonly #problems: ProblemList;
  readonly #aliases = new Map<Alias, MaybeNode>();
  #nodes = 0;
  #depth = 0;

  constructor(source: Source, problems: ProblemList) {
    this.#source = source;
    this.#problems = problems;
  }

  /** Reads the whole document as a message of type `desc`. */
  readRoot(desc: DescMessage): JsonObject {
    const root = this.#source.document.contents as MaybeNode;
    if (root === null || root === undefined) return {};
    const json = this.#message(root, desc, { path: "", base: this.#source.base });
    return isObject(json) ? json : {};
  }

  /** Reads one node as an Any that stands at `path`, with "@type"; null after a problem. */
  readAny(node: Node, path: string): JsonObject | null {
    this.#locate(path, node);
    const json = this.#any(node, { path, base: undefined });
    return isObject(json) ? json : null;
  }

  #message(node: MaybeNode, desc: DescMessage, at: Place): Read {
    const target = this.#enter(node, at.path);
    if (target === undefined) return undefined;
    this.#depth++;
    const json = this.#messageBody(target, desc, at);
    this.#depth--;
    return json;
  }

  #messageBody(node: Node, desc: DescMessage, at: Place): Read {
    const name = desc.typeName;
    if (name === "google.protobuf.Any") return this.#any(node, at);
    if (name === "google.protobuf.Value") return this.#plain(node, at.path);
    if (name === "google.protobuf.Struct") return this.#plainOf(node, at.path, "mapping");
    if (name === "google.protobuf.ListValue") return this.#plainOf(node, at.path, "list");
    if (isWrapperDesc(desc)) {
      const value = desc.fields[0];
      return value?.fieldKind === "scalar" ? this.#scalar(node, value.scalar, at.path) : undefined;
    }
    if (SPECIAL.has(name)) return this.#scalar(node, name, at.path);
    return this.#fields(node, desc, at);
  }

  /** Fields of an ordinary message; `@type` is skipped (the caller has read it). */
  #fields(node: Node, desc: DescMessage, at: Place): Read {
    if (!isMap(node)) return this.#wrongType(node, at.path, `a mapping (${desc.typeName})`);
    const json: JsonObject = {};
    const seen: Seen = { keys: new Set(), oneofs: new Map() };
    for (const pair of node.items) {
      const key = keyText(pair.key);
      if (key === "@type" && at.inAny === true) continue;
      const field = desc.fields.find((f) => f.name === key || f.jsonName === key);
      const path = join(at.path, field?.name ?? key);
      this.#locate(path, pair.key as Node);
      if (this.#isDuplicate(seen.keys, field?.name ?? key, path)) continue;
      if (field === undefined) {
        const { hint, meant } = fieldHint(key, desc);
        this.#report(path, { error: `unknown field "${key}" in ${desc.typeName}`, hint });
        if (meant !== null) this.#problems.mute(join(at.path, meant));
        continue;
      }
      if (!isNull(pair.value as MaybeNode) && this.#isSecondMember(seen, field, path)) continue;
      const base = isObject(at.base) ? at.base[field.name] : undefined;
      const value = this.#field(pair.value as MaybeNode, field, { path, base });
      if (value !== undefined) json[field.name] = value;
    }
    return json;
  }

  #isDuplicate(keys: Set<string>, key: string, path: string): boolean {
    if (keys.has(key)) {
      this.#report(path, { error: `"${key}" is there twice`, hint: "keep one of the two" });
      return true;
    }
    keys.add(key);
    return false;
  }

  #isSecondMember(seen: Seen, field: DescField, path: string): boolean {
    const { oneof } = field;
    if (oneof === undefined) return false;
    const other = seen.oneofs.get(oneof.name);
    seen.oneofs.set(oneof.name, other ?? field.name);
    if (other === undefined) return false;
    const error = `${other} and ${field.name} are both set, but only one of ${oneof.name} may be`;
    this.#report(path, { error, hint: "remove one of the two" });
    return true;
  }

  #field(node: MaybeNode, field: DescField, at: Place): Read {
    if (isNull(node) && !isValueField(field)) return undefined;
    if (field.fieldKind === "list") return this.#list(node, field, at);
    if (field.fieldKind === "map") return this.#map(node, field, at);
    return this.#single(node, field, at);
  }

  /** A singular value: of the field itself, or of one item or entry of it. */
  #single(node: MaybeNode, field: DescField, at: Place): Read {
    const desc = field.message;
    if (desc !== undefined) return this.#message(node, desc, at);
    const target = this.#enter(node, at.path);
    if (target === undefined) return undefined;
    if (field.enum !== undefined) {
      if (!isScalar(target)) return this.#wrongType(target, at.path, "the name of an enum value");
      const read = enumJson(target.value, field.enum);
      return "error" in read ? this.#report(at.path, read) : read.json;
    }
    return field.scalar === undefined ? undefined : this.#scalar(target, field.scalar, at.path);
  }

  #list(node: MaybeNode, field: DescField & { fieldKind: "list" }, at: Place): Read {
    const target = this.#enter(node, at.path);
    if (target === undefined) return undefined;
    if (!isSeq(target)) {
      return this.#wrongType(target, at.path, "a list", 'write the items as "- item" lines');
    }
    const first = Array.isArray(at.base) ? at.base.length : 0;
    const json: JsonValue[] = [];
    target.items.forEach((item, i) => {
      const path = `${at.path}[${first + i}]`;
      this.#locate(path, item as MaybeNode);
      if (isNull(item as MaybeNode) && !isValueField(field)) {
        this.#report(path, {
          error: "an empty list item",
          hint: "write the item or remove the dash",
        });
        return;
      }
      const value = this.#single(item as MaybeNode, field, { path, base: undefined });
      if (value !== undefined) json.push(value);
    });
    return json;
  }

  #map(node: MaybeNode, field: DescField & { fieldKind: "map" }, at: Place): Read {
    const target = this.#enter(node, at.path);
    if (target === undefined) return undefined;
    if (!isMap(target)) return this.#wrongType(target, at.path, "a mapping");
    const json: JsonObject = {};
    const keys = new Set<string>();
    for (const pair of target.items) {
      const key = keyText(pair.key);
      const path = `${at.path}[${JSON.stringify(key)}]`;
      this.#locate(path, pair.key as Node);
      if (this.#isDuplicate(keys, key, path)) continue;
      const base = isObject(at.base) ? at.base[key] : undefined;
      const value = this.#single(pair.value as MaybeNode, field, { path, base });
      if (value !== undefined) setOwn(json, key, value);
    }
    return json;
  }

  #any(node: Node, at: Place): Read {
    if (!isMap(node)) return this.#wrongType(node, at.path, 'a mapping with "@type"');
    // Proto JSON: an empty object is an Any that holds nothing.
    if (node.items.length === 0) return undefined;
    const type: unknown = node.get("@type");
    const path = join(at.path, "@type");
    const pair = node.items.find((item) => keyText(item.key) === "@type");
    if (pair !== undefined) this.#locate(path, pair.value as MaybeNode);
    if (typeof type !== "string") {
      const hint = 'add "@type": type.googleapis.com/<message name>';
      return this.#report(at.path, { error: '"@type" is missing or is not a string', hint });
    }
    const desc = registry.getMessage(type.slice(type.lastIndexOf("/") + 1));
    if (desc === undefined || !type.includes("/")) {
      return this.#report(path, {
        error: `"${type}" is not a type that Granary knows`,
        hint: "write type.googleapis.com/ and the full message name; see docs for what is implemented",
      });
    }
    if (TYPED_STRUCTS.has(desc.typeName) && at.path.endsWith("typed_config")) {
      return this.#typedStruct(node, at);
    }
    if (!SPECIAL.has(desc.typeName) && !isWrapperDesc(desc)) {
      const json = this.#fields(node, desc, { path: at.path, base: undefined, inAny: true });
      return isObject(json) ? { "@type": type, ...json } : undefined;
    }
    return this.#anyValue(node, { type, desc, path: at.path });
  }

  /** A configuration as a Struct that names its type: read as a message of that type. */
  #typedStruct(node: YAMLMap, at: Place): Read {
    let value: MaybeNode = null;
    let type: unknown = null;
    for (const pair of node.items) {
      const key = keyText(pair.key);
      const path = join(at.path, key);
      this.#locate(path, pair.key as Node);
      if (key === "value") value = pair.value as MaybeNode;
      else if (key === "type_url" || key === "typeUrl")
        type = isScalar(pair.value) ? pair.value.value : null;
      else if (key !== "@type") {
        const hint = "a TypedStruct has type_url and value";
        this.#report(path, { error: `unknown field "${key}" in a TypedStruct`, hint });
      }
    }
    const name = typeof type === "string" ? type : "";
    const desc = registry.getMessage(name.slice(name.lastIndexOf("/") + 1));
    if (desc === undefined || SPECIAL.has(desc.typeName) || isWrapperDesc(desc)) {
      const error = `"${name}" is not a type that Granary knows`;
      const hint = "write type.googleapis.com/ and the full message name in type_url";
      return this.#report(join(at.path, "type_url"), { error, hint });
    }
    const target = this.#enter(value, at.path);
    const json =
      target === undefined ? {} : this.#fields(target, desc, { path: at.path, base: undefined });
    return isObject(json)
      ? { "@type": `type.googleapis.com/${desc.typeName}`, ...json }
      : undefined;
  }

  /** An Any of a type with a JSON form of its own: `{"@type": ..., "value": ...}`. */
  #anyValue(node: Node, any: { type: string; desc: DescMessage; path: string }): Read {
    if (!isMap(node)) return undefined;
    const path = join(any.path, "value");
    for (const pair of node.items) {
      const key = keyText(pair.key);
      if (key === "@type") continue;
      this.#locate(join(any.path, key), pair.key as Node);
      if (key === "value") continue;
      return this.#report(join(any.path, key), {
        error: `unknown field "${key}" beside a ${any.desc.typeName}`,
        hint: 'put the whole content under "value"',
      });
    }
    const value = node.get("value", true) as MaybeNode;
    if (value === undefined) {
      return this.#report(any.path, { error: '"value" is missing', hint: "add value: ..." });
    }
    const json = this.#message(value, any.desc, { path, base: undefined });
    return json === undefined ? undefined : { "@type": any.type, value: json };
  }

  #plainOf(node: Node, path: string, want: "mapping" | "list"): Read {
    if (want === "mapping" ? isMap(node) : isSeq(node)) return this.#plain(node, path);
    return this.#wrongType(node, path, `a ${want}`);
  }

  /** Free-form JSON: Struct, Value, ListValue. */
  #plain(node: MaybeNode, path: string): Read {
    if (isNull(node)) return null;
    const target = this.#enter(node, path);
    if (target === undefined) return undefined;
    this.#depth++;
    let json: Read;
    if (isMap(target)) {
      const object: JsonObject = {};
      const keys = new Set<string>();
      for (const pair of target.items) {
        const key = keyText(pair.key);
        this.#locate(join(path, key), pair.key as Node);
        if (this.#isDuplicate(keys, key, join(path, key))) continue;
        const value = this.#plain(pair.value as MaybeNode, join(path, key));
        if (value !== undefined) setOwn(object, key, value);
      }
      json = object;
    } else if (isSeq(target)) {
      json = target.items.map((item, i) => this.#plain(item as MaybeNode, `${path}[${i}]`) ?? null);
    } else {
      json = plainScalar(isScalar(target) ? target.value : null);
    }
    this.#depth--;
    return json;
  }

  #scalar(node: Node, type: number | string, path: string): Read {
    if (!isScalar(node)) {
      return this.#wrongType(node, path, "a single value");
    }
    const read = scalarJson({ value: node.value, source: node.source ?? "" }, type);
    return "error" in read ? this.#report(path, read) : read.json;
  }

  /** The node behind an alias; undefined for null and past the caps (reported once). */
  #enter(node: MaybeNode, path: string): Node | undefined {
    const target = isAlias(node) ? this.#resolve(node) : node;
    if (target === null || target === undefined || isNull(target)) return undefined;
    this.#nodes++;
    if (this.#nodes > NODES_MAX || this.#depth > DEPTH_MAX) {
      if (this.#nodes < NODES_MAX * 2) {
        this.#report(path, {
          error: "too deep or too large after aliases",
          hint: "write it flatter",
        });
        this.#nodes = NODES_MAX * 2;
      }
      return undefined;
    }
    return target;
  }

  /** Resolving walks the whole document, so each alias is resolved once. */
  #resolve(alias: Alias): MaybeNode {
    if (!this.#aliases.has(alias)) {
      this.#aliases.set(alias, alias.resolve(this.#source.document));
    }
    return this.#aliases.get(alias);
  }

  #locate(path: string, node: MaybeNode): void {
    const offset = node?.range?.[0];
    if (offset === undefined) return;
    const { line, col } = this.#source.lines.linePos(offset);
    this.#problems.locate(path, { origin: this.#source.origin, line, column: col });
  }

  #wrongType(node: Node, path: string, want: string, hint = ""): undefined {
    const got = isMap(node) ? "a mapping" : isSeq(node) ? "a list" : describe(node);
    return this.#report(path, { error: `expected ${want}, got ${got}`, hint });
  }

  #report(path: string, problem: { error: string; hint: string }): undefined {
    const text = { message: problem.error, hint: problem.hint };
    this.#problems.addAt(path, this.#problems.positionOf(path), text);
    return undefined;
  }
}

/** Keys and oneof members that one mapping has named so far. */
interface Seen {
  readonly keys: Set<string>;
  readonly oneofs: Map<string, string>;
}

interface Place {
  readonly path: string;
  /** What the file below the overlay has here. */
  readonly base: JsonValue | undefined | null;
  /** The node is an Any: its "@type" has been read. */
  readonly inAny?: true;
}
