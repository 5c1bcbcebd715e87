/**
 * Collects main's heap after updates. Each one leaves a configuration and compiled modules behind.
 * Beside what a thread in full work throws away that is little, so V8 would let hundreds pile up,
 * and with them memory outside of its heap. Thread: main, which serves no request; a collection
 * takes it some 20 ms.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock, Timer } from "../base/clock.ts";

/** After the last update of a row: what comes in quick succession is swept at once. */
const QUIET_MS = 2_000;
/** A row that does not end is swept in between. */
const UPDATES_MAX = 25;

/** A full collection of the calling thread's heap; null where V8 does not hand it out. */
export function heapCollector(): (() => void) | null {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  // For this context alone: scripts of others shall not find it.
  setFlagsFromString("--no-expose-gc");
  return typeof collect === "function" ? () => void collect() : null;
}

export class HeapSweep {
  readonly #clock: Clock;
  readonly #collect: () => void;
  #updates = 0;
  #timer: Timer | null = null;

  constructor(clock: Clock, collect: () => void) {
    this.#clock = clock;
    this.#collect = collect;
  }

  /** An update has ended, whatever became of it. */
  updated(): void {
    this.#updates++;
    this.#timer?.cancel();
    // Never within an update: it still holds what it is about to leave behind.
    const delayMs = this.#updates >= UPDATES_MAX ? 0 : QUIET_MS;
    this.#timer = this.#clock.after(delayMs, () => {
      this.close();
      this.#collect();
    });
  }

  close(): void {
    this.#updates = 0;
    this.#timer?.cancel();
    this.#timer = null;
  }
}
