/**
 * protoc-gen-validate rules, read from the descriptors: what Envoy checks of every message before
 * it
 * looks at the meaning. Gives the reason of the first violation of a value, or null.
 */
import type { DescField, DescOneof, FieldRules, Message } from "./protobuf.ts";
import { getOption, reflect, registry, required, rules } from "./protobuf.ts";

/** The rules of one kind (`string`, `uint32`, ...): rule name -> value, set rules only. */
export type RuleSet = Readonly<Record<string, unknown>>;

export interface Rules {
  readonly kind: string;
  readonly set: RuleSet;
  /** `message.required` or `duration.required`. */
  readonly required: boolean;
}

/** By what the registry holds for good: an option is decoded anew whenever it is asked for. */
const fieldRules = new Map<DescField, Rules | null>();
const requiredOneofs = new Map<DescOneof, boolean>();
/** Of the items of lists, and of the keys and values of maps. */
const nestedRules = new WeakMap<FieldRules, Rules | null>();

/** The rules of a field, or null when it has none. */
export function rulesOf(field: DescField): Rules | null {
  let known = fieldRules.get(field);
  if (known === undefined) {
    known = readRules(getOption(field, rules));
    fieldRules.set(field, known);
  }
  return known;
}

/** Those inside of the rules of a list or a map; null when there are none. */
export function rulesInside(message: FieldRules): Rules | null {
  let known = nestedRules.get(message);
  if (known === undefined) {
    known = readRules(message);
    nestedRules.set(message, known);
  }
  return known;
}

/** Whether one of the fields of `oneof` must be set. */
export function isRequired(oneof: DescOneof): boolean {
  let known = requiredOneofs.get(oneof);
  if (known === undefined) {
    known = getOption(oneof, required);
    requiredOneofs.set(oneof, known);
  }
  return known;
}

function readRules(message: FieldRules): Rules | null {
  const { case: kind, value } = message.type;
  const set = kind === undefined ? {} : setFields(value);
  const isNeeded = message.message?.required === true || set["required"] === true;
  if (kind === undefined && !isNeeded) return null;
  return { kind: kind ?? "message", set, required: isNeeded };
}

function setFields(message: Message): RuleSet {
  const desc = registry.getMessage(message.$typeName);
  if (desc === undefined) return {};
  const reflected = reflect(desc, message);
  const set: Record<string, unknown> = {};
  for (const field of desc.fields) {
    if (!reflected.isSet(field)) continue;
    const value = reflected.get(field);
    set[field.name] = field.fieldKind === "list" ? [...(value as Iterable<unknown>)] : value;
  }
  return set;
}

/**
 * Checks one value (a scalar, an enum number, a Duration as nanoseconds).
 * @param field the field it is in, for the names of an enum
 */
export function violation(value: unknown, rules: Rules, field: DescField): string | null {
  const { kind, set } = rules;
  if (set["ignore_empty"] === true && (value === "" || value === 0)) return null;
  if (typeof value === "string") return stringViolation(value, set);
  if (value instanceof Uint8Array) return lengthViolation(value.length, set, "byte");
  if (kind === "enum") return enumViolation(value, set, field);
  if (kind === "bool") {
    return set["const"] === undefined || set["const"] === value ? null : `must be ${set["const"]}`;
  }
  if (typeof value === "number" || typeof value === "bigint")
    return rangeViolation(value, set, kind);
  return null;
}

/** Checks the number of items of a list or entries of a map. */
export function countViolation(count: number, set: RuleSet): string | null {
  const least = number(set["min_items"] ?? set["min_pairs"]);
  const most = number(set["max_items"] ?? set["max_pairs"]);
  if (least !== null && count < least) return `needs at least ${least} of them, has ${count}`;
  if (most !== null && count > most) return `may have at most ${most} of them, has ${count}`;
  return null;
}

function enumViolation(value: unknown, set: RuleSet, field: DescField): string | null {
  const known = field.enum?.values.find((v) => v.number === value);
  if (set["defined_only"] === true && known === undefined) return `${value} is not defined`;
  const name = known?.name ?? String(value);
  if (includes(set["not_in"], value)) return `must not be ${name}`;
  if (Array.isArray(set["in"]) && !includes(set["in"], value)) return `must not be ${name}`;
  return null;
}

function rangeViolation(value: number | bigint, set: RuleSet, kind: string): string | null {
  const lt = limit(set["lt"]);
  const lte = limit(set["lte"]);
  const gt = limit(set["gt"]);
  const gte = limit(set["gte"]);
  const unit = kind === "duration" ? showNs : String;
  const high = lt ?? lte;
  const low = gt ?? gte;
  const belowHigh = high === null || (lt === null ? value <= high : value < high);
  const aboveLow = low === null || (gt === null ? value >= low : value > low);
  const ends = [
    low === null ? "" : `${gt === null ? "at least" : "more than"} ${unit(low)}`,
    high === null ? "" : `${lt === null ? "at most" : "less than"} ${unit(high)}`,
  ];
  // Bounds the wrong way round mean "outside of".
  const outside = high !== null && low !== null && high < low;
  if (outside ? !belowHigh && !aboveLow : !belowHigh || !aboveLow) {
    const between = ends.filter((end) => end !== "").join(outside ? " or " : " and ");
    return `must be ${between}, is ${unit(value)}`;
  }
  if (set["const"] !== undefined && bound(set["const"]) !== value) return `must be ${set["const"]}`;
  if (includes(set["not_in"], value)) return `must not be ${value}`;
  if (Array.isArray(set["in"]) && !includes(set["in"], value)) {
    return `must be one of ${set["in"].join(", ")}`;
  }
  return null;
}

function stringViolation(value: string, set: RuleSet): string | null {
  const length = lengthViolation([...value].length, set, "character");
  if (length !== null) return length;
  const bytes = Buffer.byteLength(value);
  const most = number(set["max_bytes"]);
  const least = number(set["min_bytes"]);
  if (most !== null && bytes > most) return `must have at most ${most} bytes, has ${bytes}`;
  if (least !== null && bytes < least) return `must have at least ${least} bytes, has ${bytes}`;
  const has = (rule: string, ok: (text: string) => boolean, words: string): string | null => {
    const wanted = set[rule];
    return typeof wanted !== "string" || ok(wanted) ? null : `must ${words} "${wanted}"`;
  };
  const affix =
    has("const", (t) => value === t, "be") ??
    has("prefix", (t) => value.startsWith(t), "begin with") ??
    has("suffix", (t) => value.endsWith(t), "end with") ??
    has("contains", (t) => value.includes(t), "contain") ??
    has("pattern", (t) => new RegExp(t, "u").test(value), "match the pattern");
  if (affix !== null) return affix;
  if (Array.isArray(set["in"]) && !includes(set["in"], value)) {
    return `must be one of ${set["in"].join(", ")}`;
  }
  if (includes(set["not_in"], value)) return `must not be "${value}"`;
  return wellKnownViolation(value, set);
}

/** HTTP_HEADER_NAME = 1, HTTP_HEADER_VALUE = 2; `strict: false` only forbids NUL, CR and LF. */
function wellKnownViolation(value: string, set: RuleSet): string | null {
  const kind = set["well_known_regex"];
  const strict = set["strict"] !== false;
  const loose = /^[^\u0000\n\r]*$/;
  if (kind === 1) {
    const ok = strict ? /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/.test(value) : loose.test(value);
    return ok ? null : "is not a valid HTTP header name";
  }
  if (kind === 2) {
    const ok = strict ? /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/.test(value) : loose.test(value);
    return ok ? null : "is not a valid HTTP header value";
  }
  return null;
}

function lengthViolation(length: number, set: RuleSet, unit: string): string | null {
  const exact = number(set["len"]);
  const least = number(set["min_len"]) ?? exact;
  const most = number(set["max_len"]) ?? exact;
  if (least === 1 && length === 0) return "must not be empty";
  if (least !== null && length < least)
    return `must have at least ${least} ${unit}s, has ${length}`;
  if (most !== null && length > most) return `must have at most ${most} ${unit}s, has ${length}`;
  return null;
}

function includes(list: unknown, value: unknown): boolean {
  return Array.isArray(list) && list.some((item) => bound(item) === bound(value));
}

function number(value: unknown): number | null {
  return typeof value === "bigint" || typeof value === "number" ? Number(value) : null;
}

/** A rule's own value: numbers as they are, durations in nanoseconds. */
function bound(value: unknown): number | bigint | string | null {
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "string")
    return value;
  if (typeof value !== "object" || value === null) return null;
  return "message" in value ? durationNs(value.message as Message) : null;
}

function limit(value: unknown): number | bigint | null {
  const found = bound(value);
  return typeof found === "string" ? null : found;
}

/** Nanoseconds of a google.protobuf.Duration. */
export function durationNs(message: Message & { seconds?: bigint; nanos?: number }): bigint {
  return (message.seconds ?? 0n) * 1_000_000_000n + BigInt(message.nanos ?? 0);
}

function showNs(ns: number | bigint): string {
  return `${Number(ns) / 1e9}s`;
}
