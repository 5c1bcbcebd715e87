/**
 * How a guest stops in the middle of a call, inside a hostcall, and goes on there later. Two ways:
 * asyncify, which unwinds the guest's frames into its memory, here; and JSPI of the engine, which
 * sets its stack aside, in `jspi.ts`. Source: ADR 50.
 */
import type { CallbackName } from "../abi/callback-table.ts";
import { STATUS } from "../abi/enums.ts";
import type { HostFunction } from "../abi/imports.ts";
import type { EngineInstance, GuestFunction } from "./engine.ts";

/** What an entry gives when the guest has stopped in the middle. */
export const SUSPENDED_CALL = Symbol("suspended");

/** Status that the body of a hostcall gives when the guest has to stop there; no STATUS. */
export const WAIT = 0x57414954;

/** Whose calls they are. */
export interface SuspensionOwner {
  /** The guest stops in the running hostcall. */
  stops(): void;
  /** The guest goes on: the hostcall leaves its result at the out-parameters; its status. */
  answer(ptrPtr: number, lenPtr: number): number;
  /** A call that had been suspended has returned, or has failed, by itself. */
  returned(result: unknown): void;
  failed(error: unknown): void;
}

/** `proxy_call_foreign_function`. */
// biome-ignore lint/complexity/useMaxParams: its wire parameters
export type ForeignHostcall = (
  namePtr: number,
  nameLen: number,
  argsPtr: number,
  argsLen: number,
  ptrPtr: number,
  lenPtr: number,
) => number;

export interface Suspender {
  /** `body` as the guest imports it: where it answers {@link WAIT} the guest stops. */
  hostcall(body: ForeignHostcall): HostFunction;
  /** Once the instance exists, before {@link entry}. */
  bind(instance: EngineInstance): void;
  /** The export `name` as it is called: its result, or {@link SUSPENDED_CALL}. */
  entry(name: CallbackName, fn: GuestFunction): GuestFunction;
  /**
   * The call that is suspended goes on. Its result, or {@link SUSPENDED_CALL}: it stopped again, or
   * its owner will be told. Throws what the guest throws.
   */
  resume(): unknown;
  /** What went wrong, when the guest failed because it could not be suspended; else "". */
  failure(): string;
}

/** Frames of one suspended call. */
export const ASYNCIFY_STACK_BYTES = 32_768;
/** Two words go first: where the next frame goes, and the end. */
const STACK_HEADER_BYTES = 8;

export const ASYNCIFY_EXPORTS = {
  startUnwind: "asyncify_start_unwind",
  stopUnwind: "asyncify_stop_unwind",
  startRewind: "asyncify_start_rewind",
  stopRewind: "asyncify_stop_rewind",
} as const;

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

/** @hot per-suspension */
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
    this.#startUnwind = find(ASYNCIFY_EXPORTS.startUnwind);
    this.#stopUnwind = find(ASYNCIFY_EXPORTS.stopUnwind);
    this.#startRewind = find(ASYNCIFY_EXPORTS.startRewind);
    this.#stopRewind = find(ASYNCIFY_EXPORTS.stopRewind);
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
