/**
 * The worker side of the CPU pool: guest code of a configuration that is not accepted yet runs
 * here, where an endless loop harms nobody. Thread: pool worker.
 */
import { canaryPlugins } from "../vm/canary.ts";
import type { CpuTasks } from "./cpu-tasks.ts";
import { prepareModule } from "./prepare-module.ts";

export const canary: CpuTasks["canary"] = ({ config, modules }) =>
  canaryPlugins(config, new Map(modules.map(({ key, module }) => [key, module])));

export const prepare: CpuTasks["prepare"] = prepareModule;
