/**
 * Codec of the pairs block in which header maps, property maps and call metadata cross the border.
 * Source: ABI 3.4. All integers are little-endian u32.
 *
 *     +-------+---------------------+-----+-----------+----+-------------+----+-----+
 *     | count | key_len value_len   | ... | key bytes | 00 | value bytes | 00 | ... |
 *     +-------+---------------------+-----+-----------+----+-------------+----+-----+
 *       4       8 for each pair             lengths do not count the terminating NUL
 * @hot per-hostcall
 */
import { LIMITS } from "../base/limits.ts";
import { type Latin1Bytes, latin1Bytes, putLatin1 } from "./latin1.ts";

/** Names and values by index, latin1. A header map is one as it stands. */
export interface PairSource {
  readonly count: number;
  /** Sum of the lengths of all names and values. */
  readonly byteSize: number;
  nameAt(index: number): string;
  valueAt(index: number): string;
}

/** Pairs kept in an array: property maps, metadata. */
class PairList implements PairSource {
  readonly #pairs: readonly (readonly [string, string])[];
  readonly byteSize: number;
  constructor(pairs: readonly (readonly [string, string])[]) {
    this.#pairs = pairs;
    this.byteSize = pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  }
  get count(): number {
    return this.#pairs.length;
  }
  nameAt(index: number): string {
    return this.#pairs[index]?.[0] ?? "";
  }
  valueAt(index: number): string {
    return this.#pairs[index]?.[1] ?? "";
  }
}

/** Bytes that {@link encodePairs} writes: 4 for no pairs at all. */
export function pairsByteSize(source: PairSource): number {
  return 4 + source.count * 10 + source.byteSize;
}

function putU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
}

function getU32(source: Uint8Array, at: number): number {
  const low = (source[at] as number) | ((source[at + 1] as number) << 8);
  const high = ((source[at + 2] as number) << 16) | ((source[at + 3] as number) << 24);
  return (low | high) >>> 0;
}

function putText(target: Latin1Bytes, at: number, text: string): number {
  putLatin1(target, at, text);
  const end = at + text.length;
  target[end] = 0;
  return end + 1;
}

/** Writes `source` to `bytes` at `at`, where {@link pairsByteSize} bytes are free. */
export function encodePairs(source: PairSource, bytes: Latin1Bytes, at: number): void {
  const count = source.count;
  putU32(bytes, at, count);
  let lengthAt = at + 4;
  let textAt = lengthAt + count * 8;
  for (let i = 0; i < count; i++) {
    const name = source.nameAt(i);
    const value = source.valueAt(i);
    putU32(bytes, lengthAt, name.length);
    putU32(bytes, lengthAt + 4, value.length);
    lengthAt += 8;
    textAt = putText(bytes, textAt, name);
    textAt = putText(bytes, textAt, value);
  }
}

/** The pairs block of `pairs` in memory of its own. */
export function pairsBlock(pairs: readonly (readonly [string, string])[]): Uint8Array {
  const source = new PairList(pairs);
  const size = pairsByteSize(source);
  const block = new Uint8Array(size);
  encodePairs(source, latin1Bytes(block.buffer, 0, size), 0);
  return block;
}

/** Why a block was refused; "empty" is no refusal and gives an empty list instead. */
type PairsProblem = "tooLarge" | "tooMany" | "truncated" | "unterminated" | "trailingBytes";

type DecodedPairs =
  | { readonly ok: true; readonly pairs: [string, string][] }
  | { readonly ok: false; readonly problem: PairsProblem };

const refused = (problem: PairsProblem): DecodedPairs => ({ ok: false, problem });

/**
 * Reads a block that a guest passes. A block without bytes and one with count 0 are both empty.
 * @param block exactly the bytes of the block; they are copied out.
 */
export function decodePairs(block: Uint8Array): DecodedPairs {
  const length = block.byteLength;
  if (length === 0) return { ok: true, pairs: [] };
  if (length > LIMITS.pairsBytes) return refused("tooLarge");
  if (length < 4) return refused("truncated");
  const count = getU32(block, 0);
  if (count > LIMITS.pairsCount) return refused("tooMany");
  if (4 + count * 10 > length) return refused("truncated");
  const bytes = latin1Bytes(block.buffer, block.byteOffset, length);
  const pairs: [string, string][] = [];
  let at = 4 + count * 8;
  for (let i = 0; i < count; i++) {
    const nameEnd = at + getU32(block, 4 + i * 8);
    const valueEnd = nameEnd + 1 + getU32(block, 8 + i * 8);
    if (valueEnd + 1 > length) return refused("truncated");
    if (block[nameEnd] !== 0 || block[valueEnd] !== 0) return refused("unterminated");
    pairs.push([bytes.latin1Slice(at, nameEnd), bytes.latin1Slice(nameEnd + 1, valueEnd)]);
    at = valueEnd + 1;
  }
  return at === length ? { ok: true, pairs } : refused("trailingBytes");
}
