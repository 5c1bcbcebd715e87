/**
 * One turn of a thread: a callback of the event loop that reads bytes, and everything it causes.
 * Time stands still within a turn, so that the dozen times that a request notes cost one look at
 * the clock; and work that must wait until the caller's stack has unwound (watermark reports, a
 * head that waits for the first body bytes to share its write) runs at the end of the turn, without
 * a tick of its own. Outside of a turn the clock is the real one, and deferred work gets a tick.
 * Thread: one object per thread.
 * @hot per-request
 */
import type { Clock, Timer } from "./clock.ts";

export interface Deferred {
  /** Called once for each time the object was scheduled since its last run. */
  runDeferred(): void;
}

/** The clock of a thread: stands still between `stop` and `go`. */
class TurnClock implements Clock {
  readonly #source: Clock;
  /** -1: not within a turn. */
  #nowMs = -1;
  /** -1: not asked for yet in this turn. */
  #wallMs = -1;

  constructor(source: Clock) {
    this.#source = source;
  }

  stop(): void {
    this.#nowMs = this.#source.monotonicMs();
    this.#wallMs = -1;
  }

  go(): void {
    this.#nowMs = -1;
  }

  monotonicMs(): number {
    return this.#nowMs < 0 ? this.#source.monotonicMs() : this.#nowMs;
  }

  wallMs(): number {
    if (this.#nowMs < 0) return this.#source.wallMs();
    if (this.#wallMs < 0) this.#wallMs = this.#source.wallMs();
    return this.#wallMs;
  }

  /** Guests measure themselves by these two: they never stand still. */
  wallNs(): bigint {
    return this.#source.wallNs();
  }

  monotonicNs(): bigint {
    return this.#source.monotonicNs();
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#source.after(delayMs, run);
  }
}

export class Turn {
  readonly #clock: TurnClock;
  #depth = 0;
  /** The first `#dueCount` entries count; the arrays keep their memory. */
  #due: (Deferred | null)[] = [];
  #dueCount = 0;
  #running: (Deferred | null)[] = [];
  readonly #tick = (): void => this.#runAll();

  constructor(source: Clock) {
    this.#clock = new TurnClock(source);
  }

  get clock(): Clock {
    return this.#clock;
  }

  /** Bytes have arrived. Turns nest: the outermost counts. */
  enter(): void {
    this.#depth++;
    if (this.#depth === 1) this.#clock.stop();
  }

  /** The bytes are dealt with: runs what was deferred. */
  leave(): void {
    if (this.#depth === 1) {
      while (this.#dueCount > 0) this.#runAll();
      this.#clock.go();
    }
    this.#depth--;
  }

  /** Runs `deferred` when the stack has unwound, in the order of the calls. */
  schedule(deferred: Deferred): void {
    // One tick serves everybody who comes before it runs.
    if (this.#dueCount === 0 && this.#depth === 0) process.nextTick(this.#tick);
    this.#due[this.#dueCount++] = deferred;
  }

  #runAll(): void {
    const batch = this.#due;
    const count = this.#dueCount;
    this.#due = this.#running;
    this.#running = batch;
    this.#dueCount = 0;
    for (let i = 0; i < count; i++) {
      const deferred = batch[i] as Deferred;
      batch[i] = null;
      deferred.runDeferred();
    }
  }
}
