/**
 * One proxied TCP connection: bytes of the client through the filters to an upstream and back, each
 * side's end passed on by itself (half-close), reading stopped where the other side does not take
 * what was read. Source: Envoy `tcp_proxy`; ABI 5.4. Thread: one silo. @hot per-chunk
 */
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import type { Connection } from "../../net/types.ts";
import type { RawConnection, RawEvents } from "../../upstream/raw-connection.ts";
import type { UpstreamConnectionInfo } from "../../upstream/types.ts";
import { TCP_CLUSTER_STATE } from "../../vm/foreign/filter-state.ts";
import type { BodyBuffer } from "../body-buffer.ts";
import type { SlotConnection } from "../downstream/chain-slot.ts";
import { filterStateOf } from "../filter-state.ts";
import { StreamInfo } from "../stream-info.ts";
import { Timeout, type TimeoutOwner } from "../timer-wheel.ts";
import { ClientSide } from "./client-side.ts";
import { REQUEST, RESPONSE, type TcpFilter, type TcpHalf } from "./tcp-filter.ts";
import { TcpHalfway, type TcpSink } from "./tcp-half.ts";
import type { TcpManager } from "./tcp-manager.ts";

const IDLE = 0;
const LIFETIME = 1;
/** PeerType of `proxy_on_downstream_connection_close`. */
const PEER = { local: 1, remote: 2 } as const;
/** How long an upstream may take what was written before the end. */
const UPSTREAM_LINGER_MS = 1_000;

export interface TcpOwner {
  readonly manager: TcpManager;
  connectionClosed(connection: TcpConnection): void;
}

export class TcpConnection implements SlotConnection, RawEvents, TcpSink, TimeoutOwner {
  readonly manager: TcpManager;
  readonly #owner: TcpOwner;
  readonly #client: ClientSide;
  readonly #idle = new Timeout(this, IDLE);
  readonly #lifetime = new Timeout(this, LIFETIME);
  info: StreamInfo;
  #filters: readonly TcpFilter[] = [];
  #request: TcpHalfway;
  #response: TcpHalfway;
  #upstream: RawConnection | null = null;
  #isConnected = false;
  #attempts = 0;
  /** Filters that know the connection; the proxy itself comes after the last. */
  #begun = 0;
  #lastActivityMs = 0;
  #isClosed = false;

  constructor(owner: TcpOwner) {
    this.#owner = owner;
    this.manager = owner.manager;
    this.#client = new ClientSide(this.manager);
    this.info = new StreamInfo(this.manager.listener, this.#client, this.manager.nextStreamId());
    this.#request = new TcpHalfway(REQUEST, [], this);
    this.#response = new TcpHalfway(RESPONSE, [], this);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  attach(connection: Connection, proxied: ProxiedAddresses | null): void {
    const { silo, proxy } = this.manager;
    this.#client.attach(connection, proxied);
    const { info } = this;
    info.costs = silo.costs;
    info.startMs = silo.clock.monotonicMs();
    info.startWallMs = silo.clock.wallMs();
    info.remoteIp = this.#client.remoteIp;
    info.protocol = "";
    this.#lastActivityMs = info.startMs;
    if (proxy.idleTimeoutMs > 0) silo.wheel.set(this.#idle, proxy.idleTimeoutMs);
    if (proxy.maxConnectionDurationMs > 0) {
      silo.wheel.set(this.#lifetime, proxy.maxConnectionDurationMs);
    }
    this.#filters = this.manager.createFilters(this);
    this.#request = new TcpHalfway(REQUEST, this.#filters, this);
    this.#response = new TcpHalfway(RESPONSE, [...this.#filters].reverse(), this);
    this.#begin();
  }

  /** A filter lets a direction go on that it stopped. */
  resume(half: TcpHalf, filter: TcpFilter): void {
    if (this.#isClosed) return;
    if (half === RESPONSE) {
      this.#response.resume(filter);
      this.#settleReading();
    } else if (this.#isConnected) {
      this.#request.resume(filter);
      this.#settleReading();
    } else if (this.#filters.indexOf(filter) === this.#begun - 1) {
      this.#begin();
    }
  }

  /** Closes the client's connection once what was written has left. */
  close(details: string): void {
    if (details !== "") this.info.connectionTerminationDetails = details;
    this.#finish(PEER.local);
    this.#client.closeAfterFlush();
  }

  /** Connections are not told to end when the listener drains: they have no message to end with. */
  drain(): void {
    // As in Envoy they go on until the drain time is over.
  }

  destroy(): void {
    this.#finish(PEER.local);
    this.#client.destroy();
  }

  // --- from the client's connection ---------------------------------------------------------

  onBytes(_buffer: Uint8Array, length: number): void {
    if (this.#isClosed) return;
    this.#active();
    this.info.requestBodyBytes += length;
    const chunk = this.#client.chunkOf(length);
    this.#request.append(chunk);
    chunk.release();
    if (this.#isConnected) this.#request.run(0);
    this.#settleReading();
  }

  onPeerEnd(): void {
    if (this.#isClosed) return;
    this.#client.secured();
    this.#request.end();
    if (this.#isConnected) this.#request.run(0);
  }

  onWritable(): void {
    if (!this.#isClosed) this.#settleReading();
  }

  onClose(error: Error | null): void {
    const bothEnded = this.#request.endPassed && this.#response.endPassed;
    if (error !== null && !bothEnded) this.info.addFlag("DR");
    this.#finish(PEER.remote);
    this.#request.clear();
    this.#response.clear();
    this.manager.silo.wheel.cancel(this.#idle);
    this.#client.closed();
    this.#owner.connectionClosed(this);
  }

  // --- from the upstream's connection -------------------------------------------------------

  onUpstreamConnected(connected: UpstreamConnectionInfo): void {
    const { info } = this;
    this.#isConnected = true;
    info.upstreamLocalAddress = connected.localAddress;
    info.upstreamTls = connected.tls;
    info.upstreamPoolReadyMs = connected.poolReadyMs;
    this.#request.run(0);
    this.#settleReading();
  }

  onConnectFailure(_reason: "connectFailure" | "connectTimeout", detail: string): void {
    this.#upstream = null;
    if (this.#isClosed) return;
    this.info.addFlag("UF");
    this.info.upstreamFailure = detail;
    this.#connect();
  }

  onUpstreamBytes(length: number): void {
    if (this.#isClosed) return;
    this.#active();
    const { connection } = this.#upstream as RawConnection;
    const chunk = connection.chunkOf(0, length);
    this.#response.append(chunk);
    chunk.release();
    this.#response.run(0);
    this.#settleReading();
  }

  onUpstreamEnd(): void {
    if (this.#isClosed) return;
    this.#response.end();
    this.#response.run(0);
  }

  onUpstreamWritable(): void {
    if (!this.#isClosed) this.#settleReading();
  }

  onUpstreamClose(error: Error | null): void {
    this.#upstream = null;
    if (this.#isClosed) return;
    if (error === null) {
      if (!this.#response.ended) this.onUpstreamEnd();
      if (!this.#isClosed) this.close("");
      return;
    }
    // What broke off on one side breaks off on the other.
    this.info.addFlag("UR");
    this.#finish(PEER.local);
    this.#client.reset();
  }

  // --- from the filters ---------------------------------------------------------------------

  passed(half: TcpHalf, data: BodyBuffer): void {
    const target = half === REQUEST ? this.#upstream?.connection : this.#client.connection;
    if (target === undefined || target === null) return;
    if (half === RESPONSE) this.info.responseBodyBytes += data.byteLength;
    for (let chunk = data.shift(); chunk !== null; chunk = data.shift()) {
      target.writeChunk(chunk);
      chunk.release();
    }
  }

  passedEnd(half: TcpHalf): void {
    if (half === REQUEST) this.#upstream?.connection.end();
    else this.#client.end();
    if (!this.#request.endPassed || !this.#response.endPassed) return;
    // Both sides have ended; the sockets close once they are flushed. The last end closed it.
    this.#finish(half === REQUEST ? PEER.remote : PEER.local);
  }

  onTimeout(kind: number): void {
    const { silo, proxy, stats } = this.manager;
    if (kind === LIFETIME) {
      stats.max_downstream_connection_duration.inc();
      this.info.addFlag("DT");
      this.close("max_connection_duration_exceeded");
      return;
    }
    const quietMs = silo.clock.monotonicMs() - this.#lastActivityMs;
    if (quietMs + 1 < proxy.idleTimeoutMs) {
      silo.wheel.set(this.#idle, proxy.idleTimeoutMs - quietMs);
      return;
    }
    stats.idle_timeout.inc();
    if (!this.#isClosed) this.info.connectionTerminationDetails = "tcp_session_idle_timeout";
    this.destroy();
  }

  /** Tells the filters of the connection, in their order, and then connects. */
  #begin(): void {
    while (this.#begun < this.#filters.length) {
      const { context } = this.#filters[this.#begun] as TcpFilter;
      this.#begun++;
      const status = context === null ? 0 : context.onNewConnection();
      if (this.#isClosed || status !== 0) return;
    }
    if (this.#attempts === 0) this.#connect();
  }

  #connect(): void {
    const { silo, stats, proxy } = this.manager;
    const { info } = this;
    if (this.#attempts === 0) {
      // A filter may have chosen one.
      const chosen = filterStateOf(info, TCP_CLUSTER_STATE);
      info.clusterName = typeof chosen === "string" ? chosen : this.manager.pickCluster();
    }
    const cluster = silo.clusters.get(info.clusterName);
    if (cluster === null) {
      stats.downstream_cx_no_route.inc();
      this.#giveUp("NC");
      return;
    }
    if (this.#attempts >= proxy.maxConnectAttempts) {
      cluster.stats.handles.upstream_cx_connect_attempts_exceeded.inc();
      this.#giveUp("URX");
      return;
    }
    this.#attempts++;
    info.attemptCount = this.#attempts;
    this.#upstream = cluster.connectRaw(this, { triedAddresses: [] });
    if (this.#upstream !== null) info.endpoint = this.#upstream.endpoint;
    else this.#giveUp(cluster.lastFailure === "overflow" ? "UO" : "UH");
  }

  #giveUp(flag: string): void {
    this.info.addFlag(flag);
    this.#finish(PEER.local);
    // As when a socket closes with bytes unread: the client must see that they went nowhere.
    if (this.#request.data.byteLength > 0) this.#client.reset();
    else this.#client.destroy();
  }

  /** Reads on each side as long as the other side takes it. */
  #settleReading(): void {
    if (this.#isClosed) return;
    const limit = this.manager.listener.perConnectionBufferBytes;
    const upstream = this.#upstream?.connection ?? null;
    const pending = upstream === null ? 0 : upstream.pendingBytes;
    const isFull = pending > limit || this.#request.data.byteLength > limit;
    this.#client.read(this.#isConnected ? !isFull : this.#request.data.byteLength === 0);
    if (upstream === null || !this.#isConnected) return;
    const held = this.#client.pendingBytes > limit || this.#response.data.byteLength > limit;
    this.#client.readUpstream(upstream, !held);
  }

  #active(): void {
    this.#lastActivityMs = this.manager.silo.clock.monotonicMs();
  }

  /** The connection is over for the filters, logs and counters; sockets may still flush. */
  #finish(peer: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { silo } = this.manager;
    silo.wheel.cancel(this.#lifetime);
    this.info.endMs = silo.clock.monotonicMs();
    const upstream = this.#upstream;
    this.#upstream = null;
    const isOrderly = peer === PEER.remote || this.#response.endPassed;
    if (isOrderly) upstream?.closeAfterFlush(UPSTREAM_LINGER_MS);
    else upstream?.destroy();
    for (const { context } of this.#filters) context?.onDownstreamClose(peer);
    for (const { context } of this.#filters) context?.onDestroy();
    this.manager.logConnection(this);
  }
}
