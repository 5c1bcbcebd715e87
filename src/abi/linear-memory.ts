/**
 * Bounds-checked view of one VM's linear memory: the only way from the host to guest bytes.
 * Pointers and lengths are taken as the guest passes them (a signed i32 counts as unsigned); a
 * range outside the memory gives null, -1 or false, never an exception. Text is latin1: one code
 * unit = one byte.
 *
 * A memory that grows detaches its old ArrayBuffer, and a detached view is empty: that is the test
 * by which the cached views are renewed. Before the instance exists (a module's `(start)`
 * section) the memory may be unknown; every range is then out of bounds.
 * @hot per-hostcall
 */

import { ByteCache, internedText } from "./byte-cache.ts";
import { type Latin1Bytes, latin1Bytes, putLatin1 } from "./latin1.ts";

const EMPTY = new ArrayBuffer(0);
/** Of all VMs of the thread: plugins use the same names. */
const names = new ByteCache(internedText);

export class LinearMemory {
  #memory: WebAssembly.Memory | null = null;
  #bytes: Latin1Bytes = latin1Bytes(EMPTY, 0, 0);
  #words: DataView = new DataView(EMPTY);
  #size = 0;

  /** Binds the memory, once the engine knows it. */
  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
    this.#renew();
  }

  /** Bytes the guest has now; 0 while the memory is unknown. */
  size(): number {
    return this.#currentSize();
  }

  /** Whether `[ptr, ptr+len)` lies inside the memory. An empty range is valid anywhere. */
  isRange(ptr: number, len: number): boolean {
    const length = len >>> 0;
    return length === 0 || (ptr >>> 0) + length <= this.#currentSize();
  }

  /** The bytes as a latin1 string, or null when out of range. */
  readLatin1(ptr: number, len: number): string | null {
    const start = ptr >>> 0;
    const length = len >>> 0;
    if (length === 0) return "";
    const bytes = this.#current();
    if (start + length > this.#size) return null;
    return bytes.latin1Slice(start, start + length);
  }

  /** As {@link readLatin1}, for short texts that come again and again: names. */
  readName(ptr: number, len: number): string | null {
    return this.find(names, ptr, len);
  }

  /** What the bytes are by `cache`, or null when out of range. */
  find<T>(cache: ByteCache<T>, ptr: number, len: number): T | null {
    const start = ptr >>> 0;
    const length = len >>> 0;
    if (length === 0) return cache.empty;
    const bytes = this.#current();
    if (start + length > this.#size) return null;
    return cache.find(bytes, this.#words, start, length);
  }

  /** The bytes decoded as UTF-8 (log lines), or null when out of range. */
  readUtf8(ptr: number, len: number): string | null {
    const start = ptr >>> 0;
    const length = len >>> 0;
    if (length === 0) return "";
    const bytes = this.#current();
    if (start + length > this.#size) return null;
    return bytes.utf8Slice(start, start + length);
  }

  /** A copy of the bytes, or null when out of range. */
  readBytes(ptr: number, len: number): Uint8Array | null {
    const view = this.view(ptr, len);
    return view === null ? null : new Uint8Array(view);
  }

  /** The bytes themselves, or null when out of range. Dead after the next call into the guest. */
  view(ptr: number, len: number): Uint8Array | null {
    const start = ptr >>> 0;
    const length = len >>> 0;
    const bytes = this.#current();
    if (length === 0) return bytes.subarray(0, 0);
    if (start + length > this.#size) return null;
    return bytes.subarray(start, start + length);
  }

  /**
   * All bytes, for writing a range that was checked here; null when it is out of range. Dead after
   * the next call into the guest.
   */
  whole(ptr: number, len: number): Latin1Bytes | null {
    return this.isRange(ptr, len) ? this.#current() : null;
  }

  /** Whether there is a word at each of the two places. */
  areWords(a: number, b: number): boolean {
    const size = this.#currentSize();
    return (a >>> 0) + 4 <= size && (b >>> 0) + 4 <= size;
  }

  /** The little-endian u32 at `ptr`, or -1 when out of range. */
  readU32(ptr: number): number {
    const at = ptr >>> 0;
    if (at + 4 > this.#currentSize()) return -1;
    return this.#words.getUint32(at, true);
  }

  /** Writes a little-endian u32; false when out of range. */
  writeU32(ptr: number, value: number): boolean {
    const at = ptr >>> 0;
    if (at + 4 > this.#currentSize()) return false;
    this.#words.setUint32(at, value, true);
    return true;
  }

  /** Writes a result's pointer and length; false, with nothing written, when out of range. */
  writeSlice(ptrPtr: number, lenPtr: number, ptr: number, len: number): boolean {
    const ptrAt = ptrPtr >>> 0;
    const lenAt = lenPtr >>> 0;
    const size = this.#currentSize();
    if (ptrAt + 4 > size || lenAt + 4 > size) return false;
    this.#words.setUint32(ptrAt, ptr, true);
    this.#words.setUint32(lenAt, len, true);
    return true;
  }

  /** Writes the low 64 bits of `value`, little-endian; false when out of range. */
  writeU64(ptr: number, value: bigint): boolean {
    const at = ptr >>> 0;
    if (at + 8 > this.#currentSize()) return false;
    this.#words.setBigUint64(at, value, true);
    return true;
  }

  /** Writes one byte per code unit; false when out of range. */
  writeLatin1(ptr: number, text: string): boolean {
    const at = ptr >>> 0;
    const length = text.length;
    const bytes = this.#current();
    if (length === 0) return true;
    if (at + length > this.#size) return false;
    putLatin1(bytes, at, text);
    return true;
  }

  /** Copies `source` to `ptr`; false when out of range. */
  writeBytes(ptr: number, source: Uint8Array): boolean {
    const at = ptr >>> 0;
    const bytes = this.#current();
    if (source.length === 0) return true;
    if (at + source.length > this.#size) return false;
    bytes.set(source, at);
    return true;
  }

  #current(): Latin1Bytes {
    // A detached view has no first byte; asking for its length costs more (docs/perf.md).
    if (this.#bytes[0] === undefined) this.#renew();
    return this.#bytes;
  }

  #currentSize(): number {
    this.#current();
    return this.#size;
  }

  #renew(): void {
    if (this.#memory === null) return;
    const buffer = this.#memory.buffer;
    this.#bytes = latin1Bytes(buffer, 0, buffer.byteLength);
    this.#words = new DataView(buffer);
    this.#size = buffer.byteLength;
  }
}
