/**
 * What every pool of one cluster shares: configuration, counters, breakers, and the way to connect.
 */
import type { Clock } from "../base/clock.ts";
import type { Turn } from "../base/turn.ts";
import type { ClusterConfig } from "../config/types.ts";
import type { H1Limits } from "../http/h1/types.ts";
import type { Http2Connecting, Http2Events } from "../net/connect-h2.ts";
import type { ConnectEvents, Connection } from "../net/types.ts";
import type { Breakers } from "./breakers.ts";
import type { ClusterHandles } from "./stats.ts";
import type { EndpointInfo } from "./types.ts";

/** Begins to connect to an endpoint; the events come later, never from inside the call. */
export type Connect = (target: EndpointInfo, events: ConnectEvents) => Connection;

/** The same for HTTP/2. */
export type ConnectHttp2 = (target: EndpointInfo, events: Http2Events) => Http2Connecting;

export interface PoolRuntime {
  readonly config: ClusterConfig;
  readonly handles: ClusterHandles;
  readonly breakers: Breakers;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly turn: Turn;
  readonly limits: H1Limits;
  readonly connect: Connect;
  readonly connectHttp2: ConnectHttp2;
}
