/**
 * A cursor over the bytes of a wasm module that nobody has validated. It never throws and never
 * reads past its end: the first thing that does not fit sets `problem`, moves the cursor to the
 * end and
 * gives zeros from then on, so every loop that tests `isOk` stops.
 */

/** Longest name that engines accept. */
const NAME_BYTES = 100_000;
const decoder = new TextDecoder();

export class WasmReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #problem: string | null = null;

  /** Reads `[start, end)` of `bytes`; both are cut to what is there. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = Math.min(end, bytes.byteLength);
    this.#at = Math.min(start, this.#end);
  }

  /** What was wrong first, or null. */
  get problem(): string | null {
    return this.#problem;
  }

  get isOk(): boolean {
    return this.#problem === null;
  }

  /** Offset of the next byte, from the start of the module. */
  get offset(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  /** Records `problem` unless there is one already, and ends the reading. */
  fail(problem: string): void {
    this.#problem ??= `${problem} at byte ${this.#at}`;
    this.#at = this.#end;
  }

  u8(): number {
    if (this.#at >= this.#end) {
      this.fail("unexpected end");
      return 0;
    }
    return this.#bytes[this.#at++] ?? 0;
  }

  /** The next byte, which stays; 0 at the end. */
  peek(): number {
    return this.#at < this.#end ? (this.#bytes[this.#at] ?? 0) : 0;
  }

  /** Skips a LEB128 of at most 10 bytes, signed or not. */
  skipLeb(): void {
    for (let left = 10; left > 0; left--) if (this.u8() < 0x80) return;
    this.fail("malformed number");
  }

  /** An unsigned LEB128 of at most 5 bytes and 32 bits. */
  u32(): number {
    let value = 0;
    for (let scale = 0; scale < 5; scale++) {
      const byte = this.u8();
      if (scale === 4 && byte > 0x0f) break;
      value += (byte & 0x7f) * 2 ** (7 * scale);
      if (byte < 0x80) return value;
    }
    this.fail("malformed number");
    return 0;
  }

  /** An unsigned LEB128 of at most 10 bytes; beyond 2^53 the low bits are lost. */
  u64(): number {
    let value = 0;
    for (let scale = 0; scale < 10; scale++) {
      const byte = this.u8();
      if (scale === 9 && byte > 0x01) break;
      value += (byte & 0x7f) * 2 ** (7 * scale);
      if (byte < 0x80) return value;
    }
    this.fail("malformed number");
    return 0;
  }

  /** A count of entries that take at least one byte each, and are at most `max`. */
  count(max: number): number {
    const value = this.u32();
    if (value <= max && value <= this.remaining) return value;
    this.fail(`impossible count ${value}`);
    return 0;
  }

  /** A name: its bytes counted, in UTF-8; malformed text becomes U+FFFD. */
  name(): string {
    const length = this.u32();
    if (length > this.remaining || length > NAME_BYTES) {
      this.fail(`impossible name length ${length}`);
      return "";
    }
    const start = this.#at;
    this.#at += length;
    return decoder.decode(this.#bytes.subarray(start, this.#at));
  }

  /** Whether `pattern` is among the bytes that are left. */
  contains(pattern: Buffer): boolean {
    const rest = this.#bytes.subarray(this.#at, this.#end);
    return Buffer.from(rest.buffer, rest.byteOffset, rest.byteLength).includes(pattern);
  }

  skip(length: number): void {
    if (length > this.remaining) this.fail("unexpected end");
    else this.#at += length;
  }

  /** The bytes that `skip` skips; a view. */
  bytesOf(skip: (reader: WasmReader) => void): Uint8Array {
    const start = this.#at;
    skip(this);
    return this.#bytes.subarray(start, this.#at);
  }

  /** The bytes that are left, which this skips; a view. */
  rest(): Uint8Array {
    const start = this.#at;
    this.#at = this.#end;
    return this.#bytes.subarray(start, this.#end);
  }

  /** A reader of the next `length` bytes, which this one skips. */
  section(length: number): WasmReader {
    const start = this.#at;
    this.skip(length);
    return new WasmReader(this.#bytes, start, this.isOk ? start + length : start);
  }
}
