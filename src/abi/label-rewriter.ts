/**
 * Labels within one function body: a loop of a metered module lies in blocks of ours, so a branch
 * that crosses it has more labels to cross. Keeps the stack of open blocks while the body is
 * walked. Source: WebAssembly core specification, 3.3 (labels); the legacy exception proposal.
 */
import { OP, skipBlockType } from "./wasm-instructions.ts";
import type { WasmReader } from "./wasm-reader.ts";
import type { WasmWriter } from "./wasm-writer.ts";

const WITH_LABELS: readonly number[] = [
  OP.br,
  OP.brIf,
  OP.brTable,
  OP.rethrow,
  OP.delegate,
  OP.tryTable,
  OP.brOnNull,
  OP.brOnNonNull,
];

const HAS_LABELS = Uint8Array.from({ length: 256 }, (_, opcode) =>
  WITH_LABELS.includes(opcode) ? 1 : 0,
);

export function hasLabels(opcode: number): boolean {
  return HAS_LABELS[opcode] === 1;
}

export class LabelRewriter {
  /** For each open block: how many labels of ours are open before it. */
  readonly #addedBefore: number[] = [];
  /** For each open block: how many labels of ours a branch that leaves it crosses. */
  readonly #added: number[] = [];
  #total = 0;

  /** A new body. */
  reset(): void {
    this.#addedBefore.length = 0;
    this.#added.length = 0;
    this.#total = 0;
  }

  /** @param added blocks of ours around the one that opens. */
  open(added: number): void {
    this.#addedBefore.push(this.#total);
    this.#added.push(added);
    this.#total += added;
  }

  /** Closes the innermost block; how many of ours are around it. The body itself is no block. */
  close(): number {
    this.#total = this.#addedBefore.pop() ?? 0;
    return this.#added.pop() ?? 0;
  }

  /** The label that `label` is now. */
  moved(label: number): number {
    const height = this.#addedBefore.length;
    return label + this.#total - (this.#addedBefore[height - label] ?? this.#total);
  }

  /** Rewrites an instruction that {@link hasLabels}; `body` stands after its opcode. */
  rewrite(opcode: number, body: WasmReader, out: WasmWriter): void {
    if (opcode === OP.brTable) this.#branchTable(body, out);
    else if (opcode === OP.tryTable) this.#tryTable(body, out);
    else {
      // A delegate ends its block and counts labels from outside.
      if (opcode === OP.delegate) this.close();
      out.u8(opcode);
      out.u32(this.moved(body.u32()));
    }
  }

  #branchTable(body: WasmReader, out: WasmWriter): void {
    const labels = body.count(body.remaining);
    out.u8(OP.brTable);
    out.u32(labels);
    for (let left = labels; left >= 0 && body.isOk; left--) out.u32(this.moved(body.u32()));
  }

  /** Labels of its clauses count from outside. */
  #tryTable(body: WasmReader, out: WasmWriter): void {
    out.u8(OP.tryTable);
    out.append(body.bytesOf(skipBlockType));
    const clauses = body.count(body.remaining);
    out.u32(clauses);
    for (let left = clauses; left > 0 && body.isOk; left--) {
      const kind = body.u8();
      if (kind > CLAUSE_MAX) body.fail(`unknown catch clause ${kind}`);
      out.u8(kind);
      if (kind <= CLAUSE_WITH_TAG_MAX) out.u32(body.u32());
      out.u32(this.moved(body.u32()));
    }
    this.open(0);
  }
}

const CLAUSE_MAX = 3;
const CLAUSE_WITH_TAG_MAX = 1;
