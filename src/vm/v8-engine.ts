/**
 * The engine that runs Wasm: the one built into Node.
 *
 * A compiled module does not tell the limits of a memory or table that it imports, but the link
 * error does; linking is tried again with the limits it names. No guest code runs before linking
 * succeeds.
 */
import type { ImportedStores, ImportPlan } from "../abi/imports.ts";
import { assert } from "../base/assert.ts";
import type { EngineInstance, GuestFunction, ModuleExport, VmEngine } from "./engine.ts";
import type { PluginCode } from "./types.ts";

const LINK_ATTEMPTS_MAX = 8;

/** Pages a 32-bit memory can have. */
const MEMORY_PAGES_MAX = 65_536;

interface StoreLimits {
  initial: number;
  /** -1 = none. */
  maximum: number;
}

class V8Instance implements EngineInstance {
  readonly memory: WebAssembly.Memory | null;
  readonly #exports: Readonly<Record<string, unknown>>;
  constructor(instance: WebAssembly.Instance, imported: WebAssembly.Memory | null) {
    this.#exports = instance.exports;
    const exported = instance.exports["memory"];
    this.memory = exported instanceof WebAssembly.Memory ? exported : imported;
  }
  getFunction(name: string): GuestFunction | null {
    const value = this.#exports[name];
    return typeof value === "function" ? (value as GuestFunction) : null;
  }
}

function descriptor(limits: StoreLimits): { initial: number; maximum?: number } {
  const initial = limits.initial;
  return limits.maximum < 0 ? { initial } : { initial, maximum: limits.maximum };
}

/** Adapts `limits` to what V8's link error asks for; false when it asks for something else. */
function adapt(limits: StoreLimits, message: string): boolean {
  const initial = /initial (?:of )?(\d+)/.exec(message)?.[1];
  if (initial !== undefined) {
    limits.initial = Number(initial);
    return true;
  }
  // Some releases name a nonsensical maximum when there is none yet; the next error names the real
  // one.
  const maximum = /maximum.* (\d+)$/.exec(message)?.[1];
  if (maximum === undefined) return false;
  limits.maximum = Math.min(Number(maximum), MEMORY_PAGES_MAX);
  return true;
}

function moduleOf(code: PluginCode): WebAssembly.Module {
  assert(code instanceof WebAssembly.Module, "the engine runs Wasm alone");
  return code;
}

class V8Engine implements VmEngine {
  readonly name = "v8";

  exportsOf(code: PluginCode): readonly ModuleExport[] {
    return WebAssembly.Module.exports(moduleOf(code));
  }

  importsOf(code: PluginCode): ReturnType<VmEngine["importsOf"]> {
    return WebAssembly.Module.imports(moduleOf(code));
  }

  link(code: PluginCode, plan: (stores: ImportedStores) => ImportPlan): EngineInstance {
    const module = moduleOf(code);
    const memoryLimits: StoreLimits = { initial: 1, maximum: -1 };
    const tableLimits: StoreLimits = { initial: 0, maximum: -1 };
    for (let attempt = 1; ; attempt++) {
      const built = plan({
        memory: () => new WebAssembly.Memory(descriptor(memoryLimits)),
        table: () => new WebAssembly.Table({ ...descriptor(tableLimits), element: "anyfunc" }),
      });
      try {
        return new V8Instance(new WebAssembly.Instance(module, built.imports), built.memory);
      } catch (error) {
        if (!(error instanceof WebAssembly.LinkError) || attempt === LINK_ATTEMPTS_MAX) throw error;
        const limits = /table/.test(error.message) ? tableLimits : memoryLimits;
        if (!adapt(limits, error.message)) throw error;
      }
    }
  }
}

export const v8Engine = new V8Engine() satisfies VmEngine;
