/** What a listener knows of a client's connection, whatever it speaks. */
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
