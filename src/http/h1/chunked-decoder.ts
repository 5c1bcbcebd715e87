/**
 * The framing of a chunked body: chunk-size lines, extensions (checked and dropped) and the line
 * ends
 * behind chunk data. Knows nothing of events; the parser takes the data between. Source: RFC 9112
 * section 7.1.
 * @hot per-chunk
 */
import { LIMITS } from "../../base/limits.ts";
import { CR, FIELD_VALUE, HEX, HTAB, LF, SP, TOKEN_LOWER } from "./byte-classes.ts";
import type { H1ErrorCode } from "./errors.ts";

const SIZE = 0;
/** States 1 to 8 are those of the extension table below. */
const SIZE_LF = 9;
const DATA_CR = 10;
const DATA_LF = 11;

const CLASS_COUNT = 8;
const CLASS = { other: 0, token: 1, blank: 2, semicolon: 3, equals: 4, quote: 5, escape: 6, cr: 7 };
const BAD = 255;

const EXTENSION_CLASS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === SP || byte === HTAB) return CLASS.blank;
  if (byte === 0x3b) return CLASS.semicolon;
  if (byte === 0x3d) return CLASS.equals;
  if (byte === 0x22) return CLASS.quote;
  if (byte === 0x5c) return CLASS.escape;
  if (byte === CR) return CLASS.cr;
  return TOKEN_LOWER[byte] === 0 ? CLASS.other : CLASS.token;
});

/**
 * Extension states in rows, byte classes in columns (other token blank ; = " \ CR), the next state
 * in the cells. 1 before ";", 2 before a name, 3 in a name, 4 behind a name, 5 before a value, 6 in
 * a token value, 7 in a quoted value, 8 behind its backslash.
 */
const EXTENSION = Uint8Array.from(
  [
    [BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD],
    [BAD, BAD, 1, 2, BAD, BAD, BAD, BAD],
    [BAD, 3, 2, BAD, BAD, BAD, BAD, BAD],
    [BAD, 3, 4, 2, 5, BAD, BAD, SIZE_LF],
    [BAD, BAD, 4, 2, 5, BAD, BAD, BAD],
    [BAD, 6, 5, BAD, BAD, 7, BAD, BAD],
    [BAD, 6, 1, 2, BAD, BAD, BAD, SIZE_LF],
    [7, 7, 7, 7, 7, 12, 8, BAD],
    [7, 7, 7, 7, 7, 7, 7, BAD],
    [BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD],
    [BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD],
    [BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD],
    [BAD, BAD, 1, 2, BAD, BAD, BAD, SIZE_LF],
  ].flat(),
);

export class ChunkedDecoder {
  /** Bytes of the current chunk that the parser has still to take; 0 = framing comes next. */
  remaining = 0;
  /** The last chunk was seen; trailers follow. */
  atTrailers = false;
  fault: H1ErrorCode | null = null;
  #state = SIZE;
  #size = 0;
  #lineBytes = 0;

  /** The next chunked body begins. */
  reset(): void {
    this.remaining = 0;
    this.atTrailers = false;
    this.fault = null;
    this.#state = SIZE;
    this.#size = 0;
    this.#lineBytes = 0;
  }

  /** The parser took `count` bytes of chunk data, 1..remaining. */
  take(count: number): void {
    this.remaining -= count;
    if (this.remaining === 0) this.#state = DATA_CR;
  }

  /**
   * Consumes framing bytes until chunk data or the trailers begin. Call while `remaining` is 0.
   * @returns the offset of the first byte not consumed, or -1 with `fault` set
   */
  next(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const byte = bytes[at++] as number;
      if (this.#state === SIZE) {
        if (!this.#sizeByte(byte)) return -1;
      } else if (this.#state === SIZE_LF) {
        if (byte !== LF) return this.#fail("chunkSizeInvalid");
        this.#endOfLine();
        return at;
      } else if (this.#state === DATA_CR) {
        if (byte !== CR) return this.#fail("chunkEndMissing");
        this.#state = DATA_LF;
      } else if (this.#state === DATA_LF) {
        if (byte !== LF) return this.#fail("chunkEndMissing");
        this.#state = SIZE;
      } else if (!this.#extensionByte(byte)) return -1;
    }
    return at;
  }

  #endOfLine(): void {
    this.remaining = this.#size;
    this.atTrailers = this.#size === 0;
    this.#size = 0;
    this.#lineBytes = 0;
    this.#state = SIZE;
  }

  #sizeByte(byte: number): boolean {
    const digit = HEX[byte] as number;
    if (digit === 255) {
      if (this.#lineBytes === 0) return this.#refuse("chunkSizeInvalid");
      if (byte === CR) {
        this.#state = SIZE_LF;
        return true;
      }
      this.#state = 1;
      const known = byte === 0x3b || byte === SP || byte === HTAB;
      return known ? this.#extensionByte(byte) : this.#refuse("chunkSizeInvalid");
    }
    this.#size = this.#size * 16 + digit;
    if (this.#size > Number.MAX_SAFE_INTEGER) return this.#refuse("chunkSizeInvalid");
    return this.#countLineByte();
  }

  #extensionByte(byte: number): boolean {
    const class_ = EXTENSION_CLASS[byte] as number;
    const next = EXTENSION[this.#state * CLASS_COUNT + class_] as number;
    const control = class_ === CLASS.other && FIELD_VALUE[byte] === 0;
    if (next === BAD || control) return this.#refuse("chunkExtensionInvalid");
    this.#state = next;
    return this.#countLineByte();
  }

  #countLineByte(): boolean {
    this.#lineBytes++;
    return this.#lineBytes <= LIMITS.chunkLineBytes || this.#refuse("chunkLineTooLong");
  }

  #refuse(fault: H1ErrorCode): false {
    this.fault = fault;
    return false;
  }

  #fail(fault: H1ErrorCode): -1 {
    this.fault = fault;
    return -1;
  }
}
