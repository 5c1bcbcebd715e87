/**
 * What the router (src/silo) and the upstream side say to each other. One UpstreamRequest is one
 * attempt; retries make a new one.
 */

import type { ClusterConfig } from "../config/types.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { TlsInfo } from "../net/types.ts";
import type { BodyChunk } from "../shm/body-chunk.ts";
import type { RawConnection, RawEvents } from "./raw-connection.ts";
import type { ClusterStats } from "./stats.ts";

/** Why an attempt ended without a complete response. Keys into PROXY_ERRORS by `RESET_ERRORS`. */
export type UpstreamResetReason =
  | "connectFailure"
  | "connectTimeout"
  | "connectionTermination"
  /** An HTTP/2 upstream reset the stream, or refused it (REFUSED_STREAM). */
  | "remoteReset"
  | "remoteRefused"
  | "overflow"
  | "noHealthyUpstream"
  | "protocolError"
  | "localReset";

export interface EndpointInfo {
  /** `ip:port` or `[ip]:port`. */
  readonly address: string;
  readonly ip: string;
  readonly port: number;
  readonly hostname: string;
}

export interface UpstreamConnectionInfo {
  readonly endpoint: EndpointInfo;
  readonly localAddress: string;
  readonly tls: TlsInfo | null;
  /** Milliseconds from the request for a connection to having one. */
  readonly poolReadyMs: number;
}

/**
 * Implemented by the router; one object per attempt. Called on the silo's thread, never from inside
 * `Cluster.request()` or a method of UpstreamRequest (what is found there is reported when the
 * caller's stack has unwound), with one exception: `onConnectionReady` runs inside `sendHeaders()`
 * when a connection is there already. After `onUpstreamReset`, the event that ends the stream, or
 * `reset()` no further event comes.
 */
export interface UpstreamEvents {
  /**
   * Whether the request may end with trailers. `never` is for requests that are sent whole at once:
   * an HTTP/2 stream is cheaper then, but one that is still open ends before it is reset.
   */
  readonly requestTrailers: "maybe" | "never";
  /**
   * The request has a connection; called once, before any byte of it is written: inside
   * `sendHeaders()` when the pool had an idle connection, else when one is made or becomes free.
   * `reset()` may be called from it.
   */
  onConnectionReady(info: UpstreamConnectionInfo): void;
  /** 100, 102, 103...; never 101. */
  onInformational(headers: HeaderMap): void;
  onResponseHeaders(headers: HeaderMap, endStream: boolean): void;
  /** The callee retains the chunk if it keeps it. */
  onResponseData(chunk: BodyChunk, endStream: boolean): void;
  onResponseTrailers(trailers: HeaderMap): void;
  onUpstreamReset(reason: UpstreamResetReason, detail: string): void;
  /** The request direction has more than the high watermark pending / is drained again. */
  onRequestHighWatermark(): void;
  onRequestLowWatermark(): void;
}

/**
 * The sending side of one attempt. What is sent before there is a connection is kept (chunks are
 * retained) and counts towards the high watermark. Every method is harmless once the attempt is
 * over.
 */
export interface UpstreamRequest {
  /**
   * Sends the request head; called first, right after `Cluster.request()`. `headers` holds
   * pseudo-headers and no hop-by-hop headers, and is read only during the call; framing is
   * content-length where that header is present, else chunked unless `endStream`. A body that does
   * not match its content-length ends the attempt as `protocolError`, because the upstream would
   * take the difference for another request.
   */
  sendHeaders(headers: HeaderMap, endStream: boolean): void;
  sendData(chunk: BodyChunk, endStream: boolean): void;
  sendTrailers(trailers: HeaderMap): void;
  /** Stops and restarts reading the response (downstream is slow). Counted: n pauses, n resumes. */
  pauseResponse(): void;
  resumeResponse(): void;
  /**
   * Gives up the attempt: no further event. The connection is closed unless the exchange is over or
   * nothing was written. `cause` "timeout" counts in the endpoint's `rq_timeout`.
   */
  reset(cause?: "timeout"): void;
}

/** Chooses among endpoints: what a load balancer may look at. */
export interface LoadBalancerContext {
  /** Addresses tried before, to be avoided where others exist. Empty on first attempts. */
  readonly triedAddresses: readonly string[];
}

export interface Cluster {
  readonly config: ClusterConfig;
  /** Handles of `cluster.<name>.*`. The router counts responses, times, timeouts and retries. */
  readonly stats: ClusterStats;
  /** Endpoints known now. */
  readonly endpointCount: number;
  /**
   * Starts one attempt: picks an endpoint, gets a connection from its pool (or waits for one).
   * Returns null and sets nothing when no endpoint is there (`noHealthyUpstream`) or a circuit
   * breaker is open; `lastFailure` says which.
   */
  request(events: UpstreamEvents, context: LoadBalancerContext): UpstreamRequest | null;
  /**
   * Begins a connection that passes bytes as they are. Null as for {@link request}; the connection
   * circuit breaker is the only one that counts.
   */
  connectRaw(events: RawEvents, context: LoadBalancerContext): RawConnection | null;
  readonly lastFailure: UpstreamResetReason;
  /** The endpoint that the last `request()` picked, whether it can be reached or not. */
  readonly lastEndpoint: EndpointInfo | null;
  /** Retry circuit breaker: false when `max_retries` are running. Release after the retry ended. */
  acquireRetry(): boolean;
  releaseRetry(): void;
  /** Rows of `/clusters` for this silo: [endpoint address, stat, value]. */
  describe(): readonly EndpointStats[];
}

export interface EndpointStats {
  readonly endpoint: EndpointInfo;
  readonly healthy: boolean;
  readonly weight: number;
  readonly stats: Readonly<Record<string, number>>;
}

/** Clusters that warm up while others serve. */
export interface ClusterChange {
  /** Resolves when each has its first answer from DNS, good or bad. */
  readonly ready: Promise<void>;
  /**
   * New requests go to the new clusters. Replaced ones, and those called `removed`, finish what
   * they have: their idle connections close now.
   */
  commit(removed: readonly string[]): void;
  /** Drops the new clusters. */
  discard(): void;
}

export interface ClusterSet {
  get(name: string): Cluster | null;
  all(): readonly Cluster[];
  /** Resolves when each cluster has its first answer from DNS, good or bad. Start-up only. */
  readonly ready: Promise<void>;
  /**
   * Makes clusters that are to stand beside or in place of those of the same names; nothing uses
   * them before {@link ClusterChange.commit}. Throws as `createClusterSet` does.
   */
  stage(clusters: readonly ClusterConfig[]): ClusterChange;
  /** Closes idle connections now and busy ones when their exchange ends. */
  drain(): void;
  close(): void;
}
