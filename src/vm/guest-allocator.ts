/**
 * Takes guest memory for a result, by calling the guest's allocator inside a hostcall: the one
 * re-entry there is. Source: ABI 1.5.
 * @hot per-hostcall
 */
import type { LinearMemory } from "../abi/linear-memory.ts";
import type { CurrentCall } from "./current-call.ts";
import type { GuestFunction } from "./engine.ts";

/** The allocator exports, best first: TinyGo's `malloc` pins what it returns for ever. */
export const ALLOCATOR_EXPORTS = ["proxy_on_memory_allocate", "malloc"] as const;

export class GuestAllocator {
  readonly #memory: LinearMemory;
  readonly #call: CurrentCall;
  #export: GuestFunction | null = null;

  constructor(memory: LinearMemory, call: CurrentCall) {
    this.#memory = memory;
    this.#call = call;
  }

  /** Binds the export once the instance exists. */
  bind(allocate: GuestFunction): void {
    this.#export = allocate;
  }

  /**
   * Allocates exactly `size` (>= 1) bytes and returns their pointer, or 0 when the guest has none
   * to give, gives a range outside its memory, or is already allocating. The VM context is current
   * meanwhile. A trap passes through to the call that the guest is in and fails the VM there.
   */
  allocate(size: number): number {
    const call = this.#call;
    const allocate = this.#export;
    if (allocate === null || call.allocating) return 0;
    call.allocating = true;
    const result = allocate(size);
    call.allocating = false;
    const ptr = typeof result === "number" ? result >>> 0 : 0;
    return ptr !== 0 && this.#memory.isRange(ptr, size) ? ptr : 0;
  }
}
