/**
 * Signs of life of an HTTP/2 connection: PINGs at intervals, and when its owner asks for one. A
 * peer that sends parts of messages is alive, whatever it does about the PING.
 * Source: Envoy, KeepaliveSettings. Thread: one silo.
 */
import type { Clock, Timer } from "../base/clock.ts";

export interface KeepalivePeer {
  /** Frames of messages that came so far: only a peer that makes sense has them heard. */
  readonly heardCount: number;
  /** Sends a PING; false when the connection is closing. */
  ping(answered: () => void): boolean;
  /** Neither an answer nor anything else came in time. */
  onSilent(): void;
}

export interface KeepaliveTimes {
  /** 0: no PINGs at intervals. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** What is added to each interval at most, in percent of it. */
  readonly jitterPercent: number;
}

export class Http2Keepalive {
  readonly #times: KeepaliveTimes;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #peer: KeepalivePeer;
  /** Of the next PING. */
  #interval: Timer | null = null;
  /** Of the answer. */
  #waiting: Timer | null = null;
  #heardBefore = 0;

  /** @param random uniform in [0, 1) */
  constructor(times: KeepaliveTimes, clock: Clock, random: () => number, peer: KeepalivePeer) {
    this.#times = times;
    this.#clock = clock;
    this.#random = random;
    this.#peer = peer;
  }

  /** The connection is there. */
  start(): void {
    const { intervalMs, jitterPercent } = this.#times;
    if (intervalMs === 0) return;
    const jitterMs = (this.#random() * intervalMs * jitterPercent) / 100;
    this.#interval = this.#clock.after(intervalMs + jitterMs, () => {
      this.#interval = null;
      this.ask();
    });
  }

  /** Asks for a sign of life now, unless one is being waited for. */
  ask(): void {
    if (this.#waiting !== null || !this.#peer.ping(() => this.#answered())) return;
    this.#wait();
  }

  stop(): void {
    this.#interval?.cancel();
    this.#waiting?.cancel();
    this.#interval = null;
    this.#waiting = null;
  }

  #wait(): void {
    this.#heardBefore = this.#peer.heardCount;
    this.#waiting = this.#clock.after(this.#times.timeoutMs, () => {
      this.#waiting = null;
      if (this.#peer.heardCount > this.#heardBefore) this.#wait();
      else this.#peer.onSilent();
    });
  }

  #answered(): void {
    if (this.#waiting === null) return;
    this.#waiting.cancel();
    this.#waiting = null;
    if (this.#interval === null) this.start();
  }
}
