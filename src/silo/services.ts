/**
 * What the silo's composition root gives to everything on its thread.
 */
import type { Clock } from "../base/clock.ts";
import type { Turn } from "../base/turn.ts";
import type { NodeConfig } from "../config/types.ts";
import type { MetricScope } from "../metrics/types.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import type { ClusterSet } from "../upstream/types.ts";
import type { PluginHost } from "../vm/types.ts";
import type { AccessLogs } from "./access-log.ts";
import type { PluginCosts } from "./plugin-cost-feed.ts";
import type { TapRing } from "./tap/tap-ring.ts";
import type { TimerWheel } from "./timer-wheel.ts";

/** Asks clients to go elsewhere, one answer at a time. @hot per-request: `asked` is read first */
export class DrainClose {
  readonly #clock: Clock;
  readonly #random: () => number;
  asked = false;
  #startMs = 0;
  #spanMs = 0;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** `spanMs`: over this time the share of closed connections rises to all; 0 = all at once. */
  ask(spanMs: number): void {
    this.asked = true;
    this.#startMs = this.#clock.monotonicMs();
    this.#spanMs = spanMs;
  }

  forget(): void {
    this.asked = false;
  }

  /** Draws whether this answer is the last on its connection. */
  draw(): boolean {
    if (!this.asked) return false;
    const elapsedMs = this.#clock.monotonicMs() - this.#startMs;
    return elapsedMs >= this.#spanMs || this.#random() * this.#spanMs < elapsedMs;
  }
}

export interface SiloServices {
  readonly turn: Turn;
  /** The turn's. */
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly metrics: MetricScope;
  readonly clusters: ClusterSet;
  readonly plugins: PluginHost;
  readonly accessLogs: AccessLogs;
  readonly costs: PluginCosts;
  readonly taps: TapRing;
  readonly node: NodeConfig;
  /** A chunk without bytes, for ends of bodies. Never released. */
  readonly emptyChunk: BodyChunk;
  /** The silo ends: no connection serves another request. */
  readonly draining: boolean;
  /** Whether answers carry `connection: close` though the listeners go on. */
  readonly drainClose: DrainClose;
  /** The present second as an HTTP date (RFC 9110 section 5.6.7). */
  httpDate(): string;
  nextConnectionId(): number;
}
