/**
 * How long handlers may wait: one timer for all that wait in a VM, in the order in which they
 * began.
 * @hot per-request
 */
import type { GuestGate } from "../engine.ts";

/** A handler that waits. */
export interface LimitedWait {
  /** When it has waited for too long: monotonic milliseconds, set by {@link WaitLimit.begin}. */
  deadlineMs: number;
  expire(): void;
}

/** A debugger stops handlers for as long as its user thinks. */
function isDebugged(): boolean {
  const flags = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""];
  return flags.some((flag) => flag.includes("--inspect"));
}

export class WaitLimit {
  readonly #gate: GuestGate;
  readonly #open = new Set<LimitedWait>();
  readonly #isOff: boolean;
  #isArmed = false;

  constructor(gate: GuestGate) {
    this.#gate = gate;
    this.#isOff = gate.waitMsMax === 0 || isDebugged();
  }

  begin(wait: LimitedWait): void {
    if (this.#isOff) return;
    const { waitMsMax } = this.#gate;
    wait.deadlineMs = this.#gate.monotonicMs() + waitMsMax;
    this.#open.add(wait);
    if (!this.#isArmed) this.#arm(waitMsMax);
  }

  end(wait: LimitedWait): void {
    this.#open.delete(wait);
  }

  #arm(delayMs: number): void {
    this.#isArmed = true;
    this.#gate.after(Math.ceil(delayMs), this.#look);
  }

  readonly #look = (): void => {
    this.#isArmed = false;
    const now = this.#gate.monotonicMs();
    for (const wait of this.#open) {
      if (wait.deadlineMs > now) {
        if (!this.#isArmed) this.#arm(wait.deadlineMs - now);
        return;
      }
      this.#open.delete(wait);
      wait.expire();
    }
  };
}
