/**
 * Circuit breakers of one cluster: plain counts with a maximum, one set per silo (nothing is shared
 * on a request's way, so the limits of the configuration hold for each silo).
 * @hot per-request
 */
import { assert } from "../base/assert.ts";
import type { ClusterConfig } from "../config/types.ts";
import type { Gauge } from "../metrics/types.ts";
import type { ClusterHandles } from "./stats.ts";

/** One resource: how many are in use, how many may be. */
export class Breaker {
  readonly #max: number;
  readonly #open: Gauge;
  #used = 0;

  constructor(max: number, open: Gauge) {
    this.#max = max;
    this.#open = open;
    open.set(max === 0 ? 1 : 0);
  }

  /** Takes one; false when the maximum is in use. */
  acquire(): boolean {
    if (this.#used >= this.#max) return false;
    this.force();
    return true;
  }

  /** Takes one although the maximum may be in use. */
  force(): void {
    this.#used++;
    if (this.#used === this.#max) this.#open.set(1);
  }

  release(): void {
    assert(this.#used > 0, "release of a resource that was not acquired");
    if (this.#used === this.#max) this.#open.set(0);
    this.#used--;
  }
}

/** The four resources that Envoy's default priority limits. */
export interface Breakers {
  readonly connections: Breaker;
  readonly pending: Breaker;
  readonly requests: Breaker;
  readonly retries: Breaker;
}

export function createBreakers(config: ClusterConfig, handles: ClusterHandles): Breakers {
  return {
    connections: new Breaker(config.maxConnections, handles["circuit_breakers.default.cx_open"]),
    pending: new Breaker(
      config.maxPendingRequests,
      handles["circuit_breakers.default.rq_pending_open"],
    ),
    requests: new Breaker(config.maxRequests, handles["circuit_breakers.default.rq_open"]),
    retries: new Breaker(config.maxRetries, handles["circuit_breakers.default.rq_retry_open"]),
  };
}
