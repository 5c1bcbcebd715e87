/**
 * Connections to upstreams. They own a slab chunk all the time, so that a response body goes on
 * from
 * where the kernel put it.
 */
import { Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { BodySlab } from "../shm/body-slab.ts";
import { onread } from "./accept.ts";
import { NativeConnection } from "./native-connection.ts";
import { nativeSockets } from "./native-sockets.ts";
import { ReadWindow } from "./read-window.ts";
import { SOCKET_BUFFER_BYTES, SocketConnection } from "./socket-connection.ts";
import { peerFault, type TlsClientOptions } from "./tls-client.ts";
import type { ConnectEvents, Connection } from "./types.ts";

export {
  createTlsClientContext,
  type SanMatcher,
  type TlsClientContext,
  type TlsClientOptions,
} from "./tls-client.ts";

export interface ConnectTarget {
  /** IPv4 or IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Begins to connect. `onConnect` follows when TCP is connected and, with TLS, the peer is verified;
 * else `onClose` with the reason. Neither comes from inside this call. The caller limits the time.
 * Thread: the silo that owns `slab`.
 */
export function connectTo(
  target: ConnectTarget,
  events: ConnectEvents,
  slab: BodySlab,
  tls: TlsClientOptions | null,
): Connection {
  const sockets = tls === null ? nativeSockets() : null;
  // The addon knows no zones of IPv6 (fe80::1%eth0).
  if (sockets !== null && !target.host.includes("%")) {
    return NativeConnection.connect(sockets, target, events, slab);
  }
  const window = new ReadWindow(slab, "always");
  const connection = new SocketConnection(events, window);
  connection.remoteAddress = target.host;
  connection.remotePort = target.port;
  if (tls !== null) {
    connectSecurely(target, tls, connection, { events, window });
    return connection;
  }
  const socket = new Socket({
    allowHalfOpen: true,
    writableHighWaterMark: SOCKET_BUFFER_BYTES,
    onread: onread(connection, window),
  } as { allowHalfOpen: boolean });
  connection.attach(socket, null);
  socket.once("connect", () => {
    connection.noteAddresses(socket);
    events.onConnect();
  });
  socket.connect({ host: target.host, port: target.port, noDelay: true });
  return connection;
}

/** What `tls.connect` passes on to the socket without its types saying so. */
interface SocketOptions {
  readonly highWaterMark: number;
  readonly allowHalfOpen: boolean;
  readonly onread: ReturnType<typeof onread>;
}

function connectSecurely(
  target: ConnectTarget,
  tls: TlsClientOptions,
  connection: SocketConnection,
  sinks: { readonly events: ConnectEvents; readonly window: ReadWindow },
): void {
  const { context } = tls;
  // Who speaks HTTP/1.1 must not agree on another protocol.
  const alpn = context.alpn.filter((protocol) => protocol !== "h2");
  const options: ConnectionOptions & SocketOptions = {
    host: target.host,
    port: target.port,
    secureContext: context.secureContext,
    servername: tls.serverName,
    rejectUnauthorized: context.verifiesChain,
    // As in Envoy the name is compared by the subject_alt_names of the configuration alone.
    checkServerIdentity: () => undefined,
    allowHalfOpen: true,
    highWaterMark: SOCKET_BUFFER_BYTES,
    onread: onread(connection, sinks.window),
    ...(alpn.length === 0 ? {} : { ALPNProtocols: alpn }),
  };
  const socket = connectTls(options);
  socket.setNoDelay(true);
  connection.attach(socket, socket);
  socket.once("secureConnect", () => {
    const fault = peerFault(socket, context);
    if (fault !== null) {
      socket.destroy(fault);
      return;
    }
    connection.noteAddresses(socket);
    sinks.events.onConnect();
  });
}
