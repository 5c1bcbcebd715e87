/**
 * One connection to an endpoint whose bytes are passed as they are (TCP proxy). Counts as the
 * connections of HTTP pools do. Thread: one silo. @hot per-chunk
 */
import type { Timer } from "../base/clock.ts";
import type { ConnectEvents, Connection } from "../net/types.ts";
import { connectFailureText, socketAddressText } from "./connection-texts.ts";
import type { PoolRuntime } from "./pool-runtime.ts";
import type { EndpointCounts } from "./stats.ts";
import type { EndpointInfo, UpstreamConnectionInfo } from "./types.ts";

/** Told by a raw connection; none comes from inside the call that made it. */
export interface RawEvents {
  onUpstreamConnected(info: UpstreamConnectionInfo): void;
  /** It was never connected. */
  onConnectFailure(reason: "connectFailure" | "connectTimeout", detail: string): void;
  /** Bytes `[0, length)` of the connection's present buffer: see `Connection.chunkOf`. */
  onUpstreamBytes(length: number): void;
  onUpstreamEnd(): void;
  onUpstreamWritable(): void;
  /** `error` null: an orderly end. */
  onUpstreamClose(error: Error | null): void;
}

export class RawConnection implements ConnectEvents {
  readonly endpoint: EndpointInfo;
  readonly #runtime: PoolRuntime;
  readonly #events: RawEvents;
  readonly #counts: EndpointCounts;
  readonly #startMs: number;
  readonly #connection: Connection;
  #timer: Timer | null;
  #state: "connecting" | "connected" | "closed" = "connecting";
  /** This side closed it. */
  #isLocal = false;

  constructor(
    runtime: PoolRuntime,
    target: { readonly info: EndpointInfo; readonly counts: EndpointCounts },
    events: RawEvents,
  ) {
    const { handles, clock, config } = runtime;
    this.#runtime = runtime;
    this.endpoint = target.info;
    this.#counts = target.counts;
    this.#events = events;
    this.#startMs = clock.monotonicMs();
    handles.upstream_cx_total.inc();
    handles.upstream_cx_active.inc();
    this.#counts.cxTotal++;
    this.#counts.cxActive++;
    this.#connection = runtime.connect(target.info, this);
    this.#timer = clock.after(config.connectTimeoutMs, () => {
      this.#timer = null;
      handles.upstream_cx_connect_timeout.inc();
      this.#fail("connectTimeout", "connection timeout");
    });
  }

  /** The connection itself, for writing and for chunks of what was read. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Closes at once; no event follows. */
  destroy(): void {
    if (this.#state === "closed") return;
    this.#isLocal = true;
    this.#end();
    this.#connection.destroy();
  }

  /** Closes once everything written has left; no event follows. */
  closeAfterFlush(lingerMs: number): void {
    if (this.#state !== "connected") {
      this.destroy();
      return;
    }
    this.#isLocal = true;
    this.#end();
    this.#connection.closeAfterFlush(lingerMs);
  }

  onConnect(): void {
    if (this.#state !== "connecting") return;
    this.#state = "connected";
    this.#timer?.cancel();
    this.#timer = null;
    const { handles, clock } = this.#runtime;
    handles.upstream_cx_connect_ms.record(clock.monotonicMs() - this.#startMs);
    const { localAddress, localPort, tls } = this.#connection;
    this.#events.onUpstreamConnected({
      endpoint: this.endpoint,
      localAddress: socketAddressText(localAddress, localPort),
      tls,
      poolReadyMs: clock.monotonicMs() - this.#startMs,
    });
  }

  onBytes(_buffer: Uint8Array, length: number): void {
    if (this.#state === "connected") this.#events.onUpstreamBytes(length);
  }

  onPeerEnd(): void {
    if (this.#state === "connected") this.#events.onUpstreamEnd();
  }

  onWritable(): void {
    if (this.#state === "connected") this.#events.onUpstreamWritable();
  }

  onClose(error: Error | null): void {
    if (this.#state === "connecting") {
      this.#fail("connectFailure", connectFailureText(error));
    } else if (this.#state === "connected") {
      this.#end();
      this.#events.onUpstreamClose(error);
    }
  }

  #fail(reason: "connectFailure" | "connectTimeout", detail: string): void {
    if (this.#state !== "connecting") return;
    this.#runtime.handles.upstream_cx_connect_fail.inc();
    this.#counts.cxConnectFail++;
    this.#end();
    this.#connection.destroy();
    this.#events.onConnectFailure(reason, detail);
  }

  #end(): void {
    const { handles, breakers, clock } = this.#runtime;
    this.#state = "closed";
    this.#timer?.cancel();
    this.#timer = null;
    breakers.connections.release();
    handles.upstream_cx_active.dec();
    this.#counts.cxActive--;
    handles.upstream_cx_rx_bytes_total.add(this.#connection.bytesReceived);
    handles.upstream_cx_tx_bytes_total.add(this.#connection.bytesSent);
    handles.upstream_cx_length_ms.record(clock.monotonicMs() - this.#startMs);
    handles.upstream_cx_destroy.inc();
    if (this.#isLocal) handles.upstream_cx_destroy_local.inc();
    else handles.upstream_cx_destroy_remote.inc();
  }
}
