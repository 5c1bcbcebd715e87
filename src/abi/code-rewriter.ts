/**
 * The code of a metered module: every function body is walked once, and what may take long gets the
 * instructions of budget-code.ts. A body without loops and calls takes bounded time: it gets none.
 * Functions that are named move with their indices. Locals of ours come after
 * all others, so that no index of a local changes.
 */
import {
  type BudgetIndices,
  I32,
  isBulk,
  writeBulkCost,
  writeChargeBody,
  writeEntry,
  writeGrowCost,
  writeHostcallCost,
  writeLoop,
  writeRoundsAtEntry,
} from "./budget-code.ts";
import { hasLabels, LabelRewriter } from "./label-rewriter.ts";
import { movedFunction, type Rewriting } from "./rewriting.ts";
import {
  OP,
  skipBlockType,
  skipImmediates,
  skipMiscImmediates,
  skipValueType,
  skipVectorImmediates,
} from "./wasm-instructions.ts";
import type { WasmReader } from "./wasm-reader.ts";
import { WasmWriter } from "./wasm-writer.ts";

/** Rewrites all bodies and appends `charge`. */
export function rewriteCode(rewriting: Rewriting, section: WasmReader, out: WasmWriter): void {
  const { shape } = rewriting;
  const count = section.u32();
  out.u32(count + 1);
  const indices: BudgetIndices = {
    look: shape.importedFunctions,
    charge: shape.importedFunctions + 1 + shape.functionTypes.length,
    fuel: shape.globalCount,
  };
  const rewriter = new BodyRewriter(rewriting, indices);
  for (let i = 0; i < count && section.isOk; i++) {
    const body = section.section(section.u32());
    rewriter.rewrite(body, shape.paramCounts[shape.functionTypes[i] ?? 0] ?? 0, out);
    if (!body.isOk) section.fail(`function ${shape.importedFunctions + i}: ${body.problem}`);
  }
  writeChargeBody(out, new WasmWriter(64), indices);
}

/** Rewrites one body after the other; its buffers are reused. */
class BodyRewriter {
  readonly #rewriting: Rewriting;
  readonly #indices: BudgetIndices;
  readonly #labels = new LabelRewriter();
  /** Instructions of the body, rewritten. */
  readonly #code = new WasmWriter(4_096);
  readonly #whole = new WasmWriter(4_096);
  #hasLoop = false;
  #callsGuest = false;
  #hasBulk = false;
  /** Indices of our two locals. */
  #rounds = 0;
  #scratch = 0;
  /** Up to where the original has been copied. */
  #copied = 0;

  constructor(rewriting: Rewriting, indices: BudgetIndices) {
    this.#rewriting = rewriting;
    this.#indices = indices;
  }

  /** Writes the body with its size to `out`. */
  rewrite(body: WasmReader, paramCount: number, out: WasmWriter): void {
    const byteSize = body.remaining;
    this.#code.clear();
    this.#labels.reset();
    this.#hasLoop = false;
    this.#callsGuest = false;
    this.#hasBulk = false;
    const runs = body.count(body.remaining);
    const runsStart = body.offset;
    let locals = paramCount;
    for (let left = runs; left > 0 && body.isOk; left--) {
      locals += body.u32();
      skipValueType(body);
    }
    const runsEnd = body.offset;
    this.#rounds = locals;
    this.#scratch = locals + 1;
    this.#copied = runsEnd;
    while (body.remaining > 0) this.#instruction(body);
    this.#copyUpTo(body.offset);
    this.#assemble({ runs, runsStart, runsEnd, byteSize });
    out.sized(this.#whole.bytes);
  }

  /** Locals, what the entry needs, and the instructions. */
  #assemble(parts: {
    readonly runs: number;
    readonly runsStart: number;
    readonly runsEnd: number;
    readonly byteSize: number;
  }): void {
    const whole = this.#whole;
    whole.clear();
    const hasEntry = this.#hasLoop || this.#callsGuest;
    const needsLocals = hasEntry || this.#hasBulk;
    whole.u32(needsLocals ? parts.runs + 1 : parts.runs);
    whole.copy(this.#rewriting.bytes, parts.runsStart, parts.runsEnd);
    if (needsLocals) {
      whole.u32(2);
      whole.u8(I32);
    }
    if (hasEntry) {
      const facts = { hasLoop: this.#hasLoop, byteSize: parts.byteSize, scratch: this.#scratch };
      writeEntry(whole, this.#indices, facts);
    }
    if (this.#hasLoop) writeRoundsAtEntry(whole, this.#rounds);
    whole.append(this.#code.bytes);
  }

  #instruction(body: WasmReader): void {
    const at = body.offset;
    const opcode = body.u8();
    switch (opcode) {
      case OP.block:
      case OP.if:
      case OP.try:
        this.#labels.open("block");
        skipImmediates(opcode, body);
        return;
      case OP.loop:
        this.#loop(at, body);
        return;
      case OP.end:
        if (!this.#labels.close()) return;
        this.#copyUpTo(body.offset);
        this.#code.u8(OP.end);
        return;
      case OP.call:
      case OP.returnCall:
        this.#call(opcode, at, body);
        return;
      case OP.callIndirect:
      case OP.returnCallIndirect:
      case OP.callRef:
      case OP.returnCallRef:
        this.#callsGuest = true;
        if (this.#rewriting.importsEscape) {
          this.#copyUpTo(at);
          writeHostcallCost(this.#code, this.#indices);
        }
        skipImmediates(opcode, body);
        return;
      case OP.refFunc:
        this.#writeIndexed(opcode, this.#indexAfter(at, body));
        return;
      case OP.memoryGrow:
        this.#copyUpTo(at);
        writeGrowCost(this.#code, this.#indices);
        skipImmediates(opcode, body);
        return;
      default:
        this.#other(opcode, at, body);
    }
  }

  #other(opcode: number, at: number, body: WasmReader): void {
    if (opcode === OP.vectorPrefix) skipVectorImmediates(body.u32(), body);
    else if (opcode === OP.miscPrefix) this.#misc(at, body);
    else if (opcode === OP.threadsPrefix) body.fail("threads (atomics) are not supported");
    else if (opcode === OP.gcPrefix) body.fail("garbage collection is not supported");
    else if (!hasLabels(opcode)) skipImmediates(opcode, body);
    else {
      this.#copyUpTo(at);
      this.#labels.rewrite(opcode, body, this.#code);
      this.#copied = body.offset;
    }
  }

  #loop(at: number, body: WasmReader): void {
    this.#hasLoop = true;
    this.#labels.open("loop");
    const blockType = body.bytesOf(skipBlockType);
    this.#copyUpTo(at);
    writeLoop(this.#code, this.#indices, { blockType, rounds: this.#rounds });
    this.#copied = body.offset;
  }

  #misc(at: number, body: WasmReader): void {
    const sub = body.u32();
    skipMiscImmediates(sub, body);
    if (!isBulk(sub)) return;
    this.#hasBulk = true;
    this.#copyUpTo(at);
    writeBulkCost(this.#code, this.#indices, { sub, scratch: this.#scratch });
  }

  #call(opcode: number, at: number, body: WasmReader): void {
    const index = this.#indexAfter(at, body);
    if (index < this.#rewriting.shape.importedFunctions) {
      writeHostcallCost(this.#code, this.#indices);
    } else this.#callsGuest = true;
    this.#writeIndexed(opcode, index);
  }

  /** The function index of the instruction at `at`, which will be written anew. */
  #indexAfter(at: number, body: WasmReader): number {
    const index = body.u32();
    this.#copyUpTo(at);
    this.#copied = body.offset;
    return index;
  }

  #writeIndexed(opcode: number, index: number): void {
    this.#code.u8(opcode);
    this.#code.u32(movedFunction(this.#rewriting, index));
  }

  #copyUpTo(offset: number): void {
    this.#code.copy(this.#rewriting.bytes, this.#copied, offset);
    this.#copied = offset;
  }
}
