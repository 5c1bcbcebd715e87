/**
 * The protobuf wire format, as much of it as small messages between guest and host need: varints
 * and length-delimited fields. The last field of a number wins; one that nobody asks for, or that
 * has another wire type than asked for, is unknown and ignored.
 *
 *     tag (varint: number << 3 | type)  0: varint  1: 8 bytes  2: length, bytes  5: 4 bytes
 */

export const WIRE_TYPE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const VARINT = WIRE_TYPE.varint;
const BYTES = WIRE_TYPE.bytes;
const VARINT_BYTES_MAX = 10;
const FIELD_NUMBER_MAX = 0x1fffffff;

const NOTHING = new Uint8Array(0);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one message front to back; every method gives null or false at malformed input. */
export class WireCursor {
  /** The field that `advance` read: its number, wire type, and value (a view of the bytes). */
  number = 0;
  type = 0;
  value: bigint | Uint8Array = 0n;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  varint(): bigint | null {
    const first = this.#bytes[this.#at];
    if (first !== undefined && first < 0x80) {
      this.#at++;
      return BigInt(first);
    }
    let value = 0n;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return null;
      value |= BigInt(byte & 0x7f) << BigInt(i * 7);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    return null;
  }

  take(length: number): Uint8Array | null {
    const end = this.#at + length;
    if (end > this.#bytes.byteLength) return null;
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  delimited(): Uint8Array | null {
    const length = this.varint();
    return length === null || length > BigInt(this.#bytes.byteLength)
      ? null
      : this.take(Number(length));
  }

  /** The next field of the message. */
  advance(): boolean {
    const tag = this.varint();
    if (tag === null || tag < 8n || tag >> 3n > FIELD_NUMBER_MAX) return false;
    const type = Number(tag & 7n);
    const value = this.read(type);
    if (value === null) return false;
    this.number = Number(tag >> 3n);
    this.type = type;
    this.value = value;
    return true;
  }

  /** A value without a tag before it. */
  read(type: number): bigint | Uint8Array | null {
    switch (type) {
      case VARINT:
        return this.varint();
      case BYTES:
        return this.delimited();
      case WIRE_TYPE.fixed64:
        return this.take(8);
      case WIRE_TYPE.fixed32:
        return this.take(4);
      default:
        // Groups: no message that a guest passes has one.
        return null;
    }
  }
}

/** A message whose fields are known by number alone. */
export class WireMessage {
  /** By `number * 8 + wire type`. */
  readonly #fields: ReadonlyMap<number, bigint | Uint8Array>;

  private constructor(fields: ReadonlyMap<number, bigint | Uint8Array>) {
    this.#fields = fields;
  }

  /** The message, or null when the bytes are malformed. Its fields are views of `bytes`. */
  static read(bytes: Uint8Array): WireMessage | null {
    const cursor = new WireCursor(bytes);
    const fields = new Map<number, bigint | Uint8Array>();
    while (!cursor.isAtEnd) {
      if (!cursor.advance()) return null;
      fields.set(cursor.number * 8 + cursor.type, cursor.value);
    }
    return new WireMessage(fields);
  }

  /** A `bytes` or message field; empty when absent. */
  bytes(number: number): Uint8Array {
    const value = this.#fields.get(number * 8 + BYTES);
    return value instanceof Uint8Array ? value : NOTHING;
  }

  /** A `string` field; "" when absent, null when it is not UTF-8. */
  text(number: number): string | null {
    try {
      return utf8.decode(this.bytes(number));
    } catch {
      return null;
    }
  }

  /** A varint field as u64; 0 when absent. */
  uint(number: number): bigint {
    const value = this.#fields.get(number * 8 + VARINT);
    return typeof value === "bigint" ? value : 0n;
  }

  /** A `bool` field. */
  bool(number: number): boolean {
    return this.uint(number) !== 0n;
  }
}

/** Values are what proto3 leaves out when they are default: "", empty bytes, 0 and false. */
export type WireField = readonly [number: number, value: string | Uint8Array | bigint | boolean];

function varintBytes(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}

function fieldBytes([number, value]: WireField): Uint8Array[] {
  const tag = (type: number): number[] => varintBytes(BigInt(number * 8 + type));
  if (typeof value === "bigint" || typeof value === "boolean") {
    const word = BigInt(value);
    return word === 0n ? [] : [Uint8Array.from([...tag(VARINT), ...varintBytes(word)])];
  }
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  if (bytes.byteLength === 0) return [];
  return [Uint8Array.from([...tag(BYTES), ...varintBytes(BigInt(bytes.byteLength))]), bytes];
}

/** The encoding of a message, fields in the order given. */
export function wireMessage(fields: readonly WireField[]): Uint8Array {
  return new Uint8Array(Buffer.concat(fields.flatMap(fieldBytes)));
}
