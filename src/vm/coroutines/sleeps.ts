/**
 * The tokens of `granary.sleep`: when each is over. There is no timer before somebody awaits one.
 */
import { LIMITS } from "../../base/limits.ts";
import type { GuestContext } from "../contexts.ts";
import type { RootContext } from "../root-context.ts";

interface Sleep {
  /** Whose end it does not outlive. */
  readonly context: GuestContext;
  /** On the monotonic clock. */
  readonly endMs: number;
}

export class Sleeps {
  readonly #sleeps = new Map<number, Sleep>();

  /** False: there are too many. */
  add(token: number, context: GuestContext, endMs: number): boolean {
    if (this.#sleeps.size >= LIMITS.sleepsCount) return false;
    this.#sleeps.set(token, { context, endMs });
    return true;
  }

  /** Milliseconds until it is over, 0 or less when it is; null: `root` has no such token. */
  leftMs(root: RootContext, token: number, nowMs: number): number | null {
    const sleep = this.#sleeps.get(token);
    return sleep === undefined || sleep.context.root !== root ? null : sleep.endMs - nowMs;
  }

  remove(token: number): void {
    this.#sleeps.delete(token);
  }

  /** Forgets those of a context that has ended. */
  removeOf(context: GuestContext): void {
    for (const [token, sleep] of this.#sleeps) {
      if (sleep.context === context) this.#sleeps.delete(token);
    }
  }
}
