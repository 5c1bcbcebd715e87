/**
 * A growing sink for the bytes of a wasm module: numbers in LEB128, names, sections, and runs of
 * bytes copied as they are. It checks nothing: what is written comes from a validated module.
 */

const encoder = new TextEncoder();

export class WasmWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** @param capacity bytes that are expected. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(Math.max(16, capacity));
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was written; the space is kept. */
  clear(): void {
    this.#length = 0;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Unsigned LEB128 of a number below 2^53. */
  u32(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  /** Signed LEB128 of a 32-bit number. */
  s32(value: number): void {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.u8(rest & 0x7f);
  }

  /** Copies `[start, end)` of `source`. */
  copy(source: Uint8Array, start: number, end: number): void {
    if (end <= start) return;
    this.#reserve(end - start);
    this.#bytes.set(source.subarray(start, end), this.#length);
    this.#length += end - start;
  }

  append(source: Uint8Array): void {
    this.copy(source, 0, source.byteLength);
  }

  /** All bytes of `source`, whose size goes first. */
  sized(source: Uint8Array): void {
    this.u32(source.byteLength);
    this.append(source);
  }

  name(text: string): void {
    this.sized(encoder.encode(text));
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.byteLength * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
