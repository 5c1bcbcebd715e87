/** A module as it was given and as it was rewritten, side by side. */

import wabtModule from "wabt";
import { BUDGET_IMPORT, FUEL } from "../../src/abi/budget-code.ts";
import { rewriteModule } from "../../src/abi/module-rewriter.ts";
import type { RewriteOptions } from "../../src/abi/rewriting.ts";

const wabt = await wabtModule();

export const METERED: RewriteOptions = {
  pagesMax: 64,
  tableElementsMax: 1_000,
  budget: "metered",
  growth: "free",
};

/** Everything that wabt can write and that Node 20 can run. */
const FEATURES = { exceptions: true, tail_call: true, extended_const: true, threads: true };

/** The binary of `text`, which may use newer features. */
export function modernWat(text: string): Uint8Array {
  const parsed = wabt.parseWat("module.wat", text, FEATURES);
  try {
    parsed.resolveNames();
    parsed.validate();
    return parsed.toBinary({ write_debug_names: true }).buffer;
  } finally {
    parsed.destroy();
  }
}

/** The rewritten bytes; throws with the reason when the module is refused. */
export function rewritten(bytes: Uint8Array, options: Partial<RewriteOptions> = {}): Uint8Array {
  const result = rewriteModule(bytes, { ...METERED, ...options });
  if (result.kind === "refused") throw new Error(result.reason);
  return result.bytes;
}

/** Why the module is refused, or "" when it is not. */
export function refusal(bytes: Uint8Array, options: Partial<RewriteOptions> = {}): string {
  const result = rewriteModule(bytes, { ...METERED, ...options });
  return result.kind === "refused" ? result.reason : "";
}

type Exports = Readonly<Record<string, unknown>>;

export class SideBySide {
  readonly original: Exports;
  readonly metered: Exports;
  /** Times that metered code looked at its budget. */
  looks = 0;
  /** What a look gives. */
  fuel = FUEL;

  constructor(bytes: Uint8Array, imports: () => WebAssembly.Imports = () => ({})) {
    const look = (): number => {
      this.looks++;
      return this.fuel;
    };
    const budget = { [BUDGET_IMPORT.module]: { [BUDGET_IMPORT.name]: look } };
    const module = new WebAssembly.Module(rewritten(bytes));
    this.original = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports()).exports;
    this.metered = new WebAssembly.Instance(module, { ...imports(), ...budget }).exports;
  }

  /** What a call gives, or how it ends, for both. */
  call(name: string, ...wire: unknown[]): { readonly original: string; readonly metered: string } {
    return {
      original: outcome(this.original[name], wire),
      metered: outcome(this.metered[name], wire),
    };
  }
}

function outcome(exported: unknown, wire: readonly unknown[]): string {
  try {
    return String((exported as (...wire: unknown[]) => unknown)(...wire));
  } catch (error) {
    return `threw ${error instanceof Error ? error.message : "an exception of the guest"}`;
  }
}
