/** Limits of plugins, in the metadata of the node and of listeners. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ISOLATION_DEFAULTS } from "../../../src/config/compile-isolation.ts";
import type { IsolationConfig } from "../../../src/config/types.ts";
import { wasmFilter } from "./bootstrap-text.ts";
import { wasm } from "./good-config.ts";
import { runRows } from "./problem-rows.ts";

const MIB = 1_048_576;

const onNode = (fields: string): string => `node: {metadata: {granary.wasm: ${fields}}}`;
const onListener = (fields: string): string =>
  `metadata: {filter_metadata: {granary.wasm: ${fields}}}`;

function isolation(node: string, listener = ""): IsolationConfig {
  return wasm({
    filters: wasmFilter(),
    ...(node === "" ? {} : { top: onNode(node) }),
    ...(listener === "" ? {} : { listener: onListener(listener) }),
  }).plugin.isolation;
}

describe("limits of plugins", () => {
  test("have defaults: 128 MiB for a VM, a second for a callback", () => {
    const made = isolation("");
    assert.deepEqual(made, ISOLATION_DEFAULTS);
    assert.equal(made.memoryBytesMax, 128 * MIB);
    assert.equal(made.cpuBudgetMs, 1_000);
  });

  test("are all read", () => {
    const fields =
      "{memory_max_mib: 64, memory_total_mib: 512, cpu_budget: 0.25s, start_cpu_budget: 5s, " +
      "callback_cpu_budgets: {proxy_on_tick: 3s}, crashes_max: 4, crash_window: 30s, warm_standby: false, " +
      "vm_pool_min: 2, vm_pool_max: 4, vm_pool_idle_time: 5s, " +
      "waiting_calls_max: 7, suspension_time_max: 8s, handler_wait_max: 2s}";
    const expected: IsolationConfig = {
      memoryBytesMax: 64 * MIB,
      memoryTotalBytesMax: 512 * MIB,
      cpuBudgetMs: 250,
      startBudgetMs: 5_000,
      callbackBudgetsMs: { proxy_on_tick: 3_000 },
      crashesMax: 4,
      waitingCallsMax: 7,
      suspensionMsMax: 8_000,
      crashWindowMs: 30_000,
      vmPoolMin: 2,
      vmPoolMax: 4,
      vmPoolIdleMs: 5_000,
      publicKeys: null,
      handlerWaitMsMax: 2_000,
      hasStandby: false,
    };
    assert.deepEqual(isolation(fields), expected);
    assert.deepEqual(isolation("", fields), expected);
    assert.deepEqual(isolation(`{plugins: {p: ${fields}}}`), expected);
  });

  test("of a listener go before those of the node, those of a plugin before those of all", () => {
    const node =
      "{cpu_budget: 1s, memory_max_mib: 1, crashes_max: 1, plugins: {p: {cpu_budget: 2s, memory_max_mib: 2, crashes_max: 2}}}";
    const listener =
      "{cpu_budget: 3s, memory_max_mib: 3, plugins: {p: {cpu_budget: 4s}, q: {cpu_budget: 9s}}}";
    const { cpuBudgetMs, memoryBytesMax, crashesMax } = isolation(node, listener);
    assert.deepEqual([cpuBudgetMs, memoryBytesMax / MIB, crashesMax], [4_000, 3, 2]);
  });

  test("that are built into the code make it other code", () => {
    const key = (fields: string): string =>
      wasm({ filters: wasmFilter(), listener: onListener(fields) }).plugin.vm.codeKey;
    assert.equal(key("{cpu_budget: 2s}"), key("{cpu_budget: 3s}"));
    assert.notEqual(key("{memory_max_mib: 2}"), key("{memory_max_mib: 3}"));
    assert.notEqual(key("{cpu_budget: 0s, start_cpu_budget: 0s}"), key("{cpu_budget: 3s}"));
    assert.notEqual(key("{memory_total_mib: 2}"), key("{memory_total_mib: 3}"));
  });

  const KEY = '["granary.wasm"]';
  runRows(
    (
      [
        ["memory: 1", ".memory", 'unknown limit "memory"'],
        ["memory_max_mib: 0", ".memory_max_mib", "a whole number from 1 to 4096 is expected"],
        ["memory_max_mib: 1.5", ".memory_max_mib", "a whole number from 1 to 4096 is expected"],
        ["cpu_budget: 10", ".cpu_budget", "a duration up to a day is expected"],
        ["cpu_budget: -1s", ".cpu_budget", "a duration up to a day is expected"],
        ["crashes_max: none", ".crashes_max", "a whole number from 1"],
        ["vm_pool_max: 0", ".vm_pool_max", "a whole number from 1 to 1024 is expected"],
        ["vm_pool_idle_time: 1", ".vm_pool_idle_time", "a duration up to a day is expected"],
        ["warm_standby: 1", ".warm_standby", "true or false is expected"],
        ["plugins: []", ".plugins", "an object is expected"],
        [
          "callback_cpu_budgets: {proxy_on_tick: 1}",
          ".callback_cpu_budgets.proxy_on_tick",
          "a duration",
        ],
      ] as const
    ).flatMap(([field, path, words]) => [
      [
        `${field} on the node`,
        { top: `node:\n  metadata: {granary.wasm: {${field}}} # <<` },
        `node.metadata${KEY}${path}`,
        words,
      ] as const,
      [
        `${field} on a listener`,
        { listener: `metadata: {filter_metadata: {granary.wasm: {${field}}}} # <<` },
        `.metadata.filter_metadata${KEY}${path}`,
        words,
      ] as const,
    ]),
  );
});
