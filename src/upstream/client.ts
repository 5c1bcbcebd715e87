/**
 * One HTTP/1.1 connection to an endpoint: made once, serves one exchange at a time, tells its pool
 * when it is free or gone. Its writer and reader are reused from exchange to exchange.
 * @hot per-request
 */
import { assert, present } from "../base/assert.ts";
import type { Timer } from "../base/clock.ts";
import type { ConnectEvents, Connection } from "../net/types.ts";
import { type ClientState, nextClientState } from "./client-states.ts";
import { connectFailureText, socketAddressText } from "./connection-texts.ts";
import type { Exchange, ExchangeConnection } from "./exchange.ts";
import type { PoolRuntime } from "./pool-runtime.ts";
import { RequestWriter } from "./request-writer.ts";
import { ResponseReader } from "./response-reader.ts";
import type { EndpointCounts } from "./stats.ts";
import type { EndpointInfo, UpstreamConnectionInfo, UpstreamResetReason } from "./types.ts";

/** Why a connection was never made. */
export interface ConnectFailure {
  readonly reason: "connectFailure" | "connectTimeout";
  readonly detail: string;
}

/** The pool, as its connections see it. */
export interface ClientOwner {
  readonly counts: EndpointCounts;
  /** Whether connections are closed instead of kept when their exchange is over. */
  readonly isDraining: boolean;
  /** The client is connected and has no exchange yet. */
  onConnected(client: Http1Client): void;
  /** The exchange of the client is over. */
  onFree(client: Http1Client): void;
  /** The client is gone; `failure` is set when it was never connected. */
  onClosed(client: Http1Client, failure: ConnectFailure | null): void;
}

/** Which side closed the connection. */
type CloseCause = "local" | "remote";

export class Http1Client implements ConnectEvents, ExchangeConnection {
  /** Monotonic time since when the connection is idle, in milliseconds. */
  idleSinceMs = 0;
  readonly #runtime: PoolRuntime;
  readonly #owner: ClientOwner;
  readonly #target: EndpointInfo;
  readonly #startMs: number;
  readonly #connection: Connection;
  readonly #writer: RequestWriter;
  readonly #reader: ResponseReader;
  #state: ClientState = "connecting";
  #exchange: Exchange | null = null;
  #connectTimer: Timer | null;
  #info: UpstreamConnectionInfo | null = null;
  #requestsLeft: number;
  #rxBytes = 0;
  #countedTxBytes = 0;
  #expectingBody = false;
  #paused = false;
  #peerEnded = false;

  /** Begins to connect; the outcome comes by `onConnected` or `onClosed`, never from inside. */
  constructor(runtime: PoolRuntime, owner: ClientOwner, target: EndpointInfo) {
    this.#runtime = runtime;
    this.#owner = owner;
    this.#target = target;
    this.#startMs = runtime.clock.monotonicMs();
    const perConnection = runtime.config.maxRequestsPerConnection;
    this.#requestsLeft = perConnection === 0 ? Number.POSITIVE_INFINITY : perConnection;
    const { handles, config } = runtime;
    handles.upstream_cx_total.inc();
    handles.upstream_cx_http1_total.inc();
    handles.upstream_cx_active.inc();
    owner.counts.cxTotal++;
    owner.counts.cxActive++;
    this.#connection = runtime.connect(target, this);
    this.#writer = new RequestWriter(this.#connection, runtime.turn);
    this.#reader = new ResponseReader(this.#connection, runtime.limits);
    this.#connectTimer = runtime.clock.after(config.connectTimeoutMs, () => {
      this.#connectTimer = null;
      handles.upstream_cx_connect_timeout.inc();
      this.#connectFailed("connectTimeout", "connection timeout");
    });
  }

  get wasConnected(): boolean {
    return this.#info !== null;
  }

  get writer(): RequestWriter {
    return this.#writer;
  }

  /** Gives the idle connection its next exchange. */
  assign(exchange: Exchange): void {
    this.#state = nextClientState(this.#state, "assign");
    this.#exchange = exchange;
    this.#requestsLeft--;
    this.#writer.begin();
    const { handles } = this.#runtime;
    const { counts } = this.#owner;
    handles.upstream_rq_total.inc();
    handles.upstream_rq_active.inc();
    counts.rqTotal++;
    counts.rqActive++;
    exchange.assign(this);
  }

  /** Closes the connection from this side; a running exchange ends as `localReset`. */
  close(): void {
    if (this.#state === "closed") return;
    if (this.#exchange !== null) this.#failExchange("localReset", "", "local");
    else this.#close("local", null);
  }

  // The exchange's side.

  connectionInfo(poolReadyMs: number): UpstreamConnectionInfo {
    const info = present(this.#info, "connection info");
    if (poolReadyMs === 0) return info;
    return { endpoint: info.endpoint, localAddress: info.localAddress, tls: info.tls, poolReadyMs };
  }

  expectResponse(method: "HEAD" | "other"): void {
    this.#reader.begin(present(this.#exchange, "exchange"), method);
  }

  pause(): void {
    this.#paused = true;
    this.#connection.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#connection.resume();
  }

  abandon(): void {
    if (this.#state !== "busy") return;
    const untouched = this.#writer.isUntouched;
    this.#writer.begin();
    this.#endExchange();
    this.#reader.discard();
    if (untouched && !this.#peerEnded && !this.#owner.isDraining) {
      this.#requestsLeft++;
      this.#free();
    } else {
      this.#runtime.handles.upstream_rq_tx_reset.inc();
      this.#close("local", "withRequest");
    }
  }

  // The connection's side.

  onConnect(): void {
    if (this.#state !== "connecting") return;
    this.#connectTimer?.cancel();
    this.#connectTimer = null;
    const { handles, clock } = this.#runtime;
    handles.upstream_cx_connect_ms.record(clock.monotonicMs() - this.#startMs);
    this.#info = {
      endpoint: this.#target,
      localAddress: socketAddressText(this.#connection.localAddress, this.#connection.localPort),
      tls: this.#connection.tls,
      poolReadyMs: 0,
    };
    this.#state = nextClientState(this.#state, "connected");
    this.#owner.onConnected(this);
  }

  onBytes(buffer: Uint8Array, length: number): void {
    const { turn } = this.#runtime;
    turn.enter();
    this.#read(buffer, length);
    turn.leave();
  }

  #read(buffer: Uint8Array, length: number): void {
    this.#rxBytes += length;
    if (this.#state === "closed") return;
    const exchange = this.#exchange;
    if (exchange === null || this.#writer.isUntouched) {
      this.#protocolError("unsolicited bytes");
      return;
    }
    const outcome = this.#reader.read(buffer, length);
    // A callback may have given the exchange up.
    if (this.#exchange !== exchange) return;
    switch (outcome) {
      case "part":
        this.#reader.deliverPart();
        this.#expectBody();
        return;
      case "complete":
      case "surplus":
        this.#complete(exchange, outcome === "complete");
        return;
      case "malformed":
        this.#protocolError(this.#reader.errorDetails);
    }
  }

  onPeerEnd(): void {
    this.#peerEnded = true;
    if (this.#state !== "busy") {
      // While it is being made, `onClose` tells why it failed.
      if (this.#state === "idle") this.#close("remote", null);
      return;
    }
    const exchange = present(this.#exchange, "exchange");
    if (!this.#writer.isUntouched && this.#reader.finish()) this.#complete(exchange, false);
    else this.#cutShort("");
  }

  bodyLeft(): number {
    return this.#reader.bodyLeft;
  }

  onWritable(): void {
    this.#writer.drained();
    if (this.#exchange !== null) this.#exchange.onDrained();
  }

  onClose(error: Error | null): void {
    switch (this.#state) {
      case "closed":
        return;
      case "connecting":
        this.#connectFailed("connectFailure", connectFailureText(error));
        return;
      case "idle":
        this.#close("remote", null);
        return;
      case "busy":
        if (error === null && !this.#peerEnded) this.onPeerEnd();
        else this.#cutShort(connectFailureText(error));
    }
  }

  /** The peer is gone: a response that had begun is malformed, as in Envoy. */
  #cutShort(detail: string): void {
    const reason = this.#reader.begun ? "protocolError" : "connectionTermination";
    this.#failExchange(reason, detail, "remote");
  }

  #complete(exchange: Exchange, clean: boolean): void {
    const reader = this.#reader;
    const { head, chunk, trailers } = reader;
    const reusable =
      clean &&
      reader.keepAlive &&
      exchange.requestComplete &&
      this.#writer.pendingBytes === 0 &&
      !this.#peerEnded &&
      !this.#owner.isDraining;
    reader.forget();
    exchange.detach();
    this.#endExchange();
    if (!reusable) {
      this.#close(this.#peerEnded ? "remote" : "local", null);
    } else if (this.#requestsLeft <= 0) {
      this.#runtime.handles.upstream_cx_max_requests.inc();
      this.#close("local", null);
    } else {
      this.#free();
    }
    exchange.deliverEnd(head, chunk, trailers);
  }

  /** Before the router hears the end of the response: its next request finds a connection. */
  #free(): void {
    if (this.#expectingBody) {
      this.#expectingBody = false;
      this.#connection.bodyDone();
    }
    if (this.#paused) this.resume();
    this.#state = nextClientState(this.#state, "free");
    this.#owner.onFree(this);
  }

  #expectBody(): void {
    if (this.#expectingBody || this.#state !== "busy" || !this.#reader.inBody) return;
    this.#expectingBody = true;
    this.#connection.expectBody();
  }

  #protocolError(detail: string): void {
    this.#runtime.handles.upstream_cx_protocol_error.inc();
    if (this.#exchange === null) this.#close("local", null);
    else this.#failExchange("protocolError", detail, "local");
  }

  #failExchange(reason: UpstreamResetReason, detail: string, cause: CloseCause): void {
    const exchange = present(this.#exchange, "exchange");
    const { handles } = this.#runtime;
    if (cause === "remote") handles.upstream_rq_rx_reset.inc();
    else handles.upstream_rq_tx_reset.inc();
    this.#endExchange();
    this.#reader.discard();
    this.#close(cause, "withRequest");
    exchange.fail(reason, detail);
  }

  #endExchange(): void {
    assert(this.#exchange !== null, "end of an exchange that is not there");
    this.#exchange = null;
    const { handles, breakers } = this.#runtime;
    handles.upstream_rq_active.dec();
    this.#owner.counts.rqActive--;
    breakers.requests.release();
    this.#countBytes();
  }

  #connectFailed(reason: ConnectFailure["reason"], detail: string): void {
    this.#runtime.handles.upstream_cx_connect_fail.inc();
    this.#owner.counts.cxConnectFail++;
    this.#leave("remote", null);
    this.#owner.onClosed(this, { reason, detail });
  }

  #close(cause: CloseCause, running: "withRequest" | null): void {
    this.#leave(cause, running);
    this.#owner.onClosed(this, null);
  }

  #leave(cause: CloseCause, running: "withRequest" | null): void {
    this.#state = nextClientState(this.#state, "close");
    this.#connectTimer?.cancel();
    this.#connectTimer = null;
    // A head that is held must not be written on what is about to be destroyed.
    this.#writer.begin();
    this.#countBytes();
    const { handles, clock } = this.#runtime;
    this.#owner.counts.cxActive--;
    handles.upstream_cx_active.dec();
    handles.upstream_cx_length_ms.record(clock.monotonicMs() - this.#startMs);
    handles.upstream_cx_destroy.inc();
    if (cause === "local") handles.upstream_cx_destroy_local.inc();
    else handles.upstream_cx_destroy_remote.inc();
    if (running !== null) {
      handles.upstream_cx_destroy_with_active_rq.inc();
      if (cause === "local") handles.upstream_cx_destroy_local_with_active_rq.inc();
      else handles.upstream_cx_destroy_remote_with_active_rq.inc();
    }
    this.#connection.destroy();
  }

  #countBytes(): void {
    const { handles } = this.#runtime;
    const txBytes = this.#writer.bytesWritten;
    handles.upstream_cx_rx_bytes_total.add(this.#rxBytes);
    handles.upstream_cx_tx_bytes_total.add(txBytes - this.#countedTxBytes);
    this.#rxBytes = 0;
    this.#countedTxBytes = txBytes;
  }
}
