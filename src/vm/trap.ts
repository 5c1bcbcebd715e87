/** Errors that end a guest, and what is told about them. Source: ABI 1.4, 1.7, 5.8. */
import { CHARGE_NAME } from "../abi/budget-code.ts";
import type { CurrentCall } from "./current-call.ts";

/** What WASI `proc_exit` throws through guest frames: the guest ends here. */
export class ProcExit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`proc_exit(${code})`);
    this.code = code;
  }
}

/** What a host function throws that the guest must not survive (`abort`). */
export class GuestTrap extends Error {}

/** An error of a script of the null engine, with its places in the author's files. */
export class ScriptTrap extends Error {
  readonly frames: readonly string[];
  readonly isStackOverflow: boolean;
  constructor(message: string, frames: readonly string[], isRangeError: boolean) {
    super(message);
    this.frames = frames;
    this.isStackOverflow = isRangeError && message.includes("call stack");
  }
}

/** What ended a VM: `refused` = it was never run. */
export type FailureKind = "trap" | "cpuBudget" | "stackOverflow" | "exit" | "refused";

/** Why a VM failed. */
export interface VmFailure {
  readonly kind: FailureKind;
  /** Plugin whose callback it was; "" before there is one. */
  readonly plugin: string;
  /** Export that was running, or "start-up". */
  readonly callback: string;
  readonly reason: string;
  /** Guest frames, innermost first. */
  readonly backtrace: readonly string[];
}

/** Frames of a guest's stack that a report keeps (cpp-host: 20). */
const BACKTRACE_FRAMES_MAX = 20;

/** The failure that `error`, thrown during `call`, is. */
export function describeTrap(error: unknown, call: CurrentCall): VmFailure {
  const callback = call.allocating ? `the allocator, in ${call.callback}` : call.callback;
  const kind = kindOf(error, call);
  const message = error instanceof Error ? error.message : String(error);
  const reason = kind === "cpuBudget" ? `over its CPU budget of ${call.overBudgetMs} ms` : message;
  const plugin = call.context?.root.config.name ?? "";
  return { kind, plugin, callback, reason, backtrace: guestFrames(error) };
}

function kindOf(error: unknown, call: CurrentCall): FailureKind {
  if (call.overBudgetMs > 0) return "cpuBudget";
  if (error instanceof ProcExit) return "exit";
  if (error instanceof ScriptTrap) return error.isStackOverflow ? "stackOverflow" : "trap";
  // The engine's word for a stack that is used up, by guest frames here.
  return error instanceof RangeError ? "stackOverflow" : "trap";
}

function guestFrames(error: unknown): string[] {
  if (error instanceof ScriptTrap) return error.frames.slice();
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return stack
    .split("\n")
    .filter((line) => line.includes("wasm://") && !line.includes(CHARGE_NAME))
    .slice(0, BACKTRACE_FRAMES_MAX)
    .map((line) => line.trim());
}
