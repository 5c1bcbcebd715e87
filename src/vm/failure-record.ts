/** How the VMs of a plugin failed of late: those of one slot, or of all slots of its pool. */
import type { PluginConfig } from "../config/types.ts";
import { CrashWindow } from "./crash-window.ts";
import { Probation } from "./probation.ts";

function crashWindowOf({ isolation }: PluginConfig): CrashWindow {
  return new CrashWindow(isolation.crashesMax, isolation.crashWindowMs);
}

export class FailureRecord {
  readonly probation: Probation;
  #crashes: CrashWindow;

  constructor(plugin: PluginConfig) {
    this.probation = new Probation(plugin.isolation.crashWindowMs);
    this.#crashes = crashWindowOf(plugin);
  }

  /** A plugin does not pay for crashes of another. */
  forgetCrashes(plugin: PluginConfig): void {
    this.#crashes = crashWindowOf(plugin);
  }

  /** True when it is the one crash too many within the window. */
  crashed(nowMs: number): boolean {
    return this.#crashes.record(nowMs);
  }

  /** Until a VM may be made again that failed too often, or held the thread too long; 0 = now. */
  restMs(nowMs: number): number {
    return Math.max(this.#crashes.waitMs(nowMs), this.probation.waitMs(nowMs), 0);
  }
}
