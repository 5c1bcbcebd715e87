/**
 * Second pass: walks the decoded message. Every field that is set must be implemented
 * (`implemented.ts`), must keep Envoy's validation rules (`pgv.ts`), and is reported as a warning
 * when deprecated. Goes into typed_config of the types that are implemented.
 */
import { implementedFields } from "./implemented.ts";
import { IMPLEMENTED_VALUES, INSTEAD } from "./implemented-values.ts";
import type { Rules } from "./pgv.ts";
import { countViolation, durationNs, isRequired, rulesInside, rulesOf, violation } from "./pgv.ts";
import type { ProblemList } from "./problems.ts";
import type { Any, DescField, ReflectList, ReflectMap, ReflectMessage } from "./protobuf.ts";
import { anyUnpack, isReflectMessage, isWrapperDesc, reflect, registry } from "./protobuf.ts";

/** Reports everything wrong inside `message`, which stands at `path` ("" = the bootstrap). */
export function checkMessage(message: ReflectMessage, path: string, problems: ProblemList): void {
  const fields = implementedFields(message.desc.typeName);
  if (fields === null) return;
  const all = fields.includes("*");
  for (const oneof of message.desc.oneofs) {
    if (message.oneofCase(oneof) !== undefined || !isRequired(oneof)) continue;
    const names = oneof.fields.map((field) => field.name).join(", ");
    if (oneof.fields.some((field) => problems.reported(join(path, field.name)))) continue;
    problems.add(path, `${oneof.name} is required`, `set one of ${names}`);
  }
  for (const field of message.desc.fields) {
    const at = join(path, field.name);
    if (!message.isSet(field)) {
      checkUnset(field, at, problems);
    } else if (all || fields.includes(field.name)) {
      if (field.proto.options?.deprecated === true)
        problems.warn(at, `${field.name} is deprecated`);
      checkSet(message, { field, path: at }, problems);
    } else {
      const instead = INSTEAD.get(`${message.desc.typeName}.${field.name}`);
      problems.add(
        at,
        `${field.name} is not implemented by Granary`,
        instead === undefined ? "remove it" : `remove it; ${instead}`,
      );
    }
  }
}

function checkUnset(field: DescField, path: string, problems: ProblemList): void {
  const found = rulesOf(field);
  if (found === null) return;
  if (field.fieldKind === "list" || field.fieldKind === "map") {
    const wrong = countViolation(0, found.set);
    if (wrong !== null) problems.add(path, `${field.name} ${wrong}`, `add ${field.name}`);
    return;
  }
  if (field.oneof !== undefined) return;
  if (found.required) {
    problems.add(path, `${field.name} is required`, `add ${field.name}`);
    return;
  }
  if (field.fieldKind === "message" || field.presence === EXPLICIT_PRESENCE) return;
  const zero = field.fieldKind === "enum" ? 0 : (field.getDefaultValue() ?? zeroOf(field));
  const wrong = violation(zero, found, field);
  if (wrong !== null) problems.add(path, `${field.name} ${wrong}`, `set ${field.name}`);
}

/** FeatureSet.FieldPresence.EXPLICIT: `optional` in the proto. */
const EXPLICIT_PRESENCE = 1;

function zeroOf(field: DescField): unknown {
  const rulesKind = rulesOf(field)?.kind;
  if (rulesKind === "string") return "";
  if (rulesKind === "bytes") return new Uint8Array(0);
  return rulesKind === "bool" ? false : 0;
}

interface Slot {
  readonly field: DescField;
  readonly path: string;
}

function checkSet(message: ReflectMessage, slot: Slot, problems: ProblemList): void {
  const { field, path } = slot;
  const found = rulesOf(field);
  const value: unknown = message.get(field);
  if (field.fieldKind === "list") {
    checkList(value as ReflectList, { slot, rules: found }, problems);
  } else if (field.fieldKind === "map") {
    checkMap(value as ReflectMap, { slot, rules: found }, problems);
  } else {
    checkEnumValue(value, slot, problems);
    checkOne(value, { slot: { field, path }, rules: found }, problems);
  }
}

interface Ruled {
  readonly slot: Slot;
  readonly rules: Rules | null;
}

function checkList(list: ReflectList, { slot, rules: found }: Ruled, problems: ProblemList): void {
  const { field, path } = slot;
  const set = found?.set ?? {};
  const wrong = countViolation(list.size, set);
  if (wrong !== null) problems.add(path, `${field.name} ${wrong}`);
  const seen = new Set<unknown>();
  const items = nested(set["items"]);
  for (const [i, item] of list.entries()) {
    const at = `${path}[${i}]`;
    if (set["unique"] === true && seen.has(item)) problems.add(at, `${item} is in the list twice`);
    seen.add(item);
    checkOne(item, { slot: { field, path: at }, rules: items }, problems);
  }
}

function checkMap(map: ReflectMap, { slot, rules: found }: Ruled, problems: ProblemList): void {
  const { field, path } = slot;
  const set = found?.set ?? {};
  const wrong = countViolation(map.size, set);
  if (wrong !== null) problems.add(path, `${field.name} ${wrong}`);
  const keys = nested(set["keys"]);
  const values = nested(set["values"]);
  for (const [key, value] of map) {
    const at = `${path}[${JSON.stringify(String(key))}]`;
    const badKey = keys === null ? null : violation(key, keys, field);
    if (badKey !== null) problems.add(at, `the key ${badKey}`);
    checkOne(value, { slot: { field, path: at }, rules: values }, problems);
  }
}

/** One value: the rules, then what is inside it. */
function checkOne(value: unknown, { slot, rules: found }: Ruled, problems: ProblemList): void {
  const { field, path } = slot;
  if (!isReflectMessage(value)) {
    const wrong = found === null ? null : violation(value, found, field);
    if (wrong !== null) problems.add(path, `${field.name} ${wrong}`);
    return;
  }
  const name = value.desc.typeName;
  if (name === "google.protobuf.Any") {
    const any = value.message as Any;
    const desc = registry.getMessage(any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1));
    const inner = anyUnpack(any, registry);
    if (desc !== undefined && inner !== undefined)
      checkMessage(reflect(desc, inner), path, problems);
    return;
  }
  const scalar = innerValue(value);
  if (scalar === undefined) {
    checkMessage(value, path, problems);
    return;
  }
  const wrong = found === null ? null : violation(scalar, found, field);
  if (wrong !== null) problems.add(path, `${field.name} ${wrong}`);
}

/** The value of a wrapper, the nanoseconds of a Duration; undefined for other messages. */
function innerValue(message: ReflectMessage): unknown {
  if (message.desc.typeName === "google.protobuf.Duration") return durationNs(message.message);
  const first = message.desc.fields[0];
  return isWrapperDesc(message.desc) && first !== undefined ? message.get(first) : undefined;
}

function checkEnumValue(value: unknown, { field, path }: Slot, problems: ProblemList): void {
  const allowed = IMPLEMENTED_VALUES.get(`${field.parent.typeName}.${field.name}`);
  const name = field.enum?.values.find((v) => v.number === value)?.name;
  if (allowed === undefined || name === undefined || allowed.includes(name)) return;
  const hint = `write ${allowed.join(" or ")}`;
  problems.add(path, `${field.name} ${name} is not implemented by Granary`, hint);
}

/** Rules of the items of a list, or of the keys or values of a map. */
function nested(value: unknown): Rules | null {
  if (!isReflectMessage(value)) return null;
  return rulesInside(value.message as Parameters<typeof rulesInside>[0]);
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
