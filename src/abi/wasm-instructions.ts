/**
 * The immediates of every WebAssembly instruction that engines of today run: which bytes follow an
 * opcode. A walker needs no more to find the next instruction. Source: WebAssembly core
 * specification 3.0, 5.4 Instructions; the legacy exception handling proposal.
 */
import type { WasmReader } from "./wasm-reader.ts";

/** Opcodes that the rewriter looks at by name. */
export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  try: 0x06,
  catch: 0x07,
  catchAll: 0x19,
  rethrow: 0x09,
  tryTable: 0x1f,
  delegate: 0x18,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  brOnNull: 0xd5,
  brOnNonNull: 0xd6,
  end: 0x0b,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  callRef: 0x14,
  returnCallRef: 0x15,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32LtS: 0x48,
  i32Eqz: 0x45,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32ShrU: 0x76,
  refNull: 0xd0,
  refFunc: 0xd2,
  gcPrefix: 0xfb,
  miscPrefix: 0xfc,
  vectorPrefix: 0xfd,
  threadsPrefix: 0xfe,
} as const;

/** Instructions after `0xfc` whose cost depends on a count: the last operand. */
export const BULK = {
  memoryInit: 8,
  memoryCopy: 10,
  memoryFill: 11,
  tableInit: 12,
  tableCopy: 14,
  tableGrow: 15,
  tableFill: 17,
} as const;

const EMPTY_BLOCK = 0x40;
const REF_NULLABLE = 0x63;
const REF = 0x64;
/** Bit of a memory argument's alignment: a memory index follows. */
const HAS_MEMORY_INDEX = 0x40;

/** Skips a block type: empty, a value type or the index of a function type. */
export function skipBlockType(reader: WasmReader): void {
  const first = reader.peek();
  if (first === REF_NULLABLE || first === REF) {
    reader.u8();
    reader.skipLeb();
  } else if (first === EMPTY_BLOCK) reader.u8();
  else reader.skipLeb();
}

/** Skips a value type; one of a reference has a second part. */
export function skipValueType(reader: WasmReader): void {
  const code = reader.u8();
  if (code === REF_NULLABLE || code === REF) reader.skipLeb();
}

function skipMemoryArgument(reader: WasmReader): void {
  const alignment = reader.u32();
  if (alignment >= HAS_MEMORY_INDEX) reader.fail("a second memory is used; only one is supported");
  reader.skipLeb();
}

function skipSelectTypes(reader: WasmReader): void {
  for (let left = reader.count(reader.remaining); left > 0 && reader.isOk; left--) {
    skipValueType(reader);
  }
}

/** What follows an opcode. Labels are for the walker itself: it must know which they are. */
const IMMEDIATES: readonly ("none" | "leb" | "leb2" | "block" | "memory" | null)[] =
  makeImmediates();

function makeImmediates(): ("none" | "leb" | "leb2" | "block" | "memory" | null)[] {
  const table = new Array<"none" | "leb" | "leb2" | "block" | "memory" | null>(256).fill(null);
  table.fill("memory", 0x28, 0x3f);
  table.fill("none", 0x45, 0xc5);
  // unreachable, nop, else, throw_ref, end, return, catch_all, drop, select, ref.is_null,
  // ref.as_non_null
  for (const op of [0x00, 0x01, 0x05, 0x0a, 0x0b, 0x0f, 0x19, 0x1a, 0x1b, 0xd1, 0xd4]) {
    table[op] = "none";
  }
  for (const op of [OP.block, OP.loop, OP.if, OP.try]) table[op] = "block";
  // catch, throw, calls, locals, globals, table.get, table.set, memory.size, memory.grow, constants,
  // ref.null, ref.func
  for (const op of [0x07, 0x08, OP.call, OP.returnCall, OP.callRef, OP.returnCallRef]) {
    table[op] = "leb";
  }
  table.fill("leb", 0x20, 0x27);
  for (const op of [0x3f, OP.memoryGrow, OP.i32Const, OP.i64Const, OP.refNull, OP.refFunc]) {
    table[op] = "leb";
  }
  table[OP.callIndirect] = "leb2";
  table[OP.returnCallIndirect] = "leb2";
  return table;
}

const SELECT_TYPED = 0x1c;
const REF_EQ = 0xd3;

/**
 * Skips the immediates of the one-byte instruction `opcode`. Not for prefixes, nor for what has
 * labels.
 */
export function skipImmediates(opcode: number, reader: WasmReader): void {
  switch (IMMEDIATES[opcode]) {
    case "none":
      return;
    case "leb":
      reader.skipLeb();
      return;
    case "leb2":
      reader.skipLeb();
      reader.skipLeb();
      return;
    case "block":
      skipBlockType(reader);
      return;
    case "memory":
      skipMemoryArgument(reader);
      return;
    default:
      if (opcode === SELECT_TYPED) skipSelectTypes(reader);
      else if (opcode === OP.f32Const) reader.skip(4);
      else if (opcode === OP.f64Const) reader.skip(8);
      else if (opcode === REF_EQ) reader.fail("garbage collection is not supported");
      else reader.fail(`unknown instruction 0x${opcode.toString(16)}`);
  }
}

/** Immediates of the instruction `0xfc sub`: indices, each of one LEB128. */
const MISC_INDICES: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];

/** Skips the immediates of the instruction `0xfc sub`. */
export function skipMiscImmediates(sub: number, reader: WasmReader): void {
  const indices = MISC_INDICES[sub];
  if (indices === undefined) reader.fail(`unknown instruction 0xfc ${sub}`);
  for (let left = indices ?? 0; left > 0; left--) reader.skipLeb();
}

const VECTOR_LAST = 0xff;
const RELAXED_FIRST = 0x100;
const RELAXED_LAST = 0x113;

/** Skips the immediates of the vector instruction `0xfd sub`. */
export function skipVectorImmediates(sub: number, reader: WasmReader): void {
  if (sub <= 0x0b || sub === 0x5c || sub === 0x5d) skipMemoryArgument(reader);
  else if (sub === 0x0c || sub === 0x0d) reader.skip(16);
  else if (sub >= 0x15 && sub <= 0x22) reader.skip(1);
  else if (sub >= 0x54 && sub <= 0x5b) {
    skipMemoryArgument(reader);
    reader.skip(1);
  } else if (sub > VECTOR_LAST && (sub < RELAXED_FIRST || sub > RELAXED_LAST)) {
    reader.fail(`unknown instruction 0xfd ${sub}`);
  }
}
