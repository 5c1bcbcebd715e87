/** What modules are prepared with, and which are prepared at all. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GranaryConfig, IsolationConfig, PluginConfig } from "../../../src/config/types.ts";
import type { CpuPool } from "../../../src/main/cpu-pool.ts";
import type { PrepareTask } from "../../../src/main/cpu-tasks.ts";
import { clearTotals, loadModules } from "../../../src/main/module-store.ts";
import { Quota } from "../../../src/shm/quota.ts";
import { hasTotal } from "../../../src/vm/memory-account.ts";
import { CODE_SHA, pluginConfig } from "../../harness/plugin-fixture.ts";

const MIB = 1_048_576;

/** A pool that notes its tasks and gives an empty module. */
function fakePool(tasks: PrepareTask[]): CpuPool {
  const module = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const run = async (_: string, task: PrepareTask) => {
    tasks.push(task);
    return { kind: "module", module };
  };
  return { run } as unknown as CpuPool;
}

/** Loads one plugin, as a service of the server: no listener has it. */
async function load(
  isolation: Partial<IsolationConfig>,
  known: readonly string[] = [],
  coroutines = false,
) {
  const base = pluginConfig();
  const vm = { ...base.vm, coroutines };
  const plugin: PluginConfig = { ...base, vm, isolation: { ...base.isolation, ...isolation } };
  const config = {
    listeners: [],
    services: [{ singleton: true, plugin }],
    statSinks: [],
    modules: [{ sha256: CODE_SHA, scriptName: null, origin: "a.wasm", bytes: new Uint8Array(8) }],
  } as unknown as GranaryConfig;
  const tasks: PrepareTask[] = [];
  const module = {} as WebAssembly.Module;
  const loaded = await loadModules(config, {
    pool: fakePool(tasks),
    known: known.map((key) => ({ key, module })),
  });
  return { tasks, loaded };
}

describe("modules", () => {
  for (const [name, isolation, pages] of [
    ["its own limit", { memoryBytesMax: 32 * MIB }, 512],
    [
      "the plugin's total, where that is less",
      { memoryBytesMax: 128 * MIB, memoryTotalBytesMax: 64 * MIB },
      1_024,
    ],
  ] as const) {
    it(`have a VM's memory bounded by ${name}`, async () => {
      const { tasks, loaded } = await load(isolation);
      assert.deepEqual(loaded.problems, []);
      assert.deepEqual(
        tasks.map(({ options }) => [options.pagesMax, options.budget]),
        [[pages, "metered"]],
      );
    });
  }

  it("are made to suspend where the engine does not do it", async () => {
    const { tasks } = await load({}, [], true);
    const wanted = "Suspending" in WebAssembly ? "none" : "asyncify";
    assert.equal(tasks[0]?.coroutines, wanted);
    assert.equal((await load({})).tasks[0]?.coroutines, "none");
  });

  it("of a plugin with a total bring it along, and ask before memory grows", async () => {
    const { tasks, loaded } = await load({
      memoryTotalBytesMax: 64 * MIB,
      cpuBudgetMs: 0,
      startBudgetMs: 0,
    });
    const { budget, growth } = tasks[0]?.options ?? assert.fail("it is prepared");
    assert.deepEqual([budget, growth], ["metered", "asked"]);
    const { module } = loaded.modules[0] ?? assert.fail("it is there");
    const quota = new Quota(hasTotal(module) ? module.quota : assert.fail("it has a total"));
    assert.equal(quota.limit, 1_024);
    quota.claim(1, 5);
    quota.claim(2, 6);
    clearTotals(loaded.modules, 1);
    assert.equal(quota.used, 6);
  });

  it("are not metered when no callback has a budget", async () => {
    const { tasks } = await load({ cpuBudgetMs: 0, startBudgetMs: 0 });
    assert.equal(tasks[0]?.options.budget, "unmetered");
  });

  it("are those of listeners, services and stats sinks, each code once", async () => {
    const named = (name: string): PluginConfig => {
      const base = pluginConfig({ name });
      return { ...base, vm: { ...base.vm, codeSha256: name, codeKey: name } };
    };
    const accessLogPlugins = [named("log"), named("filter")];
    const httpFilters = [
      { kind: "wasm", name: "f", plugin: named("filter"), disabled: false, versions: null },
    ];
    const http = { httpFilters, accessLogPlugins, routes: { virtualHosts: [] } };
    const names = ["filter", "log", "service", "sink"];
    const config = {
      listeners: [{ filterChains: [{ kind: "http", http }] }],
      services: [{ singleton: false, plugin: named("service") }],
      statSinks: [named("sink")],
      modules: names.map((sha256) => ({
        sha256,
        scriptName: null,
        origin: sha256,
        bytes: new Uint8Array(8),
      })),
    } as unknown as GranaryConfig;
    const { modules } = await loadModules(config, { pool: fakePool([]), known: [] });
    assert.deepEqual(
      modules.map(({ key }) => key),
      names,
    );
  });

  it("that are there already are used again", async () => {
    const { tasks, loaded } = await load({}, [CODE_SHA]);
    assert.deepEqual([tasks.length, loaded.modules.length], [0, 1]);
  });

  it("of a plugin with a budget for what is no callback are refused", async () => {
    const { loaded } = await load({ callbackBudgetsMs: { proxy_on_tock: 1 } });
    assert.deepEqual(loaded.problems, [
      'plugin "plugin": callback_cpu_budgets: "proxy_on_tock" is no callback',
    ]);
  });
});
