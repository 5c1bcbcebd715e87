/**
 * Programs of the differential guest: rows of a case to the bytes that guest.ts interprets, and its
 * log lines back to text.
 *
 * Bytes, little-endian: u8 sections, each {u8 letter, u32 offset}. A section: u16 rules, each
 * {u8 callback, u8 nth (0 = every), u16 steps, i32 result, u32 bytes of the steps, steps}. A step:
 * {u8 operation, u8 arguments, u8 slot of a result in bytes (255 = none), u8 0, u16 number,
 * arguments}, each {u8 kind, i64 value}. Data that arguments point to lies behind the sections.
 */
import { CALLBACK_NAMES, CALLBACKS, type CallbackName } from "../../src/abi/callback-table.ts";
import { HOSTCALL_NAMES, HOSTCALLS, type HostcallName } from "../../src/abi/hostcall-table.ts";
import { type HostcallSpec, type ParamKind, WIRE_ARITY } from "../../src/abi/hostcall-types.ts";
import { SPECIAL } from "./guest.ts";

const KIND = { constant: 0, blob: 1, out: 2, variable: 3, context: 4, edge: 5, last: 6 } as const;

interface Ref {
  readonly kind: keyof typeof KIND;
  readonly value: number;
}
/** A number that the guest knows: a variable, the current context, a result of the last call. */
export const variable = (index: number): Ref => ({ kind: "variable", value: index });
export const CONTEXT: Ref = { kind: "context", value: 0 };
/** The number in an out-parameter of the call before, by its place among the out-parameters. */
export const lastResult = (index: number): Ref => ({ kind: "last", value: index });

/** A pointer and a length as they go over the wire. */
interface RawSlice {
  readonly raw: readonly [ptr: number | Ref, len: number | Ref];
}
export const rawSlice = (ptr: number | Ref, len: number | Ref): RawSlice => ({ raw: [ptr, len] });
/** Begins 2 bytes before the end of the memory. */
export const OUTSIDE: RawSlice = rawSlice({ kind: "edge", value: -2 }, 4);
/** Two bytes before the end of the memory: no room for a u32. */
export const EDGE: Ref = { kind: "edge", value: -2 };

export type Pairs = readonly (readonly [string, string])[];
/** Text is latin1. */
export type Argument = number | bigint | string | Uint8Array | Pairs | Ref | RawSlice;
/** Where results go instead of the usual places: one pointer for each pointer on the wire. */
interface Outs {
  readonly outs: readonly (number | Ref)[];
}
/** The usual place of the n-th result. */
export const outPlace = (index: number): Ref => ({ kind: "out", value: index });
type Hostcall = readonly [name: HostcallName, ...args: readonly (Argument | Outs)[]];
type Special = readonly [name: keyof typeof SPECIAL, ...args: readonly (number | Ref)[]];
export type Step = Hostcall | Special;

export interface Rule {
  readonly steps?: readonly Step[];
  readonly returns?: number;
  /** Only the n-th time this callback is called in this plugin, from 1. */
  readonly nth?: number;
}
/** What one plugin does; a callback without a rule continues, and is logged all the same. */
export type Program = { readonly [C in CallbackName]?: Rule | readonly Rule[] };

const isRef = (value: object): value is Ref => "kind" in value && "value" in value;
const isOuts = (value: unknown): value is Outs =>
  typeof value === "object" && value !== null && "outs" in value;

/** A pairs block, as ABI 3.4 lays it out. */
export function pairsBlock(pairs: Pairs): Buffer {
  const sizes = Buffer.alloc(4 + pairs.length * 8);
  sizes.writeUInt32LE(pairs.length, 0);
  pairs.forEach(([key, value], at) => {
    sizes.writeUInt32LE(key.length, 4 + at * 8);
    sizes.writeUInt32LE(value.length, 8 + at * 8);
  });
  const text = pairs.map(([key, value]) => `${key}\0${value}\0`).join("");
  return Buffer.concat([sizes, Buffer.from(text, "latin1")]);
}

interface Operation {
  readonly op: number;
  readonly args: readonly (readonly [kind: number, value: bigint])[];
  readonly slot: number;
}

/** What the log line of a step means. */
interface StepText {
  readonly name: string;
  readonly text: string;
}

const OUT_KINDS: readonly ParamKind[] = ["outU32", "outU64", "outBytes"];

export class ProgramBytes {
  readonly steps: StepText[] = [];
  readonly #data: Buffer[] = [];
  #dataBytes = 0;
  readonly #programs: readonly Program[];

  /** @param programs of one VM, by letter: the first is plugin "a" */
  constructor(programs: readonly Program[]) {
    this.#programs = programs;
  }

  encode(): Buffer {
    const headerBytes = 1 + this.#programs.length * 5;
    // Data lies behind everything: its place is known once the sections' sizes are.
    const sized = this.#sections(0);
    const sizes = sized.map((section) => section.length);
    this.steps.length = 0;
    this.#data.length = 0;
    this.#dataBytes = 0;
    const dataAt = headerBytes + sizes.reduce((sum, size) => sum + size, 0);
    const sections = this.#sections(dataAt);
    const header = Buffer.alloc(headerBytes);
    header.writeUInt8(sections.length, 0);
    let at = headerBytes;
    sizes.forEach((size, index) => {
      header.writeUInt8(97 + index, 1 + index * 5);
      header.writeUInt32LE(at, 2 + index * 5);
      at += size;
    });
    return Buffer.concat([header, ...sections, ...this.#data]);
  }

  #sections(dataAt: number): Buffer[] {
    return this.#programs.map((program) => {
      const rules = Object.entries(program).flatMap(([name, rule]) =>
        (Array.isArray(rule) ? (rule as readonly Rule[]) : [rule as Rule]).map((one) =>
          this.#rule(name as CallbackName, one, dataAt),
        ),
      );
      const count = Buffer.alloc(2);
      count.writeUInt16LE(rules.length, 0);
      return Buffer.concat([count, ...rules]);
    });
  }

  #rule(name: CallbackName, rule: Rule, dataAt: number): Buffer {
    const steps = Buffer.concat((rule.steps ?? []).map((step) => this.#step(step, dataAt)));
    const head = Buffer.alloc(12);
    head.writeUInt8(CALLBACK_NAMES.indexOf(name), 0);
    head.writeUInt8(rule.nth ?? 0, 1);
    head.writeUInt16LE(rule.steps?.length ?? 0, 2);
    const usual = CALLBACKS[name].result === "bool" ? 1 : 0;
    head.writeUInt32LE((rule.returns ?? usual) >>> 0, 4);
    head.writeUInt32LE(steps.length, 8);
    return Buffer.concat([head, steps]);
  }

  #step(step: Step, dataAt: number): Buffer {
    const number = this.steps.length;
    this.steps.push({ name: step[0], text: textOf(step) });
    const { op, args, slot } = this.#operation(step, dataAt);
    const bytes = Buffer.alloc(6 + args.length * 9);
    bytes.writeUInt8(op, 0);
    bytes.writeUInt8(args.length, 1);
    bytes.writeUInt8(slot, 2);
    bytes.writeUInt16LE(number, 4);
    args.forEach(([kind, value], at) => {
      bytes.writeUInt8(kind, 6 + at * 9);
      bytes.writeBigInt64LE(BigInt.asIntN(64, value), 7 + at * 9);
    });
    return bytes;
  }

  #operation(step: Step, dataAt: number): Operation {
    const [name, ...given] = step;
    if (name in SPECIAL) {
      const args = (given as (number | Ref)[]).map(numberArgument);
      return { op: SPECIAL[name as keyof typeof SPECIAL], args, slot: 255 };
    }
    const spec: HostcallSpec = HOSTCALLS[name as HostcallName];
    const inputs = given.filter((arg) => !isOuts(arg)) as Argument[];
    const outs = given.find(isOuts)?.outs ?? null;
    const args: (readonly [number, bigint])[] = [];
    let slots = 0;
    let slot = 255;
    for (const [param, kind] of spec.params) {
      if (OUT_KINDS.includes(kind)) {
        if (kind === "outBytes") slot = slots;
        for (let n = 0; n < WIRE_ARITY[kind]; n++) {
          const place = outs?.[slots];
          args.push(place === undefined ? [KIND.out, BigInt(slots)] : numberArgument(place));
          slots++;
        }
        continue;
      }
      const input = inputs.shift();
      if (input === undefined) throw new Error(`${name} needs ${param}`);
      args.push(...this.#input(kind, input, dataAt));
    }
    if (inputs.length > 0) throw new Error(`${name} has too many arguments`);
    // Results at places of the test's own cannot be read back.
    return { op: HOSTCALL_NAMES.indexOf(name as HostcallName), args, slot: outs ? 255 : slot };
  }

  #input(kind: ParamKind, input: Argument, dataAt: number): (readonly [number, bigint])[] {
    if (WIRE_ARITY[kind] === 1) return [numberArgument(input as number | bigint | Ref)];
    if (typeof input === "object" && "raw" in input) return input.raw.map(numberArgument);
    const bytes = bytesOf(input as string | Uint8Array | Pairs);
    const at = dataAt + this.#dataBytes;
    this.#data.push(bytes);
    this.#dataBytes += bytes.length;
    return [
      [bytes.length === 0 ? KIND.constant : KIND.blob, bytes.length === 0 ? 0n : BigInt(at)],
      [KIND.constant, BigInt(bytes.length)],
    ];
  }
}

function bytesOf(input: string | Uint8Array | Pairs): Buffer {
  if (typeof input === "string") return Buffer.from(input, "latin1");
  return input instanceof Uint8Array ? Buffer.from(input) : pairsBlock(input);
}

function numberArgument(value: number | bigint | Ref): readonly [number, bigint] {
  if (typeof value === "object") return [KIND[value.kind], BigInt(value.value)];
  return [KIND.constant, BigInt(value)];
}

const TEXT_SHOWN = 48;

function argumentText(value: Argument | Outs): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") {
    const text = JSON.stringify(value.slice(0, TEXT_SHOWN));
    return value.length > TEXT_SHOWN ? `${text}... (${value.length})` : text;
  }
  if (value instanceof Uint8Array) return `<${Buffer.from(value).toString("hex")}>`;
  if (isOuts(value)) return `outs ${value.outs.map(argumentText).join(" ")}`;
  if ("raw" in value) return `<${value.raw.map(argumentText).join(" ")}>`;
  if (Array.isArray(value)) {
    return `[${(value as Pairs)
      .map(([key, text]) => `${key}: ${text}`)
      .join("; ")
      .slice(0, 80)}]`;
  }
  if (!isRef(value as object)) return "?";
  const ref = value as Ref;
  if (ref.kind === "context") return "this";
  return ref.kind === "edge" ? `end${ref.value}` : `${ref.kind}${ref.value}`;
}

function textOf(step: Step): string {
  const [name, ...args] = step;
  const short = name.replace(/^proxy_/, "");
  return [short, ...args.map(argumentText)].join(" ");
}

const UNTOUCHED = "eeeeeeee";
const BYTES_SHOWN = 1024;

/** One log line of the guest as text; lines that it did not make as they are. */
export function readLine(line: string, steps: readonly StepText[]): string {
  if (line.startsWith("@> ")) {
    const [callback = 0, ...args] = line
      .slice(3)
      .split(" ")
      .map((word) => Number.parseInt(word, 16));
    return `${CALLBACK_NAMES[callback]} ${args.join(" ")}`;
  }
  if (!line.startsWith("@# ")) return line;
  const words = line.slice(3).split(" ");
  const step = steps[Number.parseInt(words[0] ?? "", 16)];
  if (step === undefined) return line;
  const status = Number.parseInt(words[1] ?? "", 16) | 0;
  return [`  ${step.text} =`, status, ...resultsOf(step.name as HostcallName, words.slice(2))].join(
    " ",
  );
}

/** @param words the first out-parameter as low and high word, the second, the third, bytes, hash */
function resultsOf(name: HostcallName, words: readonly string[]): readonly string[] {
  const [low = "", high = "", second = "", third = "", hex = "", hash = ""] = words;
  const kinds = HOSTCALLS[name].params.map(([, kind]) => kind as ParamKind);
  const outs = kinds.filter((kind) => OUT_KINDS.includes(kind));
  const firsts = [low, second, third];
  const texts: string[] = [];
  let at = 0;
  for (const kind of outs) {
    const word = firsts[at] ?? UNTOUCHED;
    at += WIRE_ARITY[kind];
    if (word === UNTOUCHED) continue;
    if (kind === "outU32") texts.push(String(Number.parseInt(word, 16)));
    else if (kind === "outU64") texts.push(String(BigInt(`0x${high}${low}`)));
    else if (name === "proxy_get_header_map_pairs") texts.push(pairsText(word, hex));
    else texts.push(...bytesText(word, firsts[at - 1] ?? "0", hex, hash));
  }
  return texts;
}

function bytesText(ptr: string, len: string, hex: string, hash: string): readonly string[] {
  const length = Number.parseInt(len, 16);
  if (Number.parseInt(ptr, 16) === 0) return [length === 0 ? "null" : `null+${length}`];
  if (length > BYTES_SHOWN) return [`(${length} bytes, ${hash})`];
  return [JSON.stringify(Buffer.from(hex, "hex").toString("latin1"))];
}

/** A pairs block that the host made, as its entries. */
function pairsText(ptr: string, hex: string): string {
  if (Number.parseInt(ptr, 16) === 0) return "null";
  const bytes = Buffer.from(hex, "hex");
  const count = bytes.readUInt32LE(0);
  let at = 4 + count * 8;
  const entries: string[] = [];
  for (let n = 0; n < count; n++) {
    const keyEnd = at + bytes.readUInt32LE(4 + n * 8);
    const valueEnd = keyEnd + 1 + bytes.readUInt32LE(8 + n * 8);
    entries.push(
      `${bytes.toString("latin1", at, keyEnd)}: ${bytes.toString("latin1", keyEnd + 1, valueEnd)}`,
    );
    at = valueEnd + 1;
  }
  return JSON.stringify(entries);
}
