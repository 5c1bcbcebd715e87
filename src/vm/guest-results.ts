/**
 * Gives results to the guest: memory from its allocator, exactly as long as the result, with
 * pointer and length written to the out-parameters. An empty result is pointer 0 and length 0
 * without an allocation (ABI 1.6). The out-parameters are checked before the allocation, so that a
 * refused call leaks nothing. All methods return a status.
 * @hot per-hostcall
 */
import { STATUS } from "../abi/enums.ts";
import type { LinearMemory } from "../abi/linear-memory.ts";
import { encodePairs, type PairSource, pairsByteSize } from "../abi/pairs.ts";
import type { GuestAllocator } from "./guest-allocator.ts";

export class GuestResults {
  readonly #memory: LinearMemory;
  readonly #allocator: GuestAllocator;

  constructor(memory: LinearMemory, allocator: GuestAllocator) {
    this.#memory = memory;
    this.#allocator = allocator;
  }

  /** A latin1 string. */
  text(text: string, ptrPtr: number, lenPtr: number): number {
    if (text.length === 0) return this.empty(ptrPtr, lenPtr);
    const ptr = this.reserve(text.length, ptrPtr, lenPtr);
    if (ptr === 0) return STATUS.invalidMemoryAccess;
    this.#memory.writeLatin1(ptr, text);
    return STATUS.ok;
  }

  /** A copy of `bytes`. */
  bytes(bytes: Uint8Array, ptrPtr: number, lenPtr: number): number {
    if (bytes.byteLength === 0) return this.empty(ptrPtr, lenPtr);
    const ptr = this.reserve(bytes.byteLength, ptrPtr, lenPtr);
    if (ptr === 0) return STATUS.invalidMemoryAccess;
    this.#memory.writeBytes(ptr, bytes);
    return STATUS.ok;
  }

  /** A pairs block; no pairs at all are an empty result. */
  pairs(source: PairSource, ptrPtr: number, lenPtr: number): number {
    if (source.count === 0) return this.empty(ptrPtr, lenPtr);
    const size = pairsByteSize(source);
    const ptr = this.reserve(size, ptrPtr, lenPtr);
    const bytes = ptr === 0 ? null : this.#memory.whole(ptr, size);
    if (bytes === null) return STATUS.invalidMemoryAccess;
    encodePairs(source, bytes, ptr);
    return STATUS.ok;
  }

  /** As {@link bytes}, but an out-parameter that is 0 is not wanted (ABI 3.14). */
  optional(bytes: Uint8Array, ptrPtr: number, lenPtr: number): number {
    if (ptrPtr !== 0 && lenPtr !== 0) return this.bytes(bytes, ptrPtr, lenPtr);
    const memory = this.#memory;
    const size = bytes.byteLength;
    if (lenPtr !== 0 && !memory.writeU32(lenPtr, size)) return STATUS.invalidMemoryAccess;
    if (ptrPtr === 0) return STATUS.ok;
    if (!memory.isRange(ptrPtr, 4)) return STATUS.invalidMemoryAccess;
    const ptr = size === 0 ? 0 : this.#allocator.allocate(size);
    if (ptr === 0 && size !== 0) return STATUS.invalidMemoryAccess;
    memory.writeBytes(ptr, bytes);
    return memory.writeU32(ptrPtr, ptr) ? STATUS.ok : STATUS.invalidMemoryAccess;
  }

  /** Pointer 0 and length 0. */
  empty(ptrPtr: number, lenPtr: number): number {
    const isWritten = this.#memory.writeSlice(ptrPtr, lenPtr, 0, 0);
    return isWritten ? STATUS.ok : STATUS.invalidMemoryAccess;
  }

  /** Allocates `size` (>= 1) bytes and writes the out-parameters; the pointer, or 0. */
  reserve(size: number, ptrPtr: number, lenPtr: number): number {
    const memory = this.#memory;
    if (!memory.areWords(ptrPtr, lenPtr)) return 0;
    const ptr = this.#allocator.allocate(size);
    if (ptr === 0) return 0;
    // A memory may have grown meanwhile, but never shrinks: what was in range still is.
    memory.writeSlice(ptrPtr, lenPtr, ptr, size);
    return ptr;
  }
}
