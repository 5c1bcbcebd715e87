/**
 * The one place that reads time. Everything that needs time takes a Clock, so that tests drive it.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, with a fraction. */
  wallMs(): number;
  /** Nanoseconds since the Unix epoch. */
  wallNs(): bigint;
  /** Milliseconds from an arbitrary start, never going back, with a fraction. */
  monotonicMs(): number;
  /** Nanoseconds from an arbitrary start, never going back. */
  monotonicNs(): bigint;
  /** Calls `run` once after `delayMs` (clamped to 1..2^31-1). The timer keeps no process alive. */
  after(delayMs: number, run: () => void): Timer;
}

/** A pending call that can be cancelled; cancelling twice is harmless. */
export interface Timer {
  cancel(): void;
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;
  constructor(delayMs: number, run: () => void) {
    this.#handle = setTimeout(run, Math.min(Math.max(delayMs, 1), 0x7fffffff));
    this.#handle.unref();
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** Resolves after `delayMs`; keeps the process alive until then. Thread: any, off the hot way. */
export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

// The global of that name is a getter, which a request would pay for several times.
const { performance: timer } = globalThis;
const { timeOrigin } = timer;

/** The machine's clock. Thread: any. */
export const systemClock: Clock = {
  wallMs: () => timeOrigin + timer.now(),
  wallNs: () => BigInt(Math.round((timeOrigin + timer.now()) * 1000)) * 1000n,
  monotonicMs: () => timer.now(),
  monotonicNs: () => process.hrtime.bigint(),
  after: (delayMs, run) => new SystemTimer(delayMs, run),
};
