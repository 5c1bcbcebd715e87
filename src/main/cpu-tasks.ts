/**
 * What runs on the pool of `cpu-pool.ts`: the names and shapes of its tasks.
 */
import type { RewriteOptions } from "../abi/rewriting.ts";
import type { GranaryConfig } from "../config/types.ts";
import type { PluginCode } from "../vm/types.ts";

export interface CompiledModule {
  /** `VmConfig.codeKey` of the VMs that run it. */
  readonly key: string;
  readonly module: PluginCode;
}

export interface CanaryTask {
  /** Without module bytes. */
  readonly config: GranaryConfig;
  readonly modules: readonly CompiledModule[];
}

export interface PrepareTask {
  /** The module as it was given. */
  readonly bytes: Uint8Array;
  readonly options: RewriteOptions;
  /** "asyncify": its guest waits within hostcalls, and the engine does not help. */
  readonly coroutines: "none" | "asyncify";
}

export type PreparedModule =
  | { readonly kind: "module"; readonly module: WebAssembly.Module }
  /** `reason`: one sentence, without the name of the module. */
  | { readonly kind: "refused"; readonly reason: string };

export interface CpuTasks {
  /** Compiles a module with its limits built in. */
  prepare(task: PrepareTask): Promise<PreparedModule>;
  /** One line per plugin that does not start; empty when all do. */
  canary(task: CanaryTask): readonly string[];
}
