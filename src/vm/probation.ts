/**
 * What a plugin gets whose callbacks failed after they had held the thread for a while: the first
 * one is forgiven, for any filter may meet one bad request. Until it has kept quiet for a window,
 * its callbacks get a tenth of their budget; each further failure keeps the plugin out for two
 * hundred times as long as it held the thread, so that others lose half a percent of it at most.
 */

/** Of a budget; others wait for this long, again and again. */
const BUDGET_SHARE = 0.1;
/** A smaller budget would end callbacks that only waited for a processor. */
const BUDGET_MS_MIN = 10;
const REST_FACTOR = 200;

export class Probation {
  readonly #windowMs: number;
  #untilMs = Number.NEGATIVE_INFINITY;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  /** @param windowMs how long it lasts after the last failure; no rest is longer. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** A callback failed at `nowMs` after `tookMs`; true when the plugin is kept out for it. */
  record(nowMs: number, tookMs: number): boolean {
    if (tookMs <= 0) return false;
    const isRepeated = nowMs < this.#untilMs;
    const restMs = isRepeated ? Math.min(tookMs * REST_FACTOR, this.#windowMs) : 0;
    this.#restUntilMs = nowMs + restMs;
    this.#untilMs = this.#restUntilMs + this.#windowMs;
    return isRepeated;
  }

  /** Milliseconds for which no VM may be made; 0 or less = it may. */
  waitMs(nowMs: number): number {
    return this.#restUntilMs - nowMs;
  }

  /** What a callback may take at `nowMs` that may take `budgetMs` else. */
  budgetMs(budgetMs: number, nowMs: number): number {
    if (nowMs >= this.#untilMs) return budgetMs;
    return Math.min(budgetMs, Math.max(BUDGET_MS_MIN, budgetMs * BUDGET_SHARE));
  }
}
