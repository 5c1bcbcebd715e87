/**
 * Suspends guests by asyncify, which Binaryen built into their code when it was loaded: the guest's
 * frames are unwound into its memory, and wound up again by calling the same export once more.
 * @hot per-suspension
 */
import type { CallbackName } from "../../abi/callback-table.ts";
import { ASYNCIFY } from "../../abi/coroutine-exports.ts";
import { STATUS } from "../../abi/enums.ts";
import type { EngineInstance, GuestFunction } from "../engine.ts";
import { GuestTrap } from "../trap.ts";
import {
  type ForeignHostcall,
  SUSPENDED_CALL,
  type Suspender,
  type SuspensionOwner,
  WAIT,
} from "./suspension.ts";

/** Frames of one suspended call. */
export const ASYNCIFY_STACK_BYTES = 32_768;
/** Two words go first: where the next frame goes, and the end. */
const STACK_HEADER_BYTES = 8;

interface StackMemory {
  writeU32(ptr: number, value: number): boolean;
}

export interface AsyncifyOptions {
  readonly owner: SuspensionOwner;
  readonly memory: StackMemory;
  /** Guest memory of so many bytes, or 0. */
  readonly allocate: (bytes: number) => number;
  /**
   * The guest may collect what its allocator gave as soon as it runs: each suspension takes memory
   * of its own.
   */
  readonly isCollected: boolean;
}

/** Not yet bound. */
function absent(): never {
  throw new TypeError("the module is not asyncified");
}

export class AsyncifySuspender implements Suspender {
  readonly #options: AsyncifyOptions;
  #startUnwind: GuestFunction = absent;
  #stopUnwind: GuestFunction = absent;
  #startRewind: GuestFunction = absent;
  #stopRewind: GuestFunction = absent;
  #isUnwinding = false;
  #isRewinding = false;
  /** Where the frames go; 0 = nowhere yet. */
  #stack = 0;
  /** The export whose call is suspended. */
  #fn: GuestFunction = absent;

  constructor(options: AsyncifyOptions) {
    this.#options = options;
  }

  hostcall(body: ForeignHostcall): ForeignHostcall {
    // biome-ignore lint/complexity/useMaxParams: the hostcall's wire parameters
    return (namePtr, nameLen, argsPtr, argsLen, ptrPtr, lenPtr) => {
      if (this.#isRewinding) {
        this.#isRewinding = false;
        this.#stopRewind();
        return this.#options.owner.answer(ptrPtr, lenPtr);
      }
      if (this.#isUnwinding) {
        // Its exports are not those of asyncify.
        this.#isUnwinding = false;
        throw new GuestTrap("it goes on while its call is being suspended");
      }
      const status = body(namePtr, nameLen, argsPtr, argsLen, ptrPtr, lenPtr);
      if (status !== WAIT) return status;
      if (!this.#takeStack()) return STATUS.internalFailure;
      this.#options.owner.stops();
      this.#isUnwinding = true;
      this.#startUnwind(this.#stack);
      return STATUS.ok;
    };
  }

  bind(instance: EngineInstance): void {
    const find = (name: string): GuestFunction => instance.getFunction(name) ?? absent;
    this.#startUnwind = find(ASYNCIFY.startUnwind);
    this.#stopUnwind = find(ASYNCIFY.stopUnwind);
    this.#startRewind = find(ASYNCIFY.startRewind);
    this.#stopRewind = find(ASYNCIFY.stopRewind);
  }

  entry(_name: CallbackName, fn: GuestFunction): GuestFunction {
    // biome-ignore lint/complexity/useMaxParams: the callback's wire parameters
    return (id = 0, a = 0, b = 0, c = 0, d = 0) => {
      const result = fn(id, a, b, c, d);
      return this.#isUnwinding ? this.#unwound(fn) : result;
    };
  }

  resume(): unknown {
    const fn = this.#fn;
    this.#isRewinding = true;
    this.#startRewind(this.#stack);
    // The frames hold the parameters.
    const result = fn(0, 0, 0, 0, 0);
    this.#isRewinding = false;
    return this.#isUnwinding ? this.#unwound(fn) : result;
  }

  failure(): string {
    if (!this.#isUnwinding) return "";
    return `the call cannot be suspended: its frames take more than ${ASYNCIFY_STACK_BYTES} bytes`;
  }

  #unwound(fn: GuestFunction): unknown {
    // Traps when the frames went past the end.
    this.#stopUnwind();
    this.#isUnwinding = false;
    this.#fn = fn;
    return SUSPENDED_CALL;
  }

  #takeStack(): boolean {
    const { allocate, isCollected, memory } = this.#options;
    if (this.#stack === 0 || isCollected) this.#stack = allocate(ASYNCIFY_STACK_BYTES);
    if (this.#stack === 0) return false;
    memory.writeU32(this.#stack, this.#stack + STACK_HEADER_BYTES);
    memory.writeU32(this.#stack + 4, this.#stack + ASYNCIFY_STACK_BYTES);
    return true;
  }
}
