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
import type { TimerWheel } from "./timer-wheel.ts";

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
  readonly node: NodeConfig;
  /** A chunk without bytes, for ends of bodies. Never released. */
  readonly emptyChunk: BodyChunk;
  readonly draining: boolean;
  /** The present second as an HTTP date (RFC 9110 section 5.6.7). */
  httpDate(): string;
  nextConnectionId(): number;
}
