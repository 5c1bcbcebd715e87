/**
 * What short runs of guest bytes are, remembered: names of headers, paths of properties. Bytes are
 * compared by words, as they lie in the guest's memory, so that what is known makes no string.
 * Bounded: a slot keeps what was asked for last.
 * @hot per-hostcall
 *
 *     a row of 16 words: | length | last 4 bytes | the bytes before these, by words, up to 13 |
 */
import type { Latin1Bytes } from "./latin1.ts";

const SLOTS_SHIFT = 9;
const SLOTS = 1 << SLOTS_SHIFT;
const ROW_SHIFT = 4;
const WORDS_AT = 2;
const KEY_BYTES_MAX = 56;
const PRIME = 0x01000193;
/** 2 ** 32 by the golden ratio: the high bits of a product depend on all bits of the factor. */
const SPREAD = 0x9e3779b1;

/** The engine's own copy of a text, which is the same object for equal texts. */
export function internedText(text: string): string {
  const [key] = Object.keys({ [text]: 0 });
  return key ?? text;
}

export class ByteCache<T> {
  /** Of no bytes at all. */
  readonly empty: T;
  readonly #keys = new Int32Array(SLOTS << ROW_SHIFT);
  readonly #found: T[];
  readonly #make: (text: string) => T;

  /** @param make what bytes are; it gets them as latin1 text */
  constructor(make: (text: string) => T) {
    this.#make = make;
    this.empty = make("");
    this.#found = new Array<T>(SLOTS).fill(this.empty);
  }

  /**
   * What bytes `[at, at + length)` are, which lie inside the memory. `length` is 1 or more.
   * @param words the same memory as `bytes`
   */
  find(bytes: Latin1Bytes, words: DataView, at: number, length: number): T {
    if (length > KEY_BYTES_MAX) return this.#make(bytes.latin1Slice(at, at + length));
    const last = lastWord(bytes, words, at, length);
    const end = at + length - 4;
    let hash = Math.imul(last ^ length, PRIME);
    for (let i = at; i < end; i += 4) hash = Math.imul(hash ^ words.getInt32(i, true), PRIME);
    const slot = Math.imul(hash ^ (hash >>> 15), SPREAD) >>> (32 - SLOTS_SHIFT);
    const keys = this.#keys;
    const row = slot << ROW_SHIFT;
    if (keys[row] === length && keys[row + 1] === last) {
      let key = row + WORDS_AT;
      let i = at;
      while (i < end && keys[key] === words.getInt32(i, true)) {
        i += 4;
        key++;
      }
      if (i >= end) return this.#found[slot] as T;
    }
    const found = this.#make(bytes.latin1Slice(at, at + length));
    this.#found[slot] = found;
    keys[row] = length;
    keys[row + 1] = last;
    for (let i = at, key = row + WORDS_AT; i < end; i += 4, key++) {
      keys[key] = words.getInt32(i, true);
    }
    return found;
  }
}

/** The last four bytes; all of them where there are fewer. */
function lastWord(bytes: Latin1Bytes, words: DataView, at: number, length: number): number {
  if (length >= 4) return words.getInt32(at + length - 4, true);
  const first = bytes[at] as number;
  const middle = bytes[at + (length >> 1)] as number;
  return first | (middle << 8) | ((bytes[at + length - 1] as number) << 16);
}
