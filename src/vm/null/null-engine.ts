/**
 * The engine that runs filters written in TypeScript or JavaScript: their script is a guest like a
 * Wasm module, with the same callbacks and hostcalls, but it runs in the silo's own JavaScript
 * heap. It is trusted: no memory limit, no CPU budget, all of Node (ADR 60).
 */
import { CALLBACK_NAMES } from "../../abi/callback-table.ts";
import { HOSTCALL_NAMES } from "../../abi/hostcall-table.ts";
import type { ImportedStores, ImportPlan, ModuleImport } from "../../abi/imports.ts";
import { markerOf } from "../../abi/versions.ts";
import { assert } from "../../base/assert.ts";
import type {
  EngineInstance,
  GuestFunction,
  GuestGate,
  ModuleExport,
  VmEngine,
} from "../engine.ts";
import type { PluginCode } from "../types.ts";
import { Host, type Hostcalls } from "./host.ts";
import { watchRejections } from "./rejections.ts";
import { Script } from "./script.ts";
import { ScriptGuest } from "./script-guest.ts";

const ALLOCATOR = "proxy_on_memory_allocate";

/** All that a filter may have; what one has is known when its script has run. */
const EXPORTS: readonly ModuleExport[] = [markerOf("0.2.1"), ALLOCATOR, ...CALLBACK_NAMES].map(
  (name) => ({ name, kind: "function" }),
);

const IMPORTS: readonly ModuleImport[] = HOSTCALL_NAMES.map((name) => ({
  module: "env",
  name,
  kind: "function",
}));

class ScriptInstance implements EngineInstance {
  readonly memory: WebAssembly.Memory;
  readonly #functions: Readonly<Record<string, GuestFunction | undefined>>;

  constructor(host: Host, functions: Readonly<Record<string, GuestFunction | undefined>>) {
    this.memory = host.memory;
    this.#functions = functions;
  }

  getFunction(name: string): GuestFunction | null {
    return this.#functions[name] ?? null;
  }
}

class NullEngine implements VmEngine {
  readonly name = "null";

  exportsOf(): readonly ModuleExport[] {
    return EXPORTS;
  }

  importsOf(): readonly ModuleImport[] {
    return IMPORTS;
  }

  link(
    code: PluginCode,
    plan: (stores: ImportedStores) => ImportPlan,
    gate: GuestGate,
  ): EngineInstance {
    assert("text" in code, "the null engine runs scripts alone");
    const { imports } = plan({
      memory: () => new WebAssembly.Memory({ initial: 0 }),
      table: () => new WebAssembly.Table({ initial: 0, element: "anyfunc" }),
    });
    const host = new Host(imports["env"] as unknown as Hostcalls, gate);
    const script = new Script(code);
    watchRejections(code.filename);
    let filter: ReturnType<Script["load"]>;
    try {
      filter = script.load();
    } catch (error) {
      throw script.trap(error);
    }
    const guest = new ScriptGuest(host, script, filter);
    return new ScriptInstance(host, {
      ...guest.callbacks(),
      [ALLOCATOR]: (size = 0) => host.tryAllocate(size),
    });
  }
}

export const nullEngine: VmEngine = new NullEngine();
