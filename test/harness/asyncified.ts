/** A guest that its import suspends, driven by hand: what a VM does with a coroutine, in small. */
import { FUEL } from "../../src/abi/budget-code.ts";
import type { PrepareTask } from "../../src/main/cpu-tasks.ts";
import { prepareModule } from "../../src/main/prepare-module.ts";
import { METERED } from "./metered.ts";

/** The module that runs; throws with the reason when it is refused. */
export async function prepared(
  bytes: Uint8Array,
  task: Partial<PrepareTask> = {},
): Promise<WebAssembly.Module> {
  const given: PrepareTask = { bytes, options: METERED, coroutines: "asyncify", ...task };
  const result = await prepareModule(given);
  if (result.kind === "refused") throw new Error(result.reason);
  return result.module;
}

type Exported = (...wire: number[]) => number;

/** Where the guest's frames are kept: two words that bound the space, and the space. */
const STACK_AT = 1_024;
const STACK_BYTES = 16_384;

/**
 * Calls of one instance. The guest imports `env.proxy_call_foreign_function` and gets what `answer`
 * makes of the first argument; null: it is suspended until {@link resume}.
 */
export class AsyncifiedGuest {
  /** Times that metered code looked at its budget. */
  looks = 0;
  /** What a look gives. */
  fuel = FUEL;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly #answer: (argument: number) => number | null;
  #suspended: { readonly name: string; readonly wire: readonly number[] } | null = null;
  #resumed: number | null = null;
  #argument = 0;

  constructor(module: WebAssembly.Module, answer: (argument: number) => number | null) {
    this.#answer = answer;
    const look = (): number => {
      this.looks++;
      return this.fuel;
    };
    const other = (): number => 0;
    const imports = {
      env: {
        proxy_call_foreign_function: (argument: number) => this.#called(argument),
        proxy_log: other,
        proxy_done: other,
      },
      granary: { look },
    };
    this.exports = new WebAssembly.Instance(module, imports).exports;
    const memory = this.exports["memory"];
    if (memory instanceof WebAssembly.Memory) {
      new Int32Array(memory.buffer, STACK_AT).set([STACK_AT + 8, STACK_AT + STACK_BYTES]);
    }
  }

  /** What the guest waits for; null when it does not wait. */
  get waitsFor(): number | null {
    return this.#suspended === null ? null : this.#argument;
  }

  /** What the export gives; null: it is suspended. */
  call(name: string, ...wire: number[]): number | null {
    const result = this.#function(name)(...wire);
    if (this.#function("asyncify_get_state")() === 0) {
      this.#suspended = null;
      return result;
    }
    this.#function("asyncify_stop_unwind")();
    this.#suspended = { name, wire };
    return null;
  }

  /** Goes on with `answer`; gives what {@link call} gives. */
  resume(answer: number): number | null {
    if (this.#suspended === null) throw new Error("it is not suspended");
    const { name, wire } = this.#suspended;
    this.#resumed = answer;
    this.#function("asyncify_start_rewind")(STACK_AT);
    return this.call(name, ...wire);
  }

  #function(name: string): Exported {
    return this.exports[name] as Exported;
  }

  #called(argument: number): number {
    if (this.#resumed !== null) {
      const answer = this.#resumed;
      this.#resumed = null;
      this.#function("asyncify_stop_rewind")();
      return answer;
    }
    const answer = this.#answer(argument);
    if (answer !== null) return answer;
    this.#argument = argument;
    this.#function("asyncify_start_unwind")(STACK_AT);
    return 0;
  }
}
