/**
 * A clock that stands still until a test moves it.
 */
import type { Clock, Timer } from "../../src/base/clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 1_000_000;
  #pending: Pending[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  wallNs(): bigint {
    return BigInt(Math.round(this.#nowMs * 1_000_000));
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  monotonicNs(): bigint {
    return this.wallNs();
  }

  /** Timers that wait. */
  get timerCount(): number {
    return this.#pending.length;
  }

  after(delayMs: number, run: () => void): Timer {
    const pending = { dueMs: this.#nowMs + Math.max(delayMs, 1), run };
    this.#pending.push(pending);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== pending);
      },
    };
  }

  /** Moves time on and runs what is due, in the order of the due times. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      let next: Pending | null = null;
      for (const pending of this.#pending) {
        if (pending.dueMs <= untilMs && (next === null || pending.dueMs < next.dueMs)) {
          next = pending;
        }
      }
      if (next === null) break;
      const due = next;
      this.#pending = this.#pending.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.dueMs);
      due.run();
    }
    this.#nowMs = untilMs;
  }
}
