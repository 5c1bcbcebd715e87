/**
 * What becomes of streams when their VM is dead, by the plugin's policy (ABI 5.8), and when a dead
 * VM may be made anew.
 */
import { randomInt } from "node:crypto";
import type { GuestEntry } from "./callbacks.ts";
import type { HttpStreamContext } from "./contexts.ts";
import { DIRECTION } from "./current-call.ts";
import { stopStatus } from "./filter-status.ts";
import { HEADERS_STATUS } from "./types.ts";
import type { Vm } from "./vm.ts";

/**
 * The status of a callback that cannot be made because the VM failed. "open" goes on as if the
 * filter were not there; otherwise the stream is failed, once. The answer that failing makes passes
 * through the response callbacks, which must not hold it.
 */
export function failedStatus(stream: HttpStreamContext, entry: GuestEntry): number {
  if (stream.config.failurePolicy === "open") {
    stream.notePause(entry.direction, false);
    return HEADERS_STATUS.continue;
  }
  if (entry.direction === DIRECTION.response && stream.failed) return HEADERS_STATUS.continue;
  if (!stream.replied) stream.fail();
  return stopStatus(entry.result);
}

/** Frees the streams that wait for a VM that will never wake them: resumed or failed, by policy. */
export function settleStreams(vm: Vm): void {
  for (const stream of vm.contexts.streams()) stream.vmDied();
  vm.coroutines?.abandonAll();
}

/** A VM that lived this long before it failed is no crash loop. */
const STABLE_MS = 60_000;
/** The interval doubles at most this often: 64 times the base. */
const DOUBLINGS_MAX = 6;

/**
 * When a failed VM may be replaced. The first failure is mended at once; after that at the earliest
 * one interval after the last VM was made. The interval is drawn from [base, 1.5 base) and doubles
 * with every VM that fails soon, so that a filter that traps on each request does not spend the
 * thread on start-ups.
 */
export class ReloadBackoff {
  readonly #baseMs: number;
  #loadedMs = Number.NEGATIVE_INFINITY;
  #intervalMs = 0;
  #doublings = -1;

  constructor(baseMs: number) {
    this.#baseMs = Math.max(1, baseMs);
  }

  mayLoad(nowMs: number): boolean {
    return this.waitMs(nowMs) <= 0;
  }

  /** Until {@link mayLoad}; 0 or less = now. */
  waitMs(nowMs: number): number {
    return this.#loadedMs + this.#intervalMs - nowMs;
  }

  /** A load was tried at `nowMs`, whether or not it succeeded. */
  loaded(nowMs: number): void {
    const isFirst = this.#loadedMs === Number.NEGATIVE_INFINITY;
    const soon = nowMs - this.#loadedMs < STABLE_MS;
    this.#loadedMs = nowMs;
    if (isFirst) return;
    this.#doublings = soon ? Math.min(this.#doublings + 1, DOUBLINGS_MAX) : 0;
    const spread = Math.max(1, Math.ceil(this.#baseMs / 2));
    this.#intervalMs = (this.#baseMs + randomInt(spread)) * 2 ** this.#doublings;
  }
}
