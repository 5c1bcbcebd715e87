/**
 * Compiled modules: each code with each set of built-in limits is prepared once, in the CPU pool;
 * what the running configuration has is used again. Thread: main.
 */
import { CALLBACK_NAMES } from "../abi/callback-table.ts";
import type { RewriteOptions } from "../abi/rewriting.ts";
import { LIMITS } from "../base/limits.ts";
import { isMetered } from "../config/compile-wasm.ts";
import type { GranaryConfig, IsolationConfig, PluginConfig } from "../config/types.ts";
import { Quota } from "../shm/quota.ts";
import { stackSwitching } from "../vm/coroutines/jspi.ts";
import { hasTotal, PAGE_BYTES } from "../vm/memory-account.ts";
import { serverPlugins, wasmPlugins } from "../vm/plugin-identity.ts";
import type { PluginCode } from "../vm/types.ts";
import type { CpuPool } from "./cpu-pool.ts";
import type { CompiledModule, PreparedModule, PrepareTask } from "./cpu-tasks.ts";

interface LoadOptions {
  readonly pool: CpuPool;
  /** Modules that are there already. */
  readonly known: readonly CompiledModule[];
}

interface LoadedModules {
  readonly modules: readonly CompiledModule[];
  /** One line each; empty = all modules are there. */
  readonly problems: string[];
}

/** The modules of `config`, which must have their bytes. Never rejects. */
export async function loadModules(
  config: GranaryConfig,
  { pool, known }: LoadOptions,
): Promise<LoadedModules> {
  const seen = new Set<string>();
  const modules: CompiledModule[] = [];
  const problems: string[] = [];
  const plugins = [...wasmPlugins(config.listeners), ...serverPlugins(config, "here")];
  for (const plugin of plugins) {
    problems.push(...unknownCallbacks(plugin));
    const { codeKey, codeSha256 } = plugin.vm;
    if (seen.has(codeKey)) continue;
    seen.add(codeKey);
    const before = known.find((module) => module.key === codeKey);
    const source = config.modules.find((module) => module.sha256 === codeSha256);
    if (before !== undefined) modules.push(before);
    if (before !== undefined || source === undefined) continue;
    if (source.scriptName !== null) {
      const text = Buffer.from(source.bytes).toString("utf8");
      modules.push({ key: codeKey, module: { text, filename: source.scriptName } });
      continue;
    }
    const options = rewriteOptions(plugin.isolation);
    const coroutines = plugin.vm.coroutines && stackSwitching === null ? "asyncify" : "none";
    const result = await prepare(pool, { bytes: source.bytes, options, coroutines });
    if (result.kind === "module") {
      modules.push({ key: codeKey, module: withTotal(result.module, plugin.isolation) });
    } else problems.push(`${source.origin}: ${result.reason}`);
  }
  return { modules, problems };
}

async function prepare(pool: CpuPool, task: PrepareTask): Promise<PreparedModule> {
  try {
    return await pool.run("prepare", task);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: "refused", reason: `the module could not be prepared: ${reason}` };
  }
}

/** Code of a plugin with a total for its memory brings along where all of its VMs count theirs. */
function withTotal(
  module: WebAssembly.Module,
  { memoryTotalBytesMax }: IsolationConfig,
): PluginCode {
  if (memoryTotalBytesMax === 0) return module;
  return { module, quota: Quota.create(memoryTotalBytesMax / PAGE_BYTES).region };
}

/** The thread of silo `index` is gone, and the memory of its VMs with it. */
export function clearTotals(modules: readonly CompiledModule[], index: number): void {
  for (const { module } of modules) {
    if (hasTotal(module)) new Quota(module.quota).clear(index);
  }
}

function rewriteOptions(isolation: IsolationConfig): RewriteOptions {
  const { memoryBytesMax, memoryTotalBytesMax } = isolation;
  const isCounted = memoryTotalBytesMax > 0;
  const bytesMax = isCounted ? Math.min(memoryBytesMax, memoryTotalBytesMax) : memoryBytesMax;
  return {
    pagesMax: Math.floor(bytesMax / PAGE_BYTES),
    tableElementsMax: LIMITS.tableElements,
    budget: isMetered(isolation) ? "metered" : "unmetered",
    growth: isCounted ? "asked" : "free",
  };
}

function unknownCallbacks({ name, isolation }: PluginConfig): readonly string[] {
  return Object.keys(isolation.callbackBudgetsMs)
    .filter((callback) => !(CALLBACK_NAMES as readonly string[]).includes(callback))
    .map((callback) => `plugin "${name}": callback_cpu_budgets: "${callback}" is no callback`);
}
