/**
 * The HTTP/2 connections of one endpoint on this silo: usually one; more when the peer's limit of
 * streams is reached. Requests that find no room wait, oldest first out.
 */
import type { Timer } from "../../base/clock.ts";
import type { Turn } from "../../base/turn.ts";
import type { Http2Connecting, Http2Events } from "../../net/connect-h2.ts";
import type { ConnectFailure } from "../client.ts";
import type { Exchange, ExchangeOwner } from "../exchange.ts";
import type { Pool } from "../pool.ts";
import type { PoolRuntime } from "../pool-runtime.ts";
import { RequestQueue } from "../request-queue.ts";
import { EndpointCounts } from "../stats.ts";
import type { EndpointInfo, UpstreamEvents } from "../types.ts";
import { H2Client, type H2ClientOwner } from "./h2-client.ts";

export class H2Pool implements Pool, H2ClientOwner, ExchangeOwner {
  readonly counts = new EndpointCounts();
  readonly #runtime: PoolRuntime;
  #target: EndpointInfo;
  readonly #clients = new Set<H2Client>();
  readonly #queue: RequestQueue;
  #draining = false;
  #idleTimer: Timer | null = null;

  constructor(runtime: PoolRuntime, target: EndpointInfo) {
    this.#runtime = runtime;
    this.#queue = new RequestQueue(runtime);
    this.#target = target;
  }

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

  retarget(target: EndpointInfo): void {
    this.#target = target;
  }

  start(events: UpstreamEvents): Exchange | null {
    const client = this.#clientWithRoom();
    if (client !== null) {
      const exchange = this.#queue.admit(events, this);
      if (exchange !== null) client.assign(exchange);
      return exchange;
    }
    const exchange = this.#queue.enter(events, this);
    if (exchange !== null) this.#connectForQueue();
    return exchange;
  }

  drain(): void {
    this.#draining = true;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    // What waits has been promised a connection.
    if (this.#queue.length === 0) for (const client of [...this.#clients]) client.drain();
  }

  close(): void {
    this.drain();
    this.#queue.fail("localReset", "");
    for (const client of [...this.#clients]) client.close();
  }

  removeQueued(exchange: Exchange): void {
    this.#queue.remove(exchange);
  }

  connect(events: Http2Events): Http2Connecting {
    return this.#runtime.connectHttp2(this.#target, events);
  }

  onCapacity(client: H2Client): void {
    while (client.canTake) {
      const next = this.#queue.next();
      if (next === null) break;
      client.assign(next);
    }
    this.#connectForQueue();
    if (this.#draining) client.drain();
    else if (client.activeCount === 0 && this.#idleTimer === null) this.#armIdleTimer();
  }

  onClosed(client: H2Client, failure: ConnectFailure | null): void {
    this.#clients.delete(client);
    this.#runtime.breakers.connections.release();
    if (failure !== null) this.#queue.eject(failure);
    this.#connectForQueue();
  }

  #clientWithRoom(): H2Client | null {
    for (const client of this.#clients) if (client.canTake) return client;
    return null;
  }

  /** As many connections under way as those that wait need, as far as the breaker lets. */
  #connectForQueue(): void {
    const { breakers, handles } = this.#runtime;
    let coming = 0;
    for (const client of this.#clients) if (client.isConnecting) coming += client.capacity;
    while (coming < this.#queue.length) {
      if (!breakers.connections.acquire()) {
        handles.upstream_cx_overflow.inc();
        if (this.#clients.size > 0) return;
        breakers.connections.force();
      }
      const client = new H2Client(this.#runtime, this, this.#target);
      this.#clients.add(client);
      coming += Math.max(1, client.capacity);
    }
  }

  /** One timer for all; what is idle for too long when it fires is closed. */
  #armIdleTimer(): void {
    const { clock, config } = this.#runtime;
    if (config.idleTimeoutMs === 0 || this.#clients.size === 0) return;
    this.#idleTimer = clock.after(config.idleTimeoutMs, () => this.#closeExpired());
  }

  #closeExpired(): void {
    this.#idleTimer = null;
    const { clock, config, handles } = this.#runtime;
    const before = clock.monotonicMs() - config.idleTimeoutMs;
    for (const client of [...this.#clients]) {
      if (client.isConnecting || client.activeCount > 0 || client.idleSinceMs > before) continue;
      handles.upstream_cx_idle_timeout.inc();
      client.close();
    }
    if (this.#clients.size > 0) this.#armIdleTimer();
  }
}
