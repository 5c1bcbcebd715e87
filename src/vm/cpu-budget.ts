/**
 * Bounds the time of each callback: metered code comes here every 100 us or so. The time counts
 * from the first look within a callback, so callbacks that are over sooner read no clock at all.
 * Code whose plugin has a total of memory comes here before its memory grows, too.
 */
import { BUDGET_IMPORT, FUEL } from "../abi/budget-code.ts";
import type { HostFunctions } from "../abi/imports.ts";
import type { LinearMemory } from "../abi/linear-memory.ts";
import type { IsolationConfig } from "../config/types.ts";
import type { CurrentCall } from "./current-call.ts";
import { type MemoryAccount, PAGE_BYTES } from "./memory-account.ts";
import type { Probation } from "./probation.ts";
import type { TimerHost } from "./roles.ts";

/** Callbacks of a plugin's start, which may compute more than others. */
const START_CALLBACKS: readonly string[] = [
  "start-up",
  "_initialize",
  "_start",
  "main",
  "__main_void",
  "proxy_on_vm_start",
  "proxy_on_configure",
];
/** What tells metered code to trap, or that its memory cannot grow. */
const REFUSED = -1;

/** Milliseconds that `callback` may take; 0 = unlimited. */
export function budgetMsOf(isolation: IsolationConfig, callback: string): number {
  const own = isolation.callbackBudgetsMs[callback];
  if (own !== undefined) return own;
  return START_CALLBACKS.includes(callback) ? isolation.startBudgetMs : isolation.cpuBudgetMs;
}

export interface BudgetOptions {
  readonly call: CurrentCall;
  readonly timers: TimerHost;
  /** Of the plugin that starts the VM: holds while no plugin's context is current. */
  readonly isolation: IsolationConfig;
  readonly probation: Probation;
  /** Asked before the VM's memory grows. */
  readonly account: MemoryAccount;
  readonly memory: LinearMemory;
}

/** The functions that metered code imports. */
export function createBudget(options: BudgetOptions): HostFunctions {
  const { call, timers, isolation, probation, account, memory } = options;
  const look = (pages: number): number => {
    if (pages !== 0) return account.claim(pages >>> 0) ? FUEL : REFUSED;
    // 0: the memory is unknown, because the guest does not export it.
    if (memory.size() > 0) account.settle(memory.size() / PAGE_BYTES);
    const nowMs = Number(timers.monotonicNs()) / 1e6;
    if (call.firstLookMs < 0) call.firstLookMs = nowMs;
    const limits = call.context?.root.config.isolation ?? isolation;
    const { callback } = call;
    let budgetMs = budgetMsOf(limits, callback);
    if (!START_CALLBACKS.includes(callback)) budgetMs = probation.budgetMs(budgetMs, nowMs);
    if (budgetMs === 0 || nowMs - call.firstLookMs <= budgetMs) return FUEL;
    call.overBudgetMs = budgetMs;
    return REFUSED;
  };
  return { [BUDGET_IMPORT.name]: look };
}
