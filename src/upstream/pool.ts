/**
 * The HTTP/1.1 connections of one endpoint on this silo: idle ones, newest first out; requests that
 * wait for one, oldest first out; new ones within the circuit breakers.
 * @hot per-request
 */
import type { Timer } from "../base/clock.ts";
import type { Turn } from "../base/turn.ts";
import { type ClientOwner, type ConnectFailure, Http1Client } from "./client.ts";
import type { Exchange, ExchangeOwner } from "./exchange.ts";
import type { PoolRuntime } from "./pool-runtime.ts";
import { RequestQueue } from "./request-queue.ts";
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
  readonly #queue: RequestQueue;
  #connectingCount = 0;
  #draining = false;
  #idleTimer: Timer | null = null;

  constructor(runtime: PoolRuntime, target: EndpointInfo) {
    this.#runtime = runtime;
    this.#queue = new RequestQueue(runtime);
    this.#target = target;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** Whether no connection is open and no request waits. */
  get isEmpty(): boolean {
    return this.#clients.size === 0 && this.#queue.length === 0;
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
    if (this.#idle.length > 0) {
      const exchange = this.#queue.admit(events, this);
      if (exchange !== null) (this.#idle.pop() as Http1Client).assign(exchange);
      return exchange;
    }
    const exchange = this.#queue.enter(events, this);
    if (exchange !== null) this.#connectForQueue();
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
    this.#queue.fail("localReset", "");
    for (const client of [...this.#clients]) client.close();
  }

  removeQueued(exchange: Exchange): void {
    this.#queue.remove(exchange);
  }

  onConnected(client: Http1Client): void {
    this.#connectingCount--;
    this.onFree(client);
  }

  onFree(client: Http1Client): void {
    const next = this.#queue.next();
    if (next !== null) {
      client.assign(next);
      return;
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
    if (failure !== null) this.#queue.eject(failure);
    this.#connectForQueue();
  }

  /** One connection under way for each request that waits, as far as the breaker lets. */
  #connectForQueue(): void {
    const { breakers, handles } = this.#runtime;
    while (this.#connectingCount < this.#queue.length) {
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
