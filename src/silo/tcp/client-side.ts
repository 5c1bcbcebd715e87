/**
 * The client's end of a proxied connection: its socket, what filters and logs see of it, and its
 * counters. @hot per-chunk
 */
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import type { Connection, TlsInfo } from "../../net/types.ts";
import type { BodyChunk } from "../../shm/body-chunk.ts";
import type { DownstreamInfo } from "../stream-info.ts";
import type { TcpManager } from "./tcp-manager.ts";

/** After the end of a connection: for a client that has all, and for one that has not. */
const LINGER_MS = 1_000;
const FLUSH_MS = 60_000;

export class ClientSide implements DownstreamInfo {
  readonly id: number;
  remoteIp = "";
  remotePort = 0;
  directIp = "";
  directPort = 0;
  localIp = "";
  localPort = 0;
  connection: Connection | null = null;
  readonly #manager: TcpManager;
  /** The handshake is over, if there is one. */
  #isSecured = false;
  #isReading = true;
  #isReadingUpstream = true;
  #startMs = 0;

  constructor(manager: TcpManager) {
    this.#manager = manager;
    this.id = manager.silo.nextConnectionId();
  }

  get tls(): TlsInfo | null {
    return this.#isSecured ? (this.connection?.tls ?? null) : null;
  }

  /** Bytes that the client has not taken. */
  get pendingBytes(): number {
    return this.connection?.pendingBytes ?? 0;
  }

  attach(connection: Connection, proxied: ProxiedAddresses | null): void {
    const { stats, listenerStats, silo } = this.#manager;
    const shown = proxied ?? connection;
    this.connection = connection;
    this.remoteIp = shown.remoteAddress;
    this.remotePort = shown.remotePort;
    this.directIp = connection.remoteAddress;
    this.directPort = connection.remotePort;
    this.localIp = shown.localAddress;
    this.localPort = shown.localPort;
    this.#startMs = silo.clock.monotonicMs();
    stats.downstream_cx_total.inc();
    listenerStats.downstream_cx_total.inc();
    listenerStats.downstream_cx_active.inc();
    connection.expectBody();
  }

  /** Bytes came: a handshake is over. */
  secured(): void {
    this.#isSecured = true;
  }

  /** What was just read. */
  chunkOf(length: number): BodyChunk {
    this.#isSecured = true;
    return (this.connection as Connection).chunkOf(0, length);
  }

  /** Stops or restarts reading. */
  read(wanted: boolean): void {
    if (this.#isReading === wanted) return;
    this.#isReading = wanted;
    const { stats } = this.#manager;
    if (wanted) {
      stats.downstream_flow_control_resumed_reading_total.inc();
      this.connection?.resume();
    } else {
      stats.downstream_flow_control_paused_reading_total.inc();
      this.connection?.pause();
    }
  }

  /** The same for the upstream's connection, which this client is too slow for. */
  readUpstream(upstream: Connection, wanted: boolean): void {
    if (this.#isReadingUpstream === wanted) return;
    this.#isReadingUpstream = wanted;
    if (wanted) upstream.resume();
    else upstream.pause();
  }

  end(): void {
    this.connection?.end();
  }

  closeAfterFlush(): void {
    const { connection } = this;
    connection?.closeAfterFlush(connection.pendingBytes > 0 ? FLUSH_MS : LINGER_MS);
  }

  reset(): void {
    this.connection?.reset();
  }

  destroy(): void {
    this.connection?.destroy();
  }

  /** The socket is gone. */
  closed(): void {
    const { stats, listenerStats, silo } = this.#manager;
    const { connection } = this;
    if (connection === null) return;
    stats.downstream_cx_rx_bytes_total.add(connection.bytesReceived);
    stats.downstream_cx_tx_bytes_total.add(connection.bytesSent);
    listenerStats.downstream_cx_active.dec();
    listenerStats.downstream_cx_destroy.inc();
    listenerStats.downstream_cx_length_ms.record(silo.clock.monotonicMs() - this.#startMs);
  }
}
