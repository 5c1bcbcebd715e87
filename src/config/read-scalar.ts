/** Scalars and enums of the text to proto JSON, by the proto JSON rules that Envoy follows. */
import type { DescEnum, JsonValue } from "./protobuf.ts";
import { ScalarType } from "./protobuf.ts";
import { closest } from "./suggest.ts";

/** Either the JSON value, or what is wrong with the text and what to write instead. */
export type ScalarRead =
  | { readonly json: JsonValue }
  | { readonly error: string; readonly hint: string };

interface Written {
  readonly value: unknown;
  /** The characters of a plain scalar: 64-bit integers do not fit a JS number. */
  readonly source: string;
}

const INTEGERS: Readonly<Record<number, readonly [bigint, bigint]>> = {
  [ScalarType.INT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SINT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SFIXED32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.UINT32]: [0n, 2n ** 32n - 1n],
  [ScalarType.FIXED32]: [0n, 2n ** 32n - 1n],
  [ScalarType.INT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SINT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SFIXED64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.UINT64]: [0n, 2n ** 64n - 1n],
  [ScalarType.FIXED64]: [0n, 2n ** 64n - 1n],
};
const FLOAT_MAX = 3.4028234663852886e38;
/** Bounds of google.protobuf.Duration: 10,000 years. */
const DURATION_SECONDS_MAX = 315_576_000_000;

/**
 * @param type a ScalarType, or the name of a message with a scalar JSON form (Duration...).
 */
export function scalarJson(written: Written, type: number | string): ScalarRead {
  if (typeof type === "string") return wellKnown(written, type);
  const range = INTEGERS[type];
  if (range !== undefined) return integer(written, range);
  if (type === ScalarType.STRING) return text(written);
  if (type === ScalarType.BOOL) return bool(written);
  if (type === ScalarType.BYTES) return bytes(written);
  return float(written, type);
}

/** Enum values by name in any case (as Envoy reads them), or by number. */
export function enumJson(value: unknown, desc: DescEnum): ScalarRead {
  const names = desc.values.map((v) => v.name);
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    const known = desc.values.find((v) => v.number === value);
    if (known !== undefined) return { json: known.name };
  }
  if (typeof value === "string") {
    const name = names.find((n) => n.toLowerCase() === value.toLowerCase());
    if (name !== undefined) return { json: name };
  }
  const near = typeof value === "string" ? closest(value, names) : null;
  return {
    error: `${show(value)} is not a value of ${desc.typeName}`,
    hint: near === null ? `write one of ${names.join(", ")}` : `did you mean ${near}?`,
  };
}

function text({ value, source }: Written): ScalarRead {
  if (typeof value !== "string") {
    const written = source === "" ? String(value) : source;
    return {
      error: `expected a string, got ${show(value)}`,
      hint: `put it in quotes: "${written}"`,
    };
  }
  // protobuf strings are UTF-8: a lone surrogate (from a JSON escape) has no encoding.
  if (Buffer.from(value).toString() === value) return { json: value };
  return { error: "the string is not valid Unicode", hint: "remove the lone surrogate" };
}

function bool({ value }: Written): ScalarRead {
  if (typeof value === "boolean") return { json: value };
  return { error: `expected true or false, got ${show(value)}`, hint: "write true or false" };
}

function integer({ value, source }: Written, [low, high]: readonly [bigint, bigint]): ScalarRead {
  const digits = typeof value === "string" ? value : source;
  let exact: bigint | null = null;
  if (/^[-+]?\d+$/.test(digits)) exact = BigInt(digits.replace("+", ""));
  else if (typeof value === "number" && Number.isSafeInteger(value)) exact = BigInt(value);
  if (exact === null) {
    return { error: `expected a whole number, got ${show(value)}`, hint: "" };
  }
  if (exact < low || exact > high) {
    return { error: `${exact} is out of range`, hint: `write a number from ${low} to ${high}` };
  }
  return { json: exact > 2n ** 52n || exact < -(2n ** 52n) ? String(exact) : Number(exact) };
}

function float({ value }: Written, type: number): ScalarRead {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number") {
    return { error: `expected a number, got ${show(value)}`, hint: "" };
  }
  if (Number.isNaN(number) || !Number.isFinite(number)) {
    return { error: `expected a finite number, got ${show(value)}`, hint: "" };
  }
  if (type === ScalarType.FLOAT && Math.abs(number) > FLOAT_MAX) {
    return { error: `${number} is out of range of a float`, hint: "" };
  }
  return { json: number };
}

function bytes({ value }: Written): ScalarRead {
  if (typeof value === "string") {
    const plain = value.replaceAll(/\s/g, "").replaceAll("-", "+").replaceAll("_", "/");
    if (/^[A-Za-z0-9+/]*={0,2}$/.test(plain) && plain.replaceAll("=", "").length % 4 !== 1) {
      return { json: Buffer.from(plain, "base64").toString("base64") };
    }
  }
  return { error: "expected bytes in base64", hint: "encode the bytes with base64" };
}

function wellKnown({ value }: Written, name: string): ScalarRead {
  if (name === "google.protobuf.Duration") return duration(value);
  if (name === "google.protobuf.Timestamp") return timestamp(value);
  if (typeof value === "string" && /^[a-zA-Z0-9_.,]*$/.test(value)) return { json: value };
  return { error: `expected a ${name}, got ${show(value)}`, hint: "" };
}

function duration(value: unknown): ScalarRead {
  const match = typeof value === "string" ? /^-?(\d+)(?:\.\d{1,9})?s$/.exec(value) : null;
  if (match === null) {
    return { error: `${show(value)} is not a duration`, hint: durationHint(value) };
  }
  if (Number(match[1]) > DURATION_SECONDS_MAX) {
    return { error: `the duration ${show(value)} is out of range`, hint: "write fewer seconds" };
  }
  return { json: value as string };
}

function durationHint(value: unknown): string {
  const written = String(value);
  const match = /^(\d+(?:\.\d+)?) *(ms|us|m|min|h|d|)$/.exec(written);
  const factor = { ms: 1e-3, us: 1e-6, m: 60, min: 60, h: 3600, d: 86_400, "": 1 }[
    match?.[2] ?? "x"
  ];
  if (match === null || factor === undefined) return 'write seconds with an "s", such as 0.25s';
  return `write seconds with an "s": ${Number((Number(match[1]) * factor).toFixed(6))}s`;
}

function timestamp(value: unknown): ScalarRead {
  const shape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
  if (typeof value === "string" && shape.test(value) && !Number.isNaN(Date.parse(value))) {
    return { json: value };
  }
  return {
    error: `${show(value)} is not a timestamp`,
    hint: "write RFC 3339: 2026-01-31T12:00:00Z",
  };
}

function show(value: unknown): string {
  const shown =
    typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}
