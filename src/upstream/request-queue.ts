/**
 * Requests of one endpoint on their way to a connection: what the circuit breakers let in, and
 * those that wait for a connection, oldest first out. Every pool has one, whatever its protocol.
 * @hot per-request
 */
import type { ConnectFailure } from "./client.ts";
import { Exchange, type ExchangeOwner } from "./exchange.ts";
import type { PoolRuntime } from "./pool-runtime.ts";
import type { UpstreamEvents } from "./types.ts";

export class RequestQueue {
  readonly #runtime: PoolRuntime;
  #waiting: Exchange[] = [];

  constructor(runtime: PoolRuntime) {
    this.#runtime = runtime;
  }

  /** Requests that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** An exchange for which there is a connection; null when a breaker is open. */
  admit(events: UpstreamEvents, owner: ExchangeOwner): Exchange | null {
    const { breakers, handles } = this.#runtime;
    if (breakers.requests.acquire()) return new Exchange(events, owner);
    handles.upstream_rq_pending_overflow.inc();
    return null;
  }

  /** An exchange that waits for a connection; null when a breaker is open. */
  enter(events: UpstreamEvents, owner: ExchangeOwner): Exchange | null {
    const { breakers, handles } = this.#runtime;
    if (!breakers.pending.acquire()) {
      handles.upstream_rq_pending_overflow.inc();
      return null;
    }
    const exchange = new Exchange(events, owner);
    handles.upstream_rq_pending_total.inc();
    handles.upstream_rq_pending_active.inc();
    this.#waiting.push(exchange);
    return exchange;
  }

  /** Takes out the oldest that the breaker lets; those before it end as `overflow`. */
  next(): Exchange | null {
    const { breakers, handles } = this.#runtime;
    while (this.#waiting.length > 0) {
      const exchange = this.#waiting.shift() as Exchange;
      this.#leave();
      if (breakers.requests.acquire()) return exchange;
      handles.upstream_rq_pending_overflow.inc();
      exchange.fail("overflow", "");
    }
    return null;
  }

  /** A request that waits was given up. */
  remove(exchange: Exchange): void {
    const at = this.#waiting.indexOf(exchange);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#leave();
    this.#runtime.handles.upstream_rq_cancelled.inc();
  }

  /** As Envoy: an endpoint that refuses one connection is not worth waiting for. */
  eject({ reason, detail }: ConnectFailure): void {
    this.#runtime.handles.upstream_rq_pending_failure_eject.add(this.#waiting.length);
    this.fail(reason, detail);
  }

  fail(reason: ConnectFailure["reason"] | "localReset", detail: string): void {
    const failed = this.#waiting;
    // A callback may start the next attempt, which waits in the new queue.
    this.#waiting = [];
    for (const exchange of failed) {
      this.#leave();
      exchange.fail(reason, detail);
    }
  }

  #leave(): void {
    this.#runtime.breakers.pending.release();
    this.#runtime.handles.upstream_rq_pending_active.dec();
  }
}
