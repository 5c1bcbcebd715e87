/** What the VMs of one thread are doing, for people: plain data that crosses threads. */
import type { FailurePolicy, PluginMode } from "../config/types.ts";
import type { CallbackCost, HostcallCost } from "./call-cost.ts";
import type { FailureKind } from "./trap.ts";

export type VmReportState = "running" | "failed" | "cut off" | "not started";

export interface FailureReport {
  readonly wallMs: number;
  readonly kind: FailureKind;
  /** Plugin whose callback it was. */
  readonly plugin: string;
  readonly callback: string;
  readonly reason: string;
  readonly backtrace: readonly string[];
}

export interface PluginReport {
  readonly name: string;
  readonly rootId: string;
  readonly failurePolicy: FailurePolicy;
  /** Streams are passed through it. */
  readonly isServing: boolean;
  /** Streams that it has now. */
  readonly streams: number;
  readonly calls: number;
  /** Milliseconds in callbacks, extrapolated from samples. */
  readonly timeMs: number;
  /** The same by callback. */
  readonly callbacks: readonly CallbackCost[];
  readonly hostcalls: readonly HostcallCost[];
}

/** Where a VM stands in the pool of a plugin with coroutines. */
export interface PoolSeat {
  /** 0 = the one that is always there. */
  readonly index: number;
  readonly vmsMax: number;
  /** A call of its guest waits. */
  readonly isSuspended: boolean;
  /** Callbacks that wait for that call. */
  readonly waiting: number;
}

export interface VmReport {
  readonly vmId: string;
  readonly mode: PluginMode;
  readonly codeSha256: string;
  readonly state: VmReportState;
  readonly memoryBytes: number;
  readonly memoryBytesMax: number;
  /** What all VMs of the plugin have in all silos, where that has a limit; else 0. */
  readonly memoryTotalBytes: number;
  /** 0 = none. */
  readonly memoryTotalBytesMax: number;
  /** A started VM waits to take over. */
  readonly hasStandby: boolean;
  /** VMs made so far, the standby included. */
  readonly created: number;
  readonly failures: number;
  readonly lastFailure: FailureReport | null;
  readonly plugins: readonly PluginReport[];
  /** Null: the plugin has one VM on the thread. */
  readonly pool: PoolSeat | null;
}
