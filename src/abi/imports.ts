/**
 * Builds the import object of a module from the list of what it asks for. Host functions are served
 * whatever the module's ABI version is (ABI 1.2); unknown ones are reported by name, all at once.
 * Memories and tables that a module imports instead of defining are made for it. Source: ABI 1.3,
 * 7.1.
 */

import { BUDGET_IMPORT } from "./budget-code.ts";

/** Any function that can be linked; its parameters are what the guest declares. */
export type HostFunction = (...wire: never[]) => unknown;
export type HostFunctions = Readonly<Record<string, HostFunction>>;

/** One entry of `WebAssembly.Module.imports`. */
export interface ModuleImport {
  readonly module: string;
  readonly name: string;
  readonly kind: string;
}

export interface ImportSources {
  /** `env.proxy_*` and the vendors' own. */
  readonly hostcalls: HostFunctions;
  /** Functions of both WASI module names. */
  readonly wasi: HostFunctions;
  /** What emscripten and AssemblyScript import from `env` beside hostcalls. */
  readonly emscripten: HostFunctions;
  /** What metered code imports to have its CPU budget looked at. */
  readonly budget: HostFunctions;
}

/** Makes the memory and the table of a module that imports them. */
export interface ImportedStores {
  memory(): WebAssembly.Memory;
  table(): WebAssembly.Table;
}

export interface ImportPlan {
  readonly imports: WebAssembly.Imports;
  /** One line per import that nobody serves, in module order. */
  readonly problems: readonly string[];
  /** The memory made for the module, or null when it defines its own. */
  readonly memory: WebAssembly.Memory | null;
}

/** Both names under which toolchains import WASI. */
export const WASI_MODULES = ["wasi_snapshot_preview1", "wasi_unstable"] as const;

/** Serves every import of `wanted`, or says which cannot be served. Thread: any. Never throws. */
export function buildImports(
  wanted: readonly ModuleImport[],
  sources: ImportSources,
  stores: ImportedStores,
): ImportPlan {
  // No prototype: a module name such as "__proto__" is a key like any other.
  const imports: Record<string, Record<string, unknown>> = Object.create(null);
  const problems: string[] = [];
  let memory: WebAssembly.Memory | null = null;
  for (const entry of wanted) {
    let served: unknown = null;
    if (entry.kind === "function") {
      served = findFunction(entry, sources);
    } else if (entry.kind === "memory") {
      memory ??= stores.memory();
      served = memory;
    } else if (entry.kind === "table") {
      served = stores.table();
    }
    if (served === null) {
      problems.push(`import ${entry.module}.${entry.name} (${entry.kind}) is not served`);
      continue;
    }
    const target = imports[entry.module] ?? Object.create(null);
    target[entry.name] = served;
    imports[entry.module] = target;
  }
  return { imports, problems, memory };
}

function own(functions: HostFunctions, name: string): HostFunction | null {
  return Object.hasOwn(functions, name) ? (functions[name] ?? null) : null;
}

function findFunction(entry: ModuleImport, sources: ImportSources): HostFunction | null {
  if (entry.module === "env") {
    return own(sources.hostcalls, entry.name) ?? own(sources.emscripten, entry.name);
  }
  if (entry.module === BUDGET_IMPORT.module) return own(sources.budget, entry.name);
  return (WASI_MODULES as readonly string[]).includes(entry.module)
    ? own(sources.wasi, entry.name)
    : null;
}
