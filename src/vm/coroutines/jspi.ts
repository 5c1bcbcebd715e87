/**
 * Suspends guests by the engine's own stack switching (JSPI: Node 24 and later), for modules as
 * they are. Calls that do not stop use no promise; a call that does, or that traps, ends in one.
 */
import { CALLBACKS, type CallbackName } from "../../abi/callback-table.ts";
import type { HostFunction } from "../../abi/imports.ts";
import { adapterModule, SUSPENDING_NAMES, trampolineModule } from "../../abi/suspending-modules.ts";
import type { GuestFunction } from "../engine.ts";
import {
  type ForeignHostcall,
  SUSPENDED_CALL,
  type Suspender,
  type SuspensionOwner,
  WAIT,
} from "./suspension.ts";

type PromisingFunction = (...wire: number[]) => Promise<void>;

/** What newer engines have. */
interface StackSwitching {
  readonly Suspending: new (body: () => Promise<void>) => object;
  readonly promising: (fn: GuestFunction) => PromisingFunction;
}

export const stackSwitching: StackSwitching | null =
  "Suspending" in WebAssembly ? (WebAssembly as unknown as StackSwitching) : null;

/** Compiled once on each thread. */
const modules = new Map<string, WebAssembly.Module>();

function compiled(key: string, bytes: () => Uint8Array<ArrayBuffer>): WebAssembly.Module {
  const known = modules.get(key) ?? new WebAssembly.Module(bytes());
  modules.set(key, known);
  return known;
}

function linked(module: WebAssembly.Module, functions: Record<string, unknown>): GuestFunction {
  const instance = new WebAssembly.Instance(module, { [SUSPENDING_NAMES.imports]: functions });
  return instance.exports[SUSPENDING_NAMES.export] as GuestFunction;
}

export class JspiSuspender implements Suspender {
  readonly #owner: SuspensionOwner;
  readonly #switching: StackSwitching;
  #goOn: () => void = () => undefined;
  #isDone = false;
  #result = 0;

  constructor(owner: SuspensionOwner, switching: StackSwitching) {
    this.#owner = owner;
    this.#switching = switching;
  }

  hostcall(body: ForeignHostcall): HostFunction {
    const stop = new this.#switching.Suspending(() => {
      this.#owner.stops();
      return new Promise((resolve) => {
        this.#goOn = resolve;
      });
    });
    const adapter = compiled("adapter", () => adapterModule(WAIT));
    const answer: SuspensionOwner["answer"] = (ptrPtr, lenPtr) =>
      this.#owner.answer(ptrPtr, lenPtr);
    return linked(adapter, { body, stop, answer });
  }

  bind(): void {
    // The engine does all of it.
  }

  entry(name: CallbackName, fn: GuestFunction): GuestFunction {
    const trampoline = this.#trampoline(name, fn);
    // Not of the ABI's types: nobody calls it as it is declared.
    if (trampoline === null) return fn;
    const call = this.#switching.promising(trampoline);
    // biome-ignore lint/complexity/useMaxParams: the callback's wire parameters
    return (id = 0, a = 0, b = 0, c = 0, d = 0) => {
      this.#isDone = false;
      const promise = call(id, a, b, c, d);
      if (this.#isDone) return this.#result;
      promise.then(this.#returned, this.#failed);
      return SUSPENDED_CALL;
    };
  }

  resume(): unknown {
    this.#goOn();
    return SUSPENDED_CALL;
  }

  failure(): string {
    return "";
  }

  /** Exports do not tell their results: what links is right. */
  #trampoline(name: CallbackName, fn: GuestFunction): GuestFunction | null {
    const params = fn.length;
    const likely = CALLBACKS[name].result === "none" ? 0 : 1;
    for (const results of [likely, 1 - likely]) {
      const shape = { params, results };
      const module = compiled(`${params} ${results}`, () => trampolineModule(shape));
      try {
        return linked(module, { fn, done: this.#done });
      } catch (error) {
        if (!(error instanceof WebAssembly.LinkError)) throw error;
      }
    }
    return null;
  }

  readonly #done = (result: number): void => {
    this.#isDone = true;
    this.#result = result;
  };

  readonly #returned = (): void => {
    this.#owner.returned(this.#result);
  };

  readonly #failed = (error: unknown): void => {
    this.#owner.failed(error);
  };
}
