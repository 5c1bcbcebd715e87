/**
 * What runs on the pool of `cpu-pool.ts`: the names and shapes of its tasks.
 */
import type { GranaryConfig } from "../config/types.ts";

export interface CompiledModule {
  readonly sha256: string;
  readonly module: WebAssembly.Module;
}

export interface CanaryTask {
  /** Without module bytes. */
  readonly config: GranaryConfig;
  readonly modules: readonly CompiledModule[];
}

export interface CpuTasks {
  /** One line per plugin that does not start; empty when all do. */
  canary(task: CanaryTask): readonly string[];
}
