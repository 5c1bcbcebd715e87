/**
 * Compiled modules: each code with each set of built-in limits is prepared once, in the CPU pool;
 * what the running configuration has is used again. Thread: main.
 */
import { CALLBACK_NAMES } from "../abi/callback-table.ts";
import type { RewriteOptions } from "../abi/rewriting.ts";
import { LIMITS } from "../base/limits.ts";
import { isMetered } from "../config/compile-wasm.ts";
import type { GranaryConfig, PluginConfig } from "../config/types.ts";
import { serverPlugins, wasmPlugins } from "../vm/plugin-identity.ts";
import type { CpuPool } from "./cpu-pool.ts";
import type { CompiledModule, PreparedModule, PrepareTask } from "./cpu-tasks.ts";

const PAGE_BYTES = 65_536;

interface LoadOptions {
  readonly pool: CpuPool;
  /** Modules that are there already. */
  readonly known: readonly CompiledModule[];
  /** Threads among which a plugin's total of memory is shared out. */
  readonly silos: number;
}

interface LoadedModules {
  readonly modules: readonly CompiledModule[];
  /** One line each; empty = all modules are there. */
  readonly problems: string[];
}

/** The modules of `config`, which must have their bytes. Never rejects. */
export async function loadModules(
  config: GranaryConfig,
  { pool, known, silos }: LoadOptions,
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
    const options = rewriteOptions(plugin, silos);
    const coroutines = plugin.vm.coroutines && !hasStackSwitching() ? "asyncify" : "none";
    const result = await prepare(pool, { bytes: source.bytes, options, coroutines });
    if (result.kind === "module") modules.push({ key: codeKey, module: result.module });
    else problems.push(`${source.origin}: ${result.reason}`);
  }
  return { modules, problems };
}

/** Whether the engine can suspend guests by itself. */
function hasStackSwitching(): boolean {
  return "Suspending" in WebAssembly;
}

async function prepare(pool: CpuPool, task: PrepareTask): Promise<PreparedModule> {
  try {
    return await pool.run("prepare", task);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: "refused", reason: `the module could not be prepared: ${reason}` };
  }
}

/** The pages of one VM: its own limit, or its share of the plugin's total if that is less. */
function rewriteOptions({ isolation, vm }: PluginConfig, silos: number): RewriteOptions {
  const { memoryBytesMax, memoryTotalBytesMax, hasStandby, vmPoolMax } = isolation;
  const vms = silos * ((vm.coroutines ? vmPoolMax : 1) + (hasStandby ? 1 : 0));
  const share = memoryTotalBytesMax === 0 ? memoryBytesMax : memoryTotalBytesMax / vms;
  return {
    pagesMax: Math.floor(Math.min(memoryBytesMax, share) / PAGE_BYTES),
    tableElementsMax: LIMITS.tableElements,
    budget: isMetered(isolation) ? "metered" : "unmetered",
  };
}

function unknownCallbacks({ name, isolation }: PluginConfig): readonly string[] {
  return Object.keys(isolation.callbackBudgetsMs)
    .filter((callback) => !(CALLBACK_NAMES as readonly string[]).includes(callback))
    .map((callback) => `plugin "${name}": callback_cpu_budgets: "${callback}" is no callback`);
}
