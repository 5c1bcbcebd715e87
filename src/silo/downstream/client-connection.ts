/** What a listener knows of a client's connection, whatever it speaks. */
import type { HttpStats, ListenerStats } from "../../metrics/catalogue.ts";
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import type { Connection } from "../../net/types.ts";
import type { HttpManager } from "../http-manager.ts";
import type { DownstreamInfo } from "../stream-info.ts";

export interface ClientConnection {
  /** The listener drains: an idle connection ends now, another one after what it does. */
  drain(): void;
  destroy(): void;
}

/** What owns the connection once it is there. */
export interface ConnectionOwner {
  /** Makes the streams that begin now. */
  readonly manager: HttpManager;
  connectionClosed(connection: ClientConnection): void;
}

/** @param proxied what a PROXY header said; null: the connection's own addresses hold */
export function downstreamInfoOf(
  id: number,
  connection: Connection,
  proxied: ProxiedAddresses | null,
): DownstreamInfo {
  const shown = proxied ?? connection;
  return {
    id,
    remoteIp: shown.remoteAddress,
    remotePort: shown.remotePort,
    localIp: shown.localAddress,
    localPort: shown.localPort,
    directIp: connection.remoteAddress,
    directPort: connection.remotePort,
    tls: connection.tls,
  };
}

/** Counts a connection that was accepted. */
export function countOpened(stats: HttpStats, listenerStats: ListenerStats): void {
  stats.downstream_cx_total.inc();
  stats.downstream_cx_active.inc();
  listenerStats.downstream_cx_total.inc();
  listenerStats.downstream_cx_active.inc();
}

/** What a connection did, for the stats of its end. */
interface ConnectionTotals {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly lengthMs: number;
}

/** Counts the end of a connection that was counted when it was accepted. */
export function countClosed(
  stats: HttpStats,
  listenerStats: ListenerStats,
  totals: ConnectionTotals,
): void {
  stats.downstream_cx_active.dec();
  stats.downstream_cx_rx_bytes_total.add(totals.receivedBytes);
  stats.downstream_cx_tx_bytes_total.add(totals.sentBytes);
  stats.downstream_cx_length_ms.record(totals.lengthMs);
  listenerStats.downstream_cx_active.dec();
  listenerStats.downstream_cx_destroy.inc();
}
