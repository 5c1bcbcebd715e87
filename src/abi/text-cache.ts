/**
 * Short texts that guests pass again and again (names of headers, paths of properties), by their
 * bytes: finding one makes no string, and comparing it with a header's name mostly compares two
 * pointers. Bounded: a slot keeps the text that was asked for last.
 * @hot per-hostcall
 */
import type { Latin1Bytes } from "./latin1.ts";

/** A power of two. */
const SLOTS = 512;
const TEXT_BYTES_MAX = 48;
/** At most eight bytes of a text are hashed. */
const HASHED_SHIFT = 3;
const FNV_PRIME = 0x01000193;

/** The engine's own copy of a text, which is the same object for equal texts. */
function interned(text: string): string {
  const [key] = Object.keys({ [text]: 0 });
  return key ?? text;
}

export class TextCache {
  readonly #texts: string[] = new Array<string>(SLOTS).fill("");
  readonly #isInterned: boolean;

  /** @param kind `names` are compared often, so it pays to intern them; `values` are not */
  constructor(kind: "names" | "values") {
    this.#isInterned = kind === "names";
  }

  /** Bytes `[at, at + length)`, which lie inside `bytes`, as a string. `length` is 1 or more. */
  text(bytes: Latin1Bytes, at: number, length: number): string {
    if (length > TEXT_BYTES_MAX) return bytes.latin1Slice(at, at + length);
    // Of longer texts only some bytes: what they find is compared whole.
    const step = (length >> HASHED_SHIFT) + 1;
    let hash = length;
    for (let i = 0; i < length; i += step) {
      hash = Math.imul(hash ^ (bytes[at + i] as number), FNV_PRIME);
    }
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#texts[slot] as string;
    if (isText(known, bytes, at, length)) return known;
    const slice = bytes.latin1Slice(at, at + length);
    const text = this.#isInterned ? interned(slice) : slice;
    this.#texts[slot] = text;
    return text;
  }
}

function isText(text: string, bytes: Latin1Bytes, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}
