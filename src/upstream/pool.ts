/**
 * The HTTP/1.1 connections of one endpoint on this silo: idle ones, newest first out; requests that
 * wait for one, oldest first out; new ones within the circuit breakers.
 * @hot per-request
 */
import type { Timer } from "../base/clock.ts";
import type { Turn } from "../base/turn.ts";
import { type ClientOwner, type ConnectFailure, Http1Client } from "./client.ts";
import { Exchange, type ExchangeOwner } from "./exchange.ts";
import type { PoolRuntime } from "./pool-runtime.ts";
import { EndpointCounts } from "./stats.ts";
import type { EndpointInfo, UpstreamEvents } from "./types.ts";

/** The connections of one endpoint, whatever their protocol. */
export interface Pool {
  readonly counts: EndpointCounts;
  /** Whether no connection is open and no request waits. */
  readonly isEmpty: boolean;
  /** Starts an exchange on a connection or lets it wait; null when a breaker is open. */
  start(events: UpstreamEvents): Exchange | null;
  /** New connections go here; those that exist stay. */
  retarget(target: EndpointInfo): void;
  /** Closes idle connections now and the others when their exchanges are over. */
  drain(): void;
  /** Closes everything now; running and waiting exchanges end as `localReset`. */
  close(): void;
}

export class EndpointPool implements Pool, ClientOwner, ExchangeOwner {
  readonly counts = new EndpointCounts();
  readonly #runtime: PoolRuntime;
  #target: EndpointInfo;
  /** All connections, whatever their state. */
  readonly #clients = new Set<Http1Client>();
  /** Longest idle first. */
  readonly #idle: Http1Client[] = [];
  #pending: Exchange[] = [];
  #connectingCount = 0;
  #draining = false;
  #idleTimer: Timer | null = null;

  constructor(runtime: PoolRuntime, target: EndpointInfo) {
    this.#runtime = runtime;
    this.#target = target;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** Whether no connection is open and no request waits. */
  get isEmpty(): boolean {
    return this.#clients.size === 0 && this.#pending.length === 0;
  }

  get bufferBytesMax(): number {
    return this.#runtime.config.perConnectionBufferBytes;
  }

  get turn(): Turn {
    return this.#runtime.turn;
  }

  monotonicMs(): number {
    return this.#runtime.clock.monotonicMs();
  }

  /** New connections go here; those that exist stay. */
  retarget(target: EndpointInfo): void {
    this.#target = target;
  }

  /** Starts an exchange on an idle connection or lets it wait; null when a breaker is open. */
  start(events: UpstreamEvents): Exchange | null {
    const { breakers, handles } = this.#runtime;
    if (this.#idle.length > 0) {
      if (!breakers.requests.acquire()) {
        handles.upstream_rq_pending_overflow.inc();
        return null;
      }
      const exchange = new Exchange(events, this);
      (this.#idle.pop() as Http1Client).assign(exchange);
      return exchange;
    }
    if (!breakers.pending.acquire()) {
      handles.upstream_rq_pending_overflow.inc();
      return null;
    }
    const exchange = new Exchange(events, this);
    handles.upstream_rq_pending_total.inc();
    handles.upstream_rq_pending_active.inc();
    this.#pending.push(exchange);
    this.#connectForPending();
    return exchange;
  }

  /** Closes idle connections now and the others when their exchange is over. */
  drain(): void {
    this.#draining = true;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    for (const client of this.#idle.slice()) client.close();
  }

  /** Closes everything now; running and waiting exchanges end as `localReset`. */
  close(): void {
    this.drain();
    this.#failPending("localReset", "");
    for (const client of [...this.#clients]) client.close();
  }

  removeQueued(exchange: Exchange): void {
    const at = this.#pending.indexOf(exchange);
    if (at < 0) return;
    this.#pending.splice(at, 1);
    this.#leavePending();
    this.#runtime.handles.upstream_rq_cancelled.inc();
  }

  onConnected(client: Http1Client): void {
    this.#connectingCount--;
    this.onFree(client);
  }

  onFree(client: Http1Client): void {
    const { breakers, handles } = this.#runtime;
    while (this.#pending.length > 0) {
      const exchange = this.#pending.shift() as Exchange;
      this.#leavePending();
      if (breakers.requests.acquire()) {
        client.assign(exchange);
        return;
      }
      handles.upstream_rq_pending_overflow.inc();
      exchange.fail("overflow", "");
    }
    if (this.#draining) {
      client.close();
      return;
    }
    client.idleSinceMs = this.#runtime.clock.monotonicMs();
    this.#idle.push(client);
    if (this.#idleTimer === null) this.#armIdleTimer();
  }

  onClosed(client: Http1Client, failure: ConnectFailure | null): void {
    this.#clients.delete(client);
    this.#runtime.breakers.connections.release();
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
    if (!client.wasConnected) this.#connectingCount--;
    if (failure !== null) {
      this.#runtime.handles.upstream_rq_pending_failure_eject.add(this.#pending.length);
      // As Envoy: an endpoint that refuses one connection is not worth waiting for.
      this.#failPending(failure.reason, failure.detail);
    }
    this.#connectForPending();
  }

  /** One connection under way for each request that waits, as far as the breaker lets. */
  #connectForPending(): void {
    const { breakers, handles } = this.#runtime;
    while (this.#connectingCount < this.#pending.length) {
      if (!breakers.connections.acquire()) {
        handles.upstream_cx_overflow.inc();
        // Without a connection of its own, this endpoint's queue would never move.
        if (this.#clients.size > 0) return;
        breakers.connections.force();
      }
      this.#connectingCount++;
      this.#clients.add(new Http1Client(this.#runtime, this, this.#target));
    }
  }

  #failPending(reason: ConnectFailure["reason"] | "localReset", detail: string): void {
    const failed = this.#pending;
    // A callback may start the next attempt, which waits in the new queue.
    this.#pending = [];
    for (const exchange of failed) {
      this.#leavePending();
      exchange.fail(reason, detail);
    }
  }

  #leavePending(): void {
    this.#runtime.breakers.pending.release();
    this.#runtime.handles.upstream_rq_pending_active.dec();
  }

  /** One timer for all idle connections, set for the one that is idle longest. */
  #armIdleTimer(): void {
    const { clock, config } = this.#runtime;
    const oldest = this.#idle[0];
    if (oldest === undefined || config.idleTimeoutMs === 0) return;
    const dueMs = oldest.idleSinceMs + config.idleTimeoutMs;
    this.#idleTimer = clock.after(dueMs - clock.monotonicMs(), () => this.#closeExpired());
  }

  #closeExpired(): void {
    this.#idleTimer = null;
    const { clock, config, handles } = this.#runtime;
    const before = clock.monotonicMs() - config.idleTimeoutMs;
    for (const client of this.#idle.slice()) {
      if (client.idleSinceMs > before) break;
      handles.upstream_cx_idle_timeout.inc();
      client.close();
    }
    this.#armIdleTimer();
  }
}
