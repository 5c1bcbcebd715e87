/**
 * Bounds the time of each callback: metered code comes here every 100 us or so. The time counts
 * from the first look within a callback, so callbacks that are over sooner read no clock at all.
 */
import { BUDGET_IMPORT, FUEL } from "../abi/budget-code.ts";
import type { HostFunctions } from "../abi/imports.ts";
import type { IsolationConfig } from "../config/types.ts";
import type { CurrentCall } from "./current-call.ts";
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
/** What tells metered code to trap. */
const NO_FUEL = -1;

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
}

/** The functions that metered code imports. */
export function createBudget(options: BudgetOptions): HostFunctions {
  const { call, timers, isolation, probation } = options;
  const look = (): number => {
    const nowMs = Number(timers.monotonicNs()) / 1e6;
    if (call.firstLookMs < 0) call.firstLookMs = nowMs;
    const limits = call.context?.root.config.isolation ?? isolation;
    const { callback } = call;
    let budgetMs = budgetMsOf(limits, callback);
    if (!START_CALLBACKS.includes(callback)) budgetMs = probation.budgetMs(budgetMs, nowMs);
    if (budgetMs === 0 || nowMs - call.firstLookMs <= budgetMs) return FUEL;
    call.overBudgetMs = budgetMs;
    return NO_FUEL;
  };
  return { [BUDGET_IMPORT.name]: look };
}
