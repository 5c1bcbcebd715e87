/**
 * The code of a metered module: every function body is walked once, and what may take long gets the
 * instructions of budget-code.ts. Functions that are named move with their indices. Locals of ours
 * come after all others, so that no index of a local changes.
 */
import {
  type BudgetIndices,
  I32,
  isBulk,
  writeAskedGrowth,
  writeBlock,
  writeBranchOut,
  writeBulkCost,
  writeChargeBody,
  writeEntry,
  writeGrowCost,
  writeHostcallCost,
  writeLoop,
  writeRoundsAtEntry,
} from "./budget-code.ts";
import { BYTES_BEFORE_CALLS_MAX, type CallNode, paidBytes } from "./call-graph.ts";
import { hasLabels, LabelRewriter } from "./label-rewriter.ts";
import { smallLoopEnd } from "./loop-scan.ts";
import { movedFunction, type Rewriting } from "./rewriting.ts";
import {
  OP,
  skipBlockType,
  skipImmediates,
  skipMiscImmediates,
  skipValueType,
  skipVectorImmediates,
} from "./wasm-instructions.ts";
import { WasmReader } from "./wasm-reader.ts";
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
  const bodies: RewrittenBody[] = [];
  for (let i = 0; i < count && section.isOk; i++) {
    const body = section.section(section.u32());
    bodies.push(rewriter.rewrite(body, shape.paramCounts[shape.functionTypes[i] ?? 0] ?? 0));
    if (!body.isOk) section.fail(`function ${shape.importedFunctions + i}: ${body.problem}`);
  }
  const paid = paidBytes(bodies);
  const whole = new WasmWriter(4_096);
  for (const [i, body] of bodies.entries()) {
    writeBody(whole, { original: rewriting.bytes, indices, paidBytes: paid[i] ?? 0 }, body);
    out.sized(whole.bytes);
  }
  writeChargeBody(out, whole, indices);
}

interface RewrittenBody extends CallNode {
  /** Instructions. */
  readonly code: Uint8Array;
  /** The local declarations of the original: how many runs, and where they lie. */
  readonly runs: number;
  readonly runsStart: number;
  readonly runsEnd: number;
  readonly hasLoop: boolean;
  /** Some instruction keeps its operand in our local. */
  readonly hasBulk: boolean;
  /** Where in `code` calls begin that no call before leads to: of each row the first. */
  readonly callRows: readonly number[];
  /** Indices of our two locals. */
  readonly rounds: number;
  readonly scratch: number;
}

/** Locals, what the entry needs, and the instructions. */
function writeBody(
  out: WasmWriter,
  around: {
    readonly original: Uint8Array;
    readonly indices: BudgetIndices;
    readonly paidBytes: number;
  },
  body: RewrittenBody,
): void {
  out.clear();
  const pays = around.paidBytes > 0;
  const needsLocals = pays || body.hasLoop || body.hasBulk;
  out.u32(needsLocals ? body.runs + 1 : body.runs);
  out.copy(around.original, body.runsStart, body.runsEnd);
  if (needsLocals) {
    out.u32(2);
    out.u8(I32);
  }
  const facts = {
    hasLoop: body.hasLoop,
    bytes: around.paidBytes,
    // Where a recursion ends nobody pays: those calls are paid for here.
    calls: body.paysAtCalls ? body.callees.length : 0,
    scratch: body.scratch,
  };
  if (pays && !body.paysAtCalls) writeEntry(out, around.indices, facts);
  if (body.hasLoop) writeRoundsAtEntry(out, body.rounds);
  let written = 0;
  for (const at of pays && body.paysAtCalls ? body.callRows : []) {
    out.append(body.code.subarray(written, at));
    writeEntry(out, around.indices, facts);
    written = at;
  }
  out.append(body.code.subarray(written));
}

/** More of them cost more than to pay at the entry. */
const CALL_ROWS_MAX = 2;

/** What may be reached past the instruction before. */
const JOINS: readonly number[] = [OP.else, OP.end, OP.catch, OP.catchAll, OP.delegate, OP.loop];

/** Blocks of ours around a loop. */
const LOOP_ADDS = 1;
/** Copies of the contents of a small loop. */
const UNROLLED = 4;
/** Blocks around a copy: the guest's loop, ours, and the one behind which everything is over. */
const COPY_ADDS = 3;

/** Rewrites one body after the other; its buffers are reused. */
class BodyRewriter {
  readonly #rewriting: Rewriting;
  readonly #indices: BudgetIndices;
  readonly #labels = new LabelRewriter();
  /** Instructions of the body, rewritten. */
  readonly #code = new WasmWriter(4_096);
  #hasLoop = false;
  #hasIndirect = false;
  #hasBulk = false;
  #callees: number[] = [];
  #callRows: number[] = [];
  /** A call was on every way to here. */
  #isBehindCall = false;
  #byteSize = 0;
  /** Indices of our two locals. */
  #rounds = 0;
  #scratch = 0;
  /** Up to where the original has been copied. */
  #copied = 0;

  constructor(rewriting: Rewriting, indices: BudgetIndices) {
    this.#rewriting = rewriting;
    this.#indices = indices;
  }

  rewrite(body: WasmReader, paramCount: number): RewrittenBody {
    this.#byteSize = body.remaining;
    this.#code.clear();
    this.#labels.reset();
    this.#hasLoop = false;
    this.#hasIndirect = false;
    this.#hasBulk = false;
    this.#callees = [];
    this.#callRows = [];
    this.#isBehindCall = false;
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
    return {
      code: this.#code.bytes.slice(),
      runs,
      runsStart,
      runsEnd,
      byteSize: this.#byteSize,
      hasLoop: this.#hasLoop,
      hasBulk: this.#hasBulk,
      pays: this.#hasLoop || this.#hasIndirect,
      paysAtCalls: this.#paysAtCalls(),
      callRows: this.#callRows,
      callees: this.#callees,
      rounds: this.#rounds,
      scratch: this.#scratch,
    };
  }

  /** Whether what repeats within this function passes its calls, and these are few. */
  #paysAtCalls(): boolean {
    const rows = this.#callRows.length;
    if (this.#hasLoop || this.#hasIndirect || this.#byteSize > BYTES_BEFORE_CALLS_MAX) return false;
    return rows > 0 && rows <= CALL_ROWS_MAX;
  }

  #instruction(body: WasmReader): void {
    const at = body.offset;
    const opcode = body.u8();
    if (JOINS.includes(opcode)) this.#isBehindCall = false;
    switch (opcode) {
      case OP.block:
      case OP.if:
      case OP.try:
        this.#labels.open(0);
        skipImmediates(opcode, body);
        return;
      case OP.loop:
        this.#loop(at, body);
        return;
      case OP.end:
        this.#end(body);
        return;
      case OP.call:
      case OP.returnCall:
        this.#call(opcode, at, body);
        return;
      case OP.callIndirect:
      case OP.returnCallIndirect:
      case OP.callRef:
      case OP.returnCallRef:
        this.#hasIndirect = true;
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
        this.#grow(at, body);
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

  #end(body: WasmReader): void {
    const added = this.#labels.close();
    if (added === 0) return;
    this.#copyUpTo(body.offset);
    for (let left = added; left > 0; left--) this.#code.u8(OP.end);
  }

  #loop(at: number, body: WasmReader): void {
    this.#hasLoop = true;
    const blockType = body.bytesOf(skipBlockType);
    this.#copyUpTo(at);
    const end = smallLoopEnd(this.#rewriting.bytes, body.offset, blockType);
    if (end > 0) {
      this.#unroll({ start: body.offset, end }, blockType);
      body.skip(end + 1 - body.offset);
    } else {
      this.#labels.open(LOOP_ADDS);
      writeLoop(this.#code, this.#indices, this.#loopFacts(blockType));
    }
    this.#copied = body.offset;
  }

  /**
   * Writes a small loop with several copies of its contents, which go round in turn; only the first
   * looks at the counter. A copy but the last lies in a block: to go round leads behind that block,
   * to the next copy; to fall out of the contents leads behind everything.
   */
  #unroll(contents: { readonly start: number; readonly end: number }, blockType: Uint8Array): void {
    const code = this.#code;
    writeBlock(code);
    writeLoop(code, this.#indices, this.#loopFacts(blockType));
    for (let copies = UNROLLED; copies > 0; copies--) {
      const isLast = copies === 1;
      if (!isLast) writeBlock(code);
      this.#labels.open(isLast ? COPY_ADDS - 1 : COPY_ADDS);
      this.#copied = contents.start;
      const copy = new WasmReader(this.#rewriting.bytes, contents.start, contents.end);
      while (copy.remaining > 0) this.#instruction(copy);
      this.#copyUpTo(contents.end);
      this.#labels.close();
      if (!isLast) writeBranchOut(code, COPY_ADDS);
    }
    for (let left = COPY_ADDS; left > 0; left--) code.u8(OP.end);
  }

  #loopFacts(blockType: Uint8Array) {
    return { blockType, rounds: this.#rounds, bodyBytes: this.#byteSize };
  }

  #misc(at: number, body: WasmReader): void {
    const sub = body.u32();
    skipMiscImmediates(sub, body);
    if (!isBulk(sub)) return;
    this.#hasBulk = true;
    this.#copyUpTo(at);
    writeBulkCost(this.#code, this.#indices, { sub, scratch: this.#scratch });
  }

  #grow(at: number, body: WasmReader): void {
    this.#copyUpTo(at);
    writeGrowCost(this.#code, this.#indices);
    skipImmediates(OP.memoryGrow, body);
    if (this.#rewriting.options.growth === "free") return;
    this.#hasBulk = true;
    writeAskedGrowth(this.#code, this.#indices, this.#scratch);
    this.#copied = body.offset;
  }

  #call(opcode: number, at: number, body: WasmReader): void {
    const index = this.#indexAfter(at, body);
    const { importedFunctions } = this.#rewriting.shape;
    if (index < importedFunctions) writeHostcallCost(this.#code, this.#indices);
    else {
      if (!this.#isBehindCall) this.#callRows.push(this.#code.length);
      this.#isBehindCall = true;
      this.#callees.push(index - importedFunctions);
    }
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
