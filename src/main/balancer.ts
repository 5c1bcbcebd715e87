/**
 * Chooses the silo of the next connection. Pure bookkeeping over the registered targets.
 */
import type { ConnectionTarget } from "./silo-thread.ts";

export type BalancePolicy = "roundRobin" | "fewestConnections";

export class Balancer {
  readonly #policy: BalancePolicy;
  #targets: readonly ConnectionTarget[] = [];
  #turn = 0;

  constructor(policy: BalancePolicy) {
    this.#policy = policy;
  }

  get targetCount(): number {
    return this.#targets.length;
  }

  /** Adding twice is harmless. */
  add(target: ConnectionTarget): void {
    if (this.#targets.includes(target)) return;
    this.#targets = [...this.#targets, target].sort((a, b) => a.index - b.index);
  }

  remove(target: ConnectionTarget): void {
    this.#targets = this.#targets.filter((each) => each !== target);
  }

  /** The target of the next connection, or null when there is none. */
  next(): ConnectionTarget | null {
    const count = this.#targets.length;
    if (count === 0) return null;
    this.#turn = (this.#turn + 1) % count;
    let best = this.#targets[this.#turn] ?? null;
    if (this.#policy === "roundRobin") return best;
    // The search starts at the turn, so that equals are served in turn as well.
    for (let step = 1; step < count; step++) {
      const other = this.#targets[(this.#turn + step) % count];
      if (other !== undefined && best !== null && other.openConnections < best.openConnections) {
        best = other;
      }
    }
    return best;
  }
}
