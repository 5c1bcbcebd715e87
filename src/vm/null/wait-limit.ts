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

export class WaitLimit {
  readonly #gate: GuestGate;
  readonly #open = new Set<LimitedWait>();
  #isArmed = false;

  constructor(gate: GuestGate) {
    this.#gate = gate;
  }

  begin(wait: LimitedWait): void {
    const { waitMsMax } = this.#gate;
    if (waitMsMax === 0) return;
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
