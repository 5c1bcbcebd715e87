/**
 * Who owns the descriptors that were sent to one silo. Messages arrive in order, so the silo's
 * count of adopted connections says which of the sent ones it took: the rest still belong to main.
 * One ledger per silo thread, on main; the counter is written by the silo.
 */

export interface SentConnection {
  readonly listener: number;
  readonly fd: number;
}

export class FdLedger {
  /** Connections adopted so far, as the silo counts them; wraps at 2^32. */
  readonly #adopted: () => number;
  #sent: SentConnection[] = [];
  /** Value of the counter that `#sent[0]` waits for, minus one. */
  #settled: number;

  constructor(adopted: () => number) {
    this.#adopted = adopted;
    this.#settled = adopted();
  }

  /** Notes a connection that is about to be posted. Forgets those that were adopted meanwhile. */
  record(connection: SentConnection): void {
    this.#settle();
    this.#sent.push(connection);
  }

  /** Connections sent and not adopted yet. */
  get pendingCount(): number {
    this.#settle();
    return this.#sent.length;
  }

  /** Ends the ledger after the thread is gone: what main owns again, in the order it was sent. */
  reclaim(): readonly SentConnection[] {
    this.#settle();
    const rest = this.#sent;
    this.#sent = [];
    return rest;
  }

  #settle(): void {
    const count = (this.#adopted() - this.#settled) | 0;
    if (count <= 0) return;
    this.#sent.splice(0, count);
    this.#settled = (this.#settled + count) | 0;
  }
}
