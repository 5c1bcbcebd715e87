/**
 * One HTTP/2 connection to an endpoint: made once, serves as many exchanges at a time as the peer
 * lets, tells its pool when it can take more and when it is gone.
 */
import type { Timer } from "../../base/clock.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type {
  Http2Connecting,
  Http2Events,
  Http2Facts,
  Http2Session,
} from "../../net/connect-h2.ts";
import {
  Http2Keepalive,
  type KeepalivePeer,
  type KeepaliveTimes,
} from "../../net/http2-keepalive.ts";
import type { ConnectFailure } from "../client.ts";
import { connectFailureText, socketAddressText } from "../connection-texts.ts";
import type { Exchange } from "../exchange.ts";
import type { PoolRuntime } from "../pool-runtime.ts";
import type { EndpointCounts } from "../stats.ts";
import type { EndpointInfo, UpstreamConnectionInfo } from "../types.ts";
import { type H2State, nextH2State } from "./h2-states.ts";
import { H2Stream, type H2StreamOwner } from "./h2-stream.ts";

/** Streams that are opened before the peer has told its limit (RFC 9113 section 6.5.2). */
const STREAMS_ASSUMED = 100;

/** No PINGs but those that are asked for. */
function probeTimes(timeoutMs: number): KeepaliveTimes {
  return { intervalMs: 0, timeoutMs, jitterPercent: 0 };
}

/** The pool, as its connections see it. */
export interface H2ClientOwner {
  readonly counts: EndpointCounts;
  /** Begins to connect. */
  connect(events: Http2Events): Http2Connecting;
  /** The connection takes streams, or takes more than before. */
  onCapacity(client: H2Client): void;
  /** Gone; `failure` is set when it was never connected. */
  onClosed(client: H2Client, failure: ConnectFailure | null): void;
}

export class H2Client implements Http2Events, H2StreamOwner, KeepalivePeer {
  heardCount = 0;
  /** Monotonic time since when no exchange runs, in milliseconds. */
  idleSinceMs = 0;
  session: Http2Session | null = null;
  readonly #runtime: PoolRuntime;
  readonly #owner: H2ClientOwner;
  readonly #target: EndpointInfo;
  readonly #startMs: number;
  readonly #connecting: Http2Connecting;
  readonly #streams = new Set<H2Stream>();
  readonly #streamsMax: number;
  #state: H2State = "connecting";
  #connectTimer: Timer | null;
  readonly #keepalive: Http2Keepalive;
  #info: UpstreamConnectionInfo | null = null;
  #facts: Http2Facts | null = null;
  #peerStreamsMax = STREAMS_ASSUMED;
  #requestsLeft: number;

  constructor(runtime: PoolRuntime, owner: H2ClientOwner, target: EndpointInfo) {
    const { config, handles, clock, random } = runtime;
    this.#runtime = runtime;
    this.#owner = owner;
    this.#target = target;
    this.#startMs = clock.monotonicMs();
    this.#streamsMax = config.http2?.concurrentStreamsMax ?? STREAMS_ASSUMED;
    const perConnection = config.maxRequestsPerConnection;
    this.#requestsLeft = perConnection === 0 ? Number.POSITIVE_INFINITY : perConnection;
    const times = config.http2?.keepalive ?? probeTimes(config.connectTimeoutMs);
    this.#keepalive = new Http2Keepalive(times, clock, random, this);
    handles.upstream_cx_total.inc();
    handles.upstream_cx_http2_total.inc();
    handles.upstream_cx_active.inc();
    owner.counts.cxTotal++;
    owner.counts.cxActive++;
    this.#connecting = owner.connect(this);
    this.#connectTimer = clock.after(config.connectTimeoutMs, () => {
      this.#connectTimer = null;
      handles.upstream_cx_connect_timeout.inc();
      this.#close({ reason: "connectTimeout", detail: "connection timeout" });
    });
  }

  get isConnected(): boolean {
    return this.session?.destroyed === false && this.#facts?.socket.destroyed === false;
  }

  get isConnecting(): boolean {
    return this.#state === "connecting";
  }

  /** Exchanges that could be given to it now, or once it is connected. */
  get capacity(): number {
    if (this.#state !== "connecting" && this.#state !== "serving") return 0;
    const streams = Math.min(this.#peerStreamsMax, this.#streamsMax) - this.#streams.size;
    return Math.max(0, Math.min(streams, this.#requestsLeft));
  }

  get canTake(): boolean {
    return this.#state === "serving" && this.capacity > 0;
  }

  get activeCount(): number {
    return this.#streams.size;
  }

  /** Gives the connection one more exchange; it can take one. */
  assign(exchange: Exchange): void {
    const { handles } = this.#runtime;
    const { counts } = this.#owner;
    if (this.#streams.size === 0) this.#askAfterIdle();
    const stream = new H2Stream(this, exchange);
    this.#streams.add(stream);
    this.#requestsLeft--;
    handles.upstream_rq_total.inc();
    handles.upstream_rq_active.inc();
    counts.rqTotal++;
    counts.rqActive++;
    if (this.#requestsLeft <= 0) {
      handles.upstream_cx_max_requests.inc();
      this.#retire();
    }
    exchange.assign(stream);
  }

  /** Closes it now if it is idle, else after its last exchange. */
  drain(): void {
    if (this.#state === "connecting" || this.#streams.size === 0) this.close();
    else this.#retire();
  }

  /** Closes it now; running exchanges end as `localReset`. */
  close(): void {
    if (this.#state === "closed") return;
    const running = [...this.#streams];
    this.#close(null);
    for (const stream of running) stream.fail("localReset", "");
  }

  // The streams' side.

  connectionInfo(poolReadyMs: number): UpstreamConnectionInfo {
    const info = this.#info as UpstreamConnectionInfo;
    return poolReadyMs === 0 ? info : { ...info, poolReadyMs };
  }

  accepts(headers: HeaderMap): boolean {
    const { headBytesMax, headersCountMax } = this.#runtime.limits;
    return headers.byteSize <= headBytesMax && headers.count <= headersCountMax;
  }

  heard(): void {
    this.heardCount++;
  }

  /**
   * Asks the peer for a sign of life and closes the connection when none comes: a peer whose frames
   * made no sense is not heard any more, and Node does not say so.
   */
  probe(): void {
    this.#keepalive.ask();
  }

  onStreamDone(stream: H2Stream, reset: "remote" | "local" | null): void {
    if (!this.#streams.delete(stream)) return;
    const { handles, breakers, clock } = this.#runtime;
    handles.upstream_rq_active.dec();
    this.#owner.counts.rqActive--;
    breakers.requests.release();
    if (reset === "remote") handles.upstream_rq_rx_reset.inc();
    else if (reset === "local") handles.upstream_rq_tx_reset.inc();
    if (this.#streams.size === 0) this.idleSinceMs = clock.monotonicMs();
    if (this.#state === "serving") this.#owner.onCapacity(this);
    else if (this.#state === "retiring" && this.#streams.size === 0) this.#closeGently();
  }

  // The keepalive's side.

  ping(answered: () => void): boolean {
    const { session } = this;
    if (session === null || session.destroyed || session.closed) return false;
    return session.ping(answered);
  }

  onSilent(): void {
    const { config, handles } = this.#runtime;
    const isConfigured = (config.http2?.keepalive ?? null) !== null;
    if (isConfigured) handles["http2.keepalive_timeout"].inc();
    else handles.upstream_cx_protocol_error.inc();
    this.#gone(new Error("no answer to PING"), isConfigured ? "local" : "remote");
  }

  #askAfterIdle(): void {
    const { clock, config } = this.#runtime;
    const idleMs = config.http2?.keepalive?.idleMs ?? 0;
    if (idleMs > 0 && clock.monotonicMs() - this.idleSinceMs >= idleMs) this.#keepalive.ask();
  }

  // The session's side.

  onSession(session: Http2Session, facts: Http2Facts): void {
    if (this.#state !== "connecting") return;
    this.#connectTimer?.cancel();
    this.#connectTimer = null;
    const { handles, clock } = this.#runtime;
    handles.upstream_cx_connect_ms.record(clock.monotonicMs() - this.#startMs);
    this.session = session;
    this.#facts = facts;
    this.#info = {
      endpoint: this.#target,
      localAddress: socketAddressText(facts.localAddress, facts.localPort),
      tls: facts.tls,
      poolReadyMs: 0,
    };
    session.on("remoteSettings", (settings) => {
      this.#peerStreamsMax = settings.maxConcurrentStreams ?? STREAMS_ASSUMED;
      if (this.canTake) this.#owner.onCapacity(this);
    });
    session.on("goaway", () => this.#retire());
    session.on("error", (error) => this.#sessionFailed(error));
    session.on("close", () => this.#gone(null));
    this.#state = nextH2State(this.#state, "connected");
    this.idleSinceMs = clock.monotonicMs();
    this.#keepalive.start();
    this.#owner.onCapacity(this);
  }

  onSocketClose(error: Error | null): void {
    if (this.#state === "connecting") {
      this.#close({ reason: "connectFailure", detail: connectFailureText(error) });
    } else this.#gone(error);
  }

  #sessionFailed(error: Error): void {
    this.#runtime.handles.upstream_cx_protocol_error.inc();
    this.#gone(error);
  }

  /** The peer, or an error, has ended the connection; `cause`: who counts as having closed it. */
  #gone(error: Error | null, cause: "local" | "remote" = "remote"): void {
    if (this.#state === "closed") return;
    const running = [...this.#streams];
    this.#close(null, cause);
    const text = connectFailureText(error);
    const reset = cause === "remote" ? "remote" : null;
    for (const stream of running) stream.fail("connectionTermination", text, reset);
  }

  #retire(): void {
    if (this.#state !== "serving") return;
    this.#state = nextH2State(this.#state, "retire");
    if (this.#streams.size === 0) this.#closeGently();
  }

  /** Lets the last frames leave. */
  #closeGently(): void {
    const { session } = this;
    this.#leave("local");
    this.#owner.onClosed(this, null);
    if (session !== null && !session.destroyed) session.close();
  }

  #close(failure: ConnectFailure | null, cause: "local" | "remote" = "local"): void {
    if (failure !== null) {
      this.#runtime.handles.upstream_cx_connect_fail.inc();
      this.#owner.counts.cxConnectFail++;
    }
    const { session } = this;
    this.#leave(failure === null ? cause : "remote");
    session?.destroy();
    this.#connecting.destroy();
    this.#owner.onClosed(this, failure);
  }

  #leave(cause: "local" | "remote"): void {
    const isBusy = this.#streams.size > 0;
    this.#state = nextH2State(this.#state, "close");
    this.#connectTimer?.cancel();
    this.#connectTimer = null;
    this.#keepalive.stop();
    this.session = null;
    const { handles, clock } = this.#runtime;
    this.#owner.counts.cxActive--;
    handles.upstream_cx_active.dec();
    handles.upstream_cx_length_ms.record(clock.monotonicMs() - this.#startMs);
    handles.upstream_cx_rx_bytes_total.add(this.#facts?.socket.bytesRead ?? 0);
    handles.upstream_cx_tx_bytes_total.add(this.#facts?.socket.bytesWritten ?? 0);
    handles.upstream_cx_destroy.inc();
    const isLocal = cause === "local";
    if (isLocal) handles.upstream_cx_destroy_local.inc();
    else handles.upstream_cx_destroy_remote.inc();
    if (!isBusy) return;
    handles.upstream_cx_destroy_with_active_rq.inc();
    if (isLocal) handles.upstream_cx_destroy_local_with_active_rq.inc();
    else handles.upstream_cx_destroy_remote_with_active_rq.inc();
  }
}
