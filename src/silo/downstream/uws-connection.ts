/**
 * One client connection on uWS, which shows connections only when they come and go. The response
 * object of the coming stays valid as long as the connection lives, and what it registers tells of
 * the end and of the first bytes behind each request head: by that, requests find their connection.
 * See docs/adr/010-uws-connections.md. Thread: one silo. @hot per-request
 */
import type { HttpStats, ListenerStats } from "../../metrics/catalogue.ts";
import type { BodySlab } from "../../shm/body-slab.ts";
import type { HttpManager } from "../http-manager.ts";
import type { DownstreamInfo } from "../stream-info.ts";
import { Timeout, type TimeoutOwner } from "../timer-wheel.ts";
import { type ExchangeOwner, UwsExchange } from "./uws-exchange.ts";
import type { UwsResponseHandle } from "./uws-library.ts";

const PULSE = 0;
const LIFETIME = 1;
const DRAIN = 2;
/**
 * uWS closes what is quiet for its own 8 to 12 s. `resume` starts that time anew, so that what
 * decides is the configuration alone.
 */
const PULSE_MS = 5_000;
/** A connection in doubt is dead, or uWS closes it, within that many pulses. */
const DOUBT_PULSES = 6;

/** What is known of a connection when it comes. */
export type ConnectionEnds = Omit<DownstreamInfo, "id">;

/** The listener. */
export interface ConnectionOwner {
  readonly manager: HttpManager;
  readonly slab: BodySlab;
  /** Bytes behind a request head (or none) have come; the exchange may have to be opened. */
  dataArrived(connection: UwsConnection): void;
  /** Before the next head is parsed, `listen` must be called. */
  responseEnded(connection: UwsConnection): void;
  /** Forgets closes that nobody was told of. */
  forgetCloses(): void;
  /** Was a connection closed since, and nobody told? */
  readonly closedUntold: boolean;
  /** The end of a connection was told. */
  closeTold(): void;
  connectionGone(connection: UwsConnection): void;
}

export class UwsConnection implements TimeoutOwner, ExchangeOwner {
  exchange: UwsExchange;
  readonly info: DownstreamInfo;
  readonly isUnknown = false;
  /** Where this connection is counted, to its end; the manager may be replaced meanwhile. */
  readonly #stats: HttpStats;
  readonly #listenerStats: ListenerStats;
  readonly #owner: ConnectionOwner;
  readonly #pulse = new Timeout(this, PULSE);
  readonly #lifetime = new Timeout(this, LIFETIME);
  readonly #drain = new Timeout(this, DRAIN);
  readonly #openedMs: number;
  /** Null once the connection is gone. */
  #socket: UwsResponseHandle | null;
  #idleSinceMs: number;
  #requestCount = 0;
  /** Nothing more is served: it closes as soon as what was written has left. */
  #closing = false;
  /** uWS may hold the end of the last response. */
  #lingers = false;
  /** Closes after the response. */
  #last = false;
  /** Pulses left in doubt whether the connection still is; then its object must not be touched. */
  #doubt = 0;
  readonly #onAborted = (): void => {
    this.#owner.closeTold();
    this.#gone();
  };
  readonly #onData = (bytes: ArrayBuffer, isLast: boolean): void => {
    this.#doubt = 0;
    // The heads that uWS shows before are served here, too.
    const { turn } = this.manager.silo;
    turn.enter();
    this.#owner.dataArrived(this);
    this.exchange.data(bytes, isLast);
    turn.leave();
    if (isLast && this.#closing && !this.busy) setImmediate(this.#closeNow);
  };
  readonly #closeNow = (): void => this.close();

  /** @param socket the object that uWS's filter gives for a new connection */
  constructor(owner: ConnectionOwner, socket: UwsResponseHandle, ends: ConnectionEnds) {
    const { manager } = owner;
    const { clock, wheel } = manager.silo;
    this.#stats = manager.stats;
    this.#listenerStats = manager.listenerStats;
    this.#owner = owner;
    this.#socket = socket;
    this.info = { id: manager.silo.nextConnectionId(), ...ends };
    this.exchange = new UwsExchange(this);
    this.#openedMs = clock.monotonicMs();
    this.#idleSinceMs = this.#openedMs;
    this.#countOpen();
    this.listen();
    socket.onAborted(this.#onAborted);
    wheel.set(this.#pulse, this.#pulseMs(0));
    const { maxConnectionDurationMs } = manager.hcm;
    if (maxConnectionDurationMs > 0) wheel.set(this.#lifetime, maxConnectionDurationMs);
  }

  get manager(): HttpManager {
    return this.#owner.manager;
  }

  get slab(): BodySlab {
    return this.#owner.slab;
  }

  get busy(): boolean {
    return this.exchange.alive;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Lets the next request on this connection be told from those of others. */
  listen(): void {
    this.#socket?.onData(this.#onData);
  }

  /** An exchange under way turns out to be this connection's. */
  adopt(exchange: UwsExchange): void {
    this.exchange = exchange;
    exchange.moveTo(this);
    exchange.keepAlive = this.countRequest() && exchange.clientKeeps;
    this.#socket?.onAborted(this.#onAborted);
  }

  /** A request begins. @returns whether another may follow it. */
  countRequest(): boolean {
    this.#requestCount++;
    const { maxRequestsPerConnection } = this.manager.hcm;
    const isLast = maxRequestsPerConnection > 0 && this.#requestCount >= maxRequestsPerConnection;
    return !isLast && !this.#last;
  }

  /** The proxy is draining: idle connections end now, others after their response. */
  drain(): void {
    this.#last = true;
    this.exchange.keepAlive = false;
    if (!this.busy) this.#closeSoon(this.#lingers);
  }

  /** Closes at once; a request under way ends as if its client had gone. */
  close(): void {
    const socket = this.#socket;
    if (socket === null || this.#doubt > 0) return;
    socket.close();
    this.#gone();
  }

  /** Some connection may be gone without a word; is it this one? */
  doubt(): void {
    if (!this.busy && this.#doubt === 0) this.#doubt = DOUBT_PULSES;
  }

  #gone(): void {
    if (this.#socket === null) return;
    this.#socket = null;
    this.#closing = true;
    const { silo } = this.manager;
    silo.wheel.cancel(this.#pulse);
    silo.wheel.cancel(this.#lifetime);
    silo.wheel.cancel(this.#drain);
    this.#countClosed(silo.clock.monotonicMs() - this.#openedMs);
    this.#owner.connectionGone(this);
    this.exchange.aborted();
  }

  #countOpen(): void {
    this.#stats.downstream_cx_total.inc();
    this.#stats.downstream_cx_active.inc();
    this.#stats.downstream_cx_http1_total.inc();
    this.#stats.downstream_cx_http1_active.inc();
    this.#listenerStats.downstream_cx_total.inc();
    this.#listenerStats.downstream_cx_active.inc();
  }

  #countClosed(lengthMs: number): void {
    this.#stats.downstream_cx_destroy.inc();
    if (this.busy) this.#stats.downstream_cx_destroy_remote_active_rq.inc();
    this.#stats.downstream_cx_active.dec();
    this.#stats.downstream_cx_http1_active.dec();
    this.#stats.downstream_cx_length_ms.record(lengthMs);
    this.#listenerStats.downstream_cx_active.dec();
    this.#listenerStats.downstream_cx_destroy.inc();
  }

  // --- ExchangeOwner ------------------------------------------------------------------------

  responseEnding(): void {
    this.#owner.forgetCloses();
  }

  responseEnded(): void {
    // uWS may have closed the connection within the call, after it forgot whom to tell.
    if (this.#owner.closedUntold) {
      this.#owner.closeTold();
      this.#gone();
      return;
    }
    this.#socket?.onAborted(this.#onAborted);
    this.#owner.responseEnded(this);
  }

  responseDone(close: boolean, linger: boolean): void {
    const { silo, draining } = this.manager;
    this.#idleSinceMs = silo.clock.monotonicMs();
    this.#lingers = linger;
    if (!close && !draining && !this.#last) return;
    if (close && draining) this.#stats.downstream_cx_drain_close.inc();
    this.#closeSoon(linger);
  }

  /** What was written may be corked still, or wait in uWS for a slow client. */
  #closeSoon(linger: boolean): void {
    if (this.#socket === null || this.#closing) return;
    this.#closing = true;
    const { delayedCloseTimeoutMs } = this.manager.hcm;
    if (!linger || delayedCloseTimeoutMs === 0) setImmediate(this.#closeNow);
    else this.manager.silo.wheel.set(this.#pulse, delayedCloseTimeoutMs);
  }

  // --- time ---------------------------------------------------------------------------------

  onTimeout(kind: number): void {
    if (this.#doubt > 0) {
      if (kind === PULSE) this.#beatInDoubt();
    } else if (kind === LIFETIME) {
      this.#stats.downstream_cx_max_duration_reached.inc();
      this.#startDrain();
    } else if (kind === DRAIN) {
      if (!this.busy) this.#closeSoon(this.#lingers);
    } else if (this.#closing) {
      this.close();
    } else {
      this.#beat();
    }
  }

  #beatInDoubt(): void {
    this.#doubt--;
    if (this.#doubt === 0) this.#gone();
    else this.manager.silo.wheel.set(this.#pulse, PULSE_MS);
  }

  #beat(): void {
    const { silo, hcm } = this.manager;
    const quietMs = this.busy ? 0 : silo.clock.monotonicMs() - this.#idleSinceMs;
    if (hcm.idleTimeoutMs > 0 && !this.#last && quietMs + 1 >= hcm.idleTimeoutMs) {
      this.#stats.downstream_cx_idle_timeout.inc();
      if (this.#requestCount === 0) {
        this.close();
        return;
      }
      this.#startDrain();
    }
    if (this.#closing) return;
    this.#wake();
    silo.wheel.set(this.#pulse, this.#pulseMs(quietMs));
  }

  /**
   * Always both: either turns reading over, so that in the end nothing has changed but the timer. A
   * connection that is held back needs it too: bytes that leave start uWS's timer.
   */
  #wake(): void {
    const socket = this.#socket;
    if (socket === null) return;
    if (this.exchange.paused) {
      socket.resume();
      socket.pause();
    } else {
      socket.pause();
      socket.resume();
    }
  }

  #pulseMs(quietMs: number): number {
    const { idleTimeoutMs } = this.manager.hcm;
    if (idleTimeoutMs === 0 || this.#last) return PULSE_MS;
    return Math.min(PULSE_MS, idleTimeoutMs - quietMs);
  }

  /** From now on answers close the connection; `drain_timeout` later it closes without one. */
  #startDrain(): void {
    const { hcm, silo } = this.manager;
    this.#last = true;
    this.exchange.keepAlive = false;
    if (hcm.drainTimeoutMs > 0) silo.wheel.set(this.#drain, hcm.drainTimeoutMs);
    else if (!this.busy) this.#closeSoon(this.#lingers);
  }
}
