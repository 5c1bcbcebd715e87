/**
 * Values between the attribute tree and CEL. Attributes are looked up when an expression asks for
 * them, and one that is not there is a missing key. Results are serialised as properties are
 * (ABI 3.3); CEL knows text where the wire knows bytes, UTF-8 connects them.
 */
import { pairsBlock } from "../../abi/pairs.ts";
import type { PropertyMessage, PropertyValue } from "../../config/types.ts";
import { StoredMessage } from "../message-values.ts";
import { byteText, serializeProperty } from "../property-codec.ts";
import type { CelInput, CelLibrary, CelMap, CelMessage, CelValue } from "./cel-library.ts";

/** `undefined`: no such attribute; `null`: a family, whose attributes are found one by one. */
export type FindAttribute = (path: readonly string[]) => PropertyValue | null | undefined;

/** A read-only map whose entries are made when they are asked for. */
class LazyMap extends Map<string, CelInput> {
  readonly #find: (key: string) => CelInput | undefined;
  readonly #keys: readonly string[];

  constructor(find: (key: string) => CelInput | undefined, keys: readonly string[]) {
    super();
    this.#find = find;
    this.#keys = keys;
  }

  override get size(): number {
    return this.#keys.length;
  }
  override get(key: string): CelInput | undefined {
    return typeof key === "string" ? this.#find(key) : undefined;
  }
  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }
  override keys(): MapIterator<string> {
    return this.#keys[Symbol.iterator]() as MapIterator<string>;
  }
  override *entries(): MapIterator<[string, CelInput]> {
    for (const key of this.#keys) yield [key, this.get(key) as CelInput];
  }
  override *values(): MapIterator<CelInput> {
    for (const key of this.#keys) yield this.get(key) as CelInput;
  }
  override [Symbol.iterator](): MapIterator<[string, CelInput]> {
    return this.entries();
  }
}

function textOf(bytes: string): string {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes.charCodeAt(i) > 0x7f) return Buffer.from(byteText(bytes), "latin1").toString("utf8");
  }
  return bytes;
}

export class CelValues {
  readonly #library: CelLibrary;
  /** What maps of the attribute tree stand for: a message, or null for a family. */
  readonly #origins = new WeakMap<object, PropertyMessage | null>();

  constructor(library: CelLibrary) {
    this.#library = library;
  }

  /** The variable `name`; undefined when there is no such attribute. */
  variable(name: string, find: FindAttribute): CelInput | undefined {
    const value = find([name]);
    // A message that cannot be read is an error in every expression.
    if (value instanceof StoredMessage && value.value === null) return undefined;
    if (value === undefined) return undefined;
    if (value !== null) return this.#input(value);
    return this.#remember(
      null,
      new LazyMap((key) => {
        const attribute = find([name, key]);
        return attribute === undefined || attribute === null ? undefined : this.#input(attribute);
      }, []),
    );
  }

  /** The bytes of a result; null when it has no serialisation. */
  serialize(value: CelValue): Uint8Array | null {
    const { cel, reflect } = this.#library;
    if (value === null) return null;
    if (typeof value === "string") return Buffer.from(value, "utf8");
    if (typeof value !== "object") return serializeProperty(value);
    if (value instanceof Uint8Array) return value;
    if (cel.isCelUint(value)) return serializeProperty(value.value);
    if (cel.isCelMap(value)) return this.#serializeMap(value);
    if (cel.isCelList(value)) return this.#serializePairs([...value].map((item) => [item, ""]));
    return reflect.isReflectMessage(value) ? this.#serializeMessage(value) : null;
  }

  #serializeMap(map: CelMap): Uint8Array | null {
    const origin = this.#origins.get(map);
    if (origin === null) return null;
    if (origin !== undefined) return serializeProperty(origin);
    return this.#serializePairs([...map.entries()]);
  }

  #serializePairs(items: readonly (readonly [CelValue, CelValue])[]): Uint8Array | null {
    const pairs: [string, string][] = [];
    for (const [key, value] of items) {
      const name = this.serialize(key);
      const bytes = this.serialize(value);
      if (name === null || bytes === null) return null;
      pairs.push([Buffer.from(name).toString("latin1"), Buffer.from(bytes).toString("latin1")]);
    }
    return pairsBlock(pairs);
  }

  #serializeMessage({ desc, message }: CelMessage): Uint8Array | null {
    const { protobuf, wkt } = this.#library;
    const isTime =
      protobuf.isMessage(message, wkt.DurationSchema) ||
      protobuf.isMessage(message, wkt.TimestampSchema);
    if (!isTime) return protobuf.toBinary(desc, message);
    return serializeProperty(message.seconds * 1_000_000_000n + BigInt(message.nanos));
  }

  #input(value: PropertyValue): CelInput {
    if (typeof value === "string") return textOf(value);
    if (typeof value !== "object" || value instanceof Uint8Array) return value;
    switch (value.kind) {
      case "map":
        return this.#map(value.entries, null);
      case "message":
        return value instanceof StoredMessage
          ? this.#stored(value)
          : this.#map(value.fields, value);
      case "list":
        return value.items.map((item) => (item === null ? null : this.#input(item)));
      default:
        return this.#time(value);
    }
  }

  #stored({ value }: StoredMessage): CelInput {
    return value === null ? null : this.#input(value);
  }

  /** Header names are found in any case, as the attributes of that name are. */
  #map(fields: PropertyMessage["fields"], origin: PropertyMessage | null): CelInput {
    const find = (key: string): CelInput | undefined => {
      const name = Object.hasOwn(fields, key) ? key : key.toLowerCase();
      const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
      return value === undefined || value === null ? value : this.#input(value);
    };
    const map = new LazyMap(find, Object.keys(fields));
    return origin === null ? this.#library.cel.celMap(map) : this.#remember(origin, map);
  }

  #remember(origin: PropertyMessage | null, map: LazyMap): CelInput {
    const made = this.#library.cel.celMap(map);
    this.#origins.set(made, origin);
    return made;
  }

  #time(value: Extract<PropertyValue, { readonly kind: "duration" | "timestamp" }>): CelInput {
    const { protobuf, wkt } = this.#library;
    const billion = 1_000_000_000n;
    const seconds = value.ns / billion;
    const nanos = Number(value.ns % billion);
    return value.kind === "duration"
      ? protobuf.create(wkt.DurationSchema, { seconds, nanos })
      : protobuf.create(wkt.TimestampSchema, { seconds, nanos });
  }
}
