/** Which loops to unroll: the counter would cost much of what their few instructions do. */
import { hasLabels } from "./label-rewriter.ts";
import { OP, skipImmediates, skipVectorImmediates } from "./wasm-instructions.ts";
import { WasmReader } from "./wasm-reader.ts";

/** Bytes of a loop's contents. */
const SMALL_BYTES = 96;
const EMPTY_BLOCK = 0x40;

/**
 * The offset of the `end` of the loop whose contents start at `start`, if it is small, has no
 * parameters and results, and only plain instructions, blocks and branches in it; else 0.
 */
export function smallLoopEnd(bytes: Uint8Array, start: number, blockType: Uint8Array): number {
  if (blockType.length !== 1 || blockType[0] !== EMPTY_BLOCK) return 0;
  const reader = new WasmReader(bytes, start, start + SMALL_BYTES);
  for (let depth = 0; reader.isOk && reader.remaining > 0; ) {
    const at = reader.offset;
    const opcode = reader.u8();
    if (opcode === OP.end && depth === 0) return at;
    if (opcode === OP.end) depth--;
    if (opcode === OP.block || opcode === OP.if) depth++;
    if (!skipPlain(opcode, reader)) return 0;
  }
  return 0;
}

/** Skips the immediates; false: not an instruction for copies. */
function skipPlain(opcode: number, reader: WasmReader): boolean {
  if (opcode === OP.br || opcode === OP.brIf) {
    reader.skipLeb();
    return true;
  }
  if (opcode === OP.vectorPrefix) {
    skipVectorImmediates(reader.u32(), reader);
    return true;
  }
  if (hasLabels(opcode) || NOT_PLAIN.includes(opcode)) return false;
  skipImmediates(opcode, reader);
  return true;
}

const NOT_PLAIN: readonly number[] = [
  OP.loop,
  OP.try,
  OP.call,
  OP.callIndirect,
  OP.callRef,
  OP.returnCall,
  OP.returnCallIndirect,
  OP.returnCallRef,
  OP.memoryGrow,
  OP.miscPrefix,
  OP.gcPrefix,
  OP.threadsPrefix,
];
