/** Linking a module and running its entry point. Source: ABI 1.3, 1.4. */
import { randomFillSync } from "node:crypto";
import { createEmscripten } from "../abi/emscripten.ts";
import { GUEST_LOG_LEVEL } from "../abi/enums.ts";
import {
  buildImports,
  type HostFunctions,
  type ImportedStores,
  type ImportPlan,
  type ImportSources,
} from "../abi/imports.ts";
import type { LinearMemory } from "../abi/linear-memory.ts";
import { createWasi, type WasiEnv } from "../abi/wasi.ts";
import type { Coroutines } from "./coroutines/coroutines.ts";
import type { ForeignHostcall } from "./coroutines/suspension.ts";
import { type BudgetOptions, createBudget } from "./cpu-budget.ts";
import type { CurrentCall } from "./current-call.ts";
import type { EngineInstance, GuestGate, VmEngine } from "./engine.ts";
import { createHostcalls, restrictWasi } from "./hostcalls/bodies.ts";
import type { HostcallEnv } from "./hostcalls/env.ts";
import { GuestTrap, ProcExit } from "./trap.ts";
import type { PluginCode } from "./types.ts";

function wasiEnv(env: HostcallEnv): WasiEnv {
  return {
    memory: env.memory,
    environment: env.config.environment,
    writeLine: (fd, text) => {
      const level = fd === 1 ? GUEST_LOG_LEVEL.info : GUEST_LOG_LEVEL.error;
      if (env.log.enabled(level)) env.log.line(level, text);
    },
    wallNs: () => env.roles.timers.wallNs(),
    monotonicNs: () => env.roles.timers.monotonicNs(),
    randomFill: (bytes) => {
      randomFillSync(bytes);
    },
    exit: (code) => {
      throw new ProcExit(code);
    },
  };
}

/** The hostcall of foreign functions is the one in which a guest may stop. */
function withSuspension(hostcalls: HostFunctions, { suspender }: Coroutines): HostFunctions {
  const body = hostcalls["proxy_call_foreign_function"] as ForeignHostcall;
  return { ...hostcalls, proxy_call_foreign_function: suspender.hostcall(body) };
}

/** Every function a guest of this VM can import. */
export function importSources(
  env: HostcallEnv,
  allowed: ReadonlySet<string> | null,
  limits: Pick<BudgetOptions, "isolation" | "probation" | "account">,
): ImportSources {
  const hostcalls = createHostcalls(env, allowed);
  return {
    budget: createBudget({
      call: env.call,
      timers: env.roles.timers,
      memory: env.memory,
      ...limits,
    }),
    hostcalls: env.coroutines === null ? hostcalls : withSuspension(hostcalls, env.coroutines),
    wasi: restrictWasi(createWasi(wasiEnv(env)), allowed, env.log),
    emscripten: createEmscripten({
      memory: env.memory,
      trap: (reason) => {
        throw new GuestTrap(reason);
      },
    }),
  };
}

/** One line for each import of `code` that `sources` cannot serve. */
export function unservedImports(
  engine: VmEngine,
  code: PluginCode,
  sources: ImportSources,
): readonly string[] {
  const plan = buildImports(engine.importsOf(code), sources, {
    memory: () => new WebAssembly.Memory({ initial: 0 }),
    table: () => new WebAssembly.Table({ initial: 0, element: "anyfunc" }),
  });
  return plan.problems;
}

/**
 * Instantiates `code`. A memory it imports is known to hostcalls while its `(start)` section runs.
 */
export function linkModule(
  engine: VmEngine,
  code: PluginCode,
  into: {
    readonly sources: ImportSources;
    readonly memory: LinearMemory;
    readonly gate: GuestGate;
  },
): EngineInstance {
  const wanted = engine.importsOf(code);
  const plan = (stores: ImportedStores): ImportPlan => {
    const built = buildImports(wanted, into.sources, stores);
    if (built.memory !== null) into.memory.attach(built.memory);
    return built;
  };
  return engine.link(code, plan, into.gate);
}

/**
 * Runs what the toolchain starts with: `_initialize` and then `main` of a reactor, or `_start` of a
 * command; never both. `proc_exit(0)` in `main` or `_start` is a normal end. Throws on a trap.
 */
export function runEntryPoint(instance: EngineInstance, call: CurrentCall): void {
  const initialize = instance.getFunction("_initialize");
  if (initialize === null) {
    runMain(instance, call, "_start");
    return;
  }
  call.callback = "_initialize";
  initialize();
  runMain(instance, call, instance.getFunction("main") === null ? "__main_void" : "main");
}

function runMain(instance: EngineInstance, call: CurrentCall, name: string): void {
  const main = instance.getFunction(name);
  if (main === null) return;
  call.callback = name;
  try {
    if (name === "main") main(0, 0);
    else main();
  } catch (error) {
    if (!(error instanceof ProcExit) || error.code !== 0) throw error;
  }
}
