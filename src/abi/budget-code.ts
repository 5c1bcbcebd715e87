/**
 * The code that meters a guest: what it costs, and the instructions that count it.
 *
 * A global counts down fuel. What may take long takes fuel away, and when there is less than none,
 * the guest calls the host (`look`), which reads the clock: either it gives new fuel, or it gives a
 * negative number, and the guest traps by `unreachable`, which no handler of the guest catches. So
 * the budget is time; fuel only decides how often the clock is read. A loop counts its rounds in a
 * local and takes fuel away every {@link LOOP_ROUNDS} rounds.
 */
import { BULK, OP } from "./wasm-instructions.ts";
import type { WasmWriter } from "./wasm-writer.ts";

/**
 * Module and name of the import that metered code asks, `(i32) -> i32`: with 0 for fuel, with
 * another number for a memory of as many pages. What is below 0 is a refusal.
 */
export const BUDGET_IMPORT = { module: "granary", name: "look" } as const;
/** Name of the function that takes fuel away, as backtraces show it. */
export const CHARGE_NAME = "granary.charge";

/** Rounds of the loops of one call until they cost fuel. */
const LOOP_ROUNDS = 1_024;
/**
 * Fuel that a look at the clock gives. One unit is about a call, 3 to 5 ns: the clock is read
 * every 100 us or so, which costs a thousandth of that.
 */
export const FUEL = 32_768;
/** Before the host has been asked: `(start)` sections run on it too. */
const FUEL_AT_START = FUEL;
const COST = {
  entry: 1,
  /** Up to {@link LOOP_ROUNDS} rounds of a call are not counted. */
  entryWithLoop: 8,
  loopRounds: 64,
  /** A hostcall does far more than a guest's own function. */
  hostcall: 64,
  /** It may make the engine collect its garbage: the clock is read every fourth time. */
  memoryGrow: 8_192,
  /** A byte of a bulk operation costs 2 ** -n units, an element of a table half a unit. */
  bytesShift: 6,
  elementsShift: 1,
} as const;
/** Code that is run through once costs a unit for each 2 ** n bytes. */
const BODY_SHIFT = 7;
/** More than an engine takes as one function. */
const PAID_BYTES_MAX = 8_000_000;
/** What the bytes of a function may add to the cost of its loops: their rounds may be large. */
const ROUND_BYTES_MAX = 2_048;

/** Where the rewriter put what the budget needs. */
export interface BudgetIndices {
  readonly look: number;
  readonly charge: number;
  readonly fuel: number;
}

const EMPTY_BLOCK = 0x40;

/**
 * Takes fuel away at the entry of a function, or before its calls, for `bytes` of code and as many
 * calls that pay nothing themselves. `scratch` is a local of its own.
 */
export function writeEntry(
  out: WasmWriter,
  indices: BudgetIndices,
  body: {
    readonly hasLoop: boolean;
    readonly bytes: number;
    readonly calls: number;
    readonly scratch: number;
  },
): void {
  const size = Math.min(body.bytes, PAID_BYTES_MAX) >> BODY_SHIFT;
  const cost = (body.hasLoop ? COST.entryWithLoop : COST.entry) + size + body.calls * COST.entry;
  writeIndexed(out, OP.globalGet, indices.fuel);
  writeConst(out, cost);
  out.u8(OP.i32Sub);
  writeIndexed(out, OP.localTee, body.scratch);
  writeIndexed(out, OP.globalSet, indices.fuel);
  writeIndexed(out, OP.localGet, body.scratch);
  writeConst(out, 0);
  out.u8(OP.i32LtS);
  out.u8(OP.if);
  out.u8(EMPTY_BLOCK);
  writeCharge(out, indices, 0);
  out.u8(OP.end);
}

/** Gives the loops of one call the rounds that they have before they cost fuel again. */
export function writeRoundsAtEntry(out: WasmWriter, rounds: number): void {
  writeConst(out, LOOP_ROUNDS);
  writeIndexed(out, OP.localSet, rounds);
}

/**
 * Opens a loop inside another of the same type: the outer one goes round when fuel is due, the
 * inner one is the guest's. So there is no call in the guest's loop, which engines then keep in
 * registers and unroll as before; it costs a subtraction and a branch that is hardly ever taken.
 * The guest's `end` needs a second one. `rounds` is the local that counts down.
 */
export function writeLoop(
  out: WasmWriter,
  indices: BudgetIndices,
  loop: { readonly blockType: Uint8Array; readonly rounds: number; readonly bodyBytes: number },
): void {
  const cost = COST.loopRounds + Math.min(loop.bodyBytes, ROUND_BYTES_MAX);
  out.u8(OP.loop);
  out.append(loop.blockType);
  writeIndexed(out, OP.localGet, loop.rounds);
  out.u8(OP.i32Eqz);
  out.u8(OP.if);
  out.u8(EMPTY_BLOCK);
  writeRoundsAtEntry(out, loop.rounds);
  writeCharge(out, indices, cost);
  out.u8(OP.end);
  out.u8(OP.loop);
  out.append(loop.blockType);
  writeIndexed(out, OP.localGet, loop.rounds);
  writeConst(out, 1);
  out.u8(OP.i32Sub);
  writeIndexed(out, OP.localTee, loop.rounds);
  out.u8(OP.i32Eqz);
  writeIndexed(out, OP.brIf, 1);
}

/** Opens a block without parameters and results. */
export function writeBlock(out: WasmWriter): void {
  out.u8(OP.block);
  out.u8(EMPTY_BLOCK);
}

/** Ends a block by leaving `labels` blocks beyond it. */
export function writeBranchOut(out: WasmWriter, labels: number): void {
  writeIndexed(out, OP.br, labels);
  out.u8(OP.end);
}

export function writeHostcallCost(out: WasmWriter, indices: BudgetIndices): void {
  writeCharge(out, indices, COST.hostcall);
}

export function writeGrowCost(out: WasmWriter, indices: BudgetIndices): void {
  writeCharge(out, indices, COST.memoryGrow);
}

/** In the place of `memory.grow`: the host is asked for the pages there would be. */
export function writeAskedGrowth(out: WasmWriter, indices: BudgetIndices, scratch: number): void {
  writeIndexed(out, OP.localTee, scratch);
  writeIndexed(out, OP.memorySize, 0);
  out.u8(OP.i32Add);
  writeIndexed(out, OP.call, indices.look);
  writeConst(out, 0);
  out.u8(OP.i32LtS);
  out.u8(OP.if);
  out.u8(I32);
  writeConst(out, -1);
  out.u8(OP.else);
  writeIndexed(out, OP.localGet, scratch);
  writeIndexed(out, OP.memoryGrow, 0);
  out.u8(OP.end);
}

/** Whether the instruction `0xfc sub` costs by the count on top of the stack. */
export function isBulk(sub: number): boolean {
  return (BULK_OPERATIONS as readonly number[]).includes(sub);
}
const BULK_OPERATIONS = Object.values(BULK);

/** Takes fuel away for the count on top of the stack, which stays there. */
export function writeBulkCost(
  out: WasmWriter,
  indices: BudgetIndices,
  operation: { readonly sub: number; readonly scratch: number },
): void {
  const isMemory = operation.sub <= BULK.memoryFill;
  writeIndexed(out, OP.localTee, operation.scratch);
  writeIndexed(out, OP.localGet, operation.scratch);
  writeConst(out, isMemory ? COST.bytesShift : COST.elementsShift);
  out.u8(OP.i32ShrU);
  writeIndexed(out, OP.call, indices.charge);
}

/** The global that holds the fuel: type, mutable, initial value. */
export function writeFuelGlobal(out: WasmWriter): void {
  out.u8(I32);
  out.u8(1);
  writeConst(out, FUEL_AT_START);
  out.u8(OP.end);
}

export const I32 = 0x7f;

/** The function `charge (cost: i32)`, with its size. */
export function writeChargeBody(out: WasmWriter, body: WasmWriter, indices: BudgetIndices): void {
  body.clear();
  body.u32(0);
  writeIndexed(body, OP.globalGet, indices.fuel);
  writeIndexed(body, OP.localGet, 0);
  body.u8(OP.i32Sub);
  writeIndexed(body, OP.localTee, 0);
  writeIndexed(body, OP.globalSet, indices.fuel);
  writeIfNegative(body, () => {
    writeConst(body, 0);
    writeIndexed(body, OP.call, indices.look);
    writeIndexed(body, OP.localTee, 0);
    writeIndexed(body, OP.globalSet, indices.fuel);
    writeIfNegative(body, () => body.u8(OP.unreachable));
  });
  body.u8(OP.end);
  out.sized(body.bytes);
}

function writeIfNegative(out: WasmWriter, writeThen: () => void): void {
  writeIndexed(out, OP.localGet, 0);
  writeConst(out, 0);
  out.u8(OP.i32LtS);
  out.u8(OP.if);
  out.u8(EMPTY_BLOCK);
  writeThen();
  out.u8(OP.end);
}

function writeCharge(out: WasmWriter, indices: BudgetIndices, cost: number): void {
  writeConst(out, cost);
  writeIndexed(out, OP.call, indices.charge);
}

function writeIndexed(out: WasmWriter, opcode: number, index: number): void {
  out.u8(opcode);
  out.u32(index);
}

function writeConst(out: WasmWriter, value: number): void {
  out.u8(OP.i32Const);
  out.s32(value);
}
