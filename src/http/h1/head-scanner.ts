/**
 * Finds and checks the header lines of one head or trailer section in place: validates every byte,
 * lower-cases names in the buffer, and records where names and values lie. Works line by line, so
 * that a section that arrives in pieces is scanned again from its last incomplete line only.
 * @hot per-request
 */
import { COLON, CR, FIELD_VALUE, HTAB, LF, SP, TOKEN_LOWER } from "./byte-classes.ts";
import type { H1ErrorCode } from "./errors.ts";

/** The bytes end before the section does. */
export const INCOMPLETE = -1;
/** The bytes are malformed; `fault` says how. */
export const FAILED = -2;

const MARKS_PER_FIELD = 4;

export class HeadScanner {
  /** Name start, name end, value start, value end of each field, counted from `base`. */
  marks: Int32Array = new Int32Array(32 * MARKS_PER_FIELD);
  count = 0;
  /** Start of the first line that is not yet recorded, counted from `base`. */
  lineAt = 0;
  fault: H1ErrorCode | null = null;

  /** Forgets everything: the next section begins. */
  reset(): void {
    this.count = 0;
    this.lineAt = 0;
    this.fault = null;
  }

  /**
   * Scans from `base + lineAt` to the empty line that ends the section.
   * @param base offset of the section in `bytes`
   * @param end end of the bytes that may be looked at
   * @param countMax fields allowed; one more fails with `headersTooMany`
   * @returns the offset behind the section, INCOMPLETE or FAILED
   */
  scan(bytes: Uint8Array, base: number, end: number, countMax: number): number {
    let marks = this.marks;
    let index = this.count * MARKS_PER_FIELD;
    const indexMax = countMax * MARKS_PER_FIELD;
    let at = base + this.lineAt;
    for (;;) {
      const nameAt = at;
      for (; at < end; at++) {
        const lower = TOKEN_LOWER[bytes[at] as number] as number;
        if (lower === 0) break;
        bytes[at] = lower;
      }
      if (at === end) return this.#pause(nameAt - base, index);
      if (at === nameAt || bytes[at] !== COLON) {
        this.#pause(nameAt - base, index);
        return this.#endOrFault(bytes, nameAt, at, end);
      }
      const nameEnd = at++;
      while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
      const valueAt = at;
      while (at < end && FIELD_VALUE[bytes[at] as number] !== 0) at++;
      if (at + 1 >= end || bytes[at] !== CR || bytes[at + 1] !== LF) {
        this.#pause(nameAt - base, index);
        return this.#openLine(bytes, at, end);
      }
      let valueEnd = at;
      while (valueEnd > valueAt && isBlank(bytes[valueEnd - 1] as number)) valueEnd--;
      if (index === indexMax) return this.#fail("headersTooMany");
      if (index === marks.length) marks = this.#grow();
      marks[index] = nameAt - base;
      marks[index + 1] = nameEnd - base;
      marks[index + 2] = valueAt - base;
      marks[index + 3] = valueEnd - base;
      index += MARKS_PER_FIELD;
      at += 2;
    }
  }

  /** Keeps what was found for the next call or for the owner. */
  #pause(lineAt: number, index: number): number {
    this.lineAt = lineAt;
    this.count = index / MARKS_PER_FIELD;
    return INCOMPLETE;
  }

  /** The value ends at `at`, but not in a line end. */
  #openLine(bytes: Uint8Array, at: number, end: number): number {
    if (at === end) return INCOMPLETE;
    if (bytes[at] !== CR) return this.#fail(bytes[at] === LF ? "lineEndInvalid" : "valueInvalid");
    return at + 1 === end ? INCOMPLETE : this.#fail("lineEndInvalid");
  }

  #grow(): Int32Array {
    const grown = new Int32Array(this.marks.length * 2);
    grown.set(this.marks);
    this.marks = grown;
    return grown;
  }

  /** The line at `nameAt` has no name and colon: it is the empty line, or malformed. */
  #endOrFault(bytes: Uint8Array, nameAt: number, at: number, end: number): number {
    const byte = bytes[at] as number;
    if (at > nameAt) {
      if (isBlank(byte)) return this.#fail("spaceBeforeColon");
      return this.#fail(byte === CR || byte === LF ? "lineEndInvalid" : "nameInvalid");
    }
    if (byte === CR) {
      if (at + 1 === end) return INCOMPLETE;
      return bytes[at + 1] === LF ? at + 2 : this.#fail("lineEndInvalid");
    }
    if (byte === COLON) return this.#fail("nameEmpty");
    if (isBlank(byte)) return this.#fail("lineFolded");
    return this.#fail(byte === LF ? "lineEndInvalid" : "nameInvalid");
  }

  #fail(fault: H1ErrorCode): number {
    this.fault = fault;
    return FAILED;
  }
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

let spare: HeadScanner | null = null;

/** A scanner that is reset. Give it back with {@link giveScanner}. Thread: the caller's own. */
export function takeScanner(): HeadScanner {
  const scanner = spare ?? new HeadScanner();
  spare = null;
  scanner.reset();
  return scanner;
}

export function giveScanner(scanner: HeadScanner): void {
  spare = scanner;
}
