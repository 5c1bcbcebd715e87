/**
 * The silo's timers for streams and connections: a hashed wheel, so that setting and cancelling a
 * timeout costs a few assignments and no allocation. Resolution 10 ms; a timeout never fires early.
 * Runs only while a timeout is set. Thread: one silo.
 * @hot per-request
 */
import type { Clock, Timer } from "../base/clock.ts";

const RESOLUTION_MS = 10;
const SLOTS = 4096;
/** Slot of a timeout that is due but not called yet. */
const DUE = -2;

/** What a timeout calls; one object per owner, `kind` tells its timeouts apart. */
export interface TimeoutOwner {
  onTimeout(kind: number): void;
}

/** One timeout, part of its owner for life: set, cancelled and set again. */
export class Timeout {
  readonly owner: TimeoutOwner;
  readonly kind: number;
  /** Monotonic ms; meaningful while `slot` >= 0. */
  deadlineMs = 0;
  slot = -1;
  next: Timeout | null = null;
  previous: Timeout | null = null;

  constructor(owner: TimeoutOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }

  get pending(): boolean {
    return this.slot >= 0;
  }
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #heads: (Timeout | null)[] = new Array<Timeout | null>(SLOTS).fill(null);
  #count = 0;
  #tick: number;
  #timer: Timer | null = null;
  readonly #due: Timeout[] = [];
  readonly #advance = (): void => this.#run();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tick = this.#tickOf(clock.monotonicMs());
  }

  /** Timeouts set now. */
  get count(): number {
    return this.#count;
  }

  /** (Re)starts `timeout`: it fires once, `delayMs` from now or up to 10 ms later. */
  set(timeout: Timeout, delayMs: number): void {
    if (timeout.slot >= 0) this.#unlink(timeout);
    const now = this.#clock.monotonicMs();
    if (this.#count === 0) this.#tick = this.#tickOf(now);
    timeout.deadlineMs = now + delayMs;
    this.#link(timeout);
    if (this.#timer === null) this.#timer = this.#clock.after(RESOLUTION_MS, this.#advance);
  }

  cancel(timeout: Timeout): void {
    if (timeout.slot >= 0) this.#unlink(timeout);
    else timeout.slot = -1;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #tickOf(ms: number): number {
    return Math.floor(ms / RESOLUTION_MS);
  }

  #link(timeout: Timeout): void {
    const tick = Math.max(Math.ceil(timeout.deadlineMs / RESOLUTION_MS), this.#tick + 1);
    const slot = tick % SLOTS;
    const head = this.#heads[slot] as Timeout | null;
    timeout.slot = slot;
    timeout.previous = null;
    timeout.next = head;
    if (head !== null) head.previous = timeout;
    this.#heads[slot] = timeout;
    this.#count++;
  }

  #unlink(timeout: Timeout): void {
    if (timeout.previous === null) this.#heads[timeout.slot] = timeout.next;
    else timeout.previous.next = timeout.next;
    if (timeout.next !== null) timeout.next.previous = timeout.previous;
    timeout.next = null;
    timeout.previous = null;
    timeout.slot = -1;
    this.#count--;
  }

  #run(): void {
    this.#timer = null;
    const now = this.#clock.monotonicMs();
    const last = this.#tickOf(now);
    // After a long pause of the thread every slot is visited once at most.
    const first = Math.max(this.#tick + 1, last - SLOTS + 1);
    for (let tick = first; tick <= last; tick++) this.#fire(tick % SLOTS, now);
    this.#tick = Math.max(last, this.#tick);
    if (this.#count > 0 && this.#timer === null) {
      this.#timer = this.#clock.after(RESOLUTION_MS, this.#advance);
    }
  }

  #fire(slot: number, now: number): void {
    let timeout = this.#heads[slot] as Timeout | null;
    // Due timeouts are taken out before any is called, for a call may set or cancel others.
    const due = this.#due;
    while (timeout !== null) {
      const next: Timeout | null = timeout.next;
      if (timeout.deadlineMs <= now) {
        this.#unlink(timeout);
        timeout.slot = DUE;
        due.push(timeout);
      }
      timeout = next;
    }
    for (const current of due) {
      if (current.slot !== DUE) continue;
      current.slot = -1;
      current.owner.onTimeout(current.kind);
    }
    due.length = 0;
  }
}
