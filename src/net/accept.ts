/**
 * Connections from accepted sockets: by file descriptor (the acceptor's copy) or as a Node socket.
 */
import { Socket } from "node:net";
import { TLSSocket, type TLSSocketOptions } from "node:tls";
import type { BodySlab } from "../shm/body-slab.ts";
import { NativeConnection } from "./native-connection.ts";
import { nativeSockets } from "./native-sockets.ts";
import { ReadWindow } from "./read-window.ts";
import { SOCKET_BUFFER_BYTES, SocketConnection } from "./socket-connection.ts";
import { clientCertificateFault, type TlsServerContext } from "./tls-server.ts";
import type { Connection, ConnectionEvents } from "./types.ts";

export { createTlsServerContext, type TlsServerContext } from "./tls-server.ts";

/** An accepted TCP connection. The descriptor or socket belongs to the Connection from here on. */
export type AcceptedSource =
  | { readonly fd: number }
  | {
      readonly socket: Socket;
      /** Bytes that were read from it already. */
      readonly early?: Buffer;
    };

/** What an accepted connection tells, beside what every connection does. */
export interface AcceptEvents extends ConnectionEvents {
  /**
   * The TLS handshake is over; `alpn` is the protocol that was agreed on, "" = none.
   * @returns "released" when the connection was released meanwhile and nothing is to be read
   */
  onSecure?(alpn: string): "read" | "released";
}

/** An accepted connection, until its protocol is known. */
export interface AcceptedConnection extends Connection {
  /** Events go to `events` from now on. */
  retarget(events: ConnectionEvents): void;
  /** Gives the socket away; no event comes any more. */
  release(): Socket;
}

const NOTHING = Buffer.alloc(0);

/**
 * Takes over an accepted connection. Events follow in later turns of the event loop; with TLS,
 * bytes
 * follow after the handshake, and a failed handshake is an `onClose` with its error. Throws only
 * when
 * the descriptor is no socket. Thread: the silo that owns `slab`.
 */
export function acceptConnection(
  source: AcceptedSource,
  events: AcceptEvents,
  slab: BodySlab,
  tls: TlsServerContext | null,
): AcceptedConnection {
  if (tls !== null) return acceptTls(source, events, tls);
  if ("fd" in source) {
    const sockets = nativeSockets();
    if (sockets !== null) return NativeConnection.adopt(sockets, source.fd, events, slab);
    return acceptPlain({ fd: source.fd }, events, slab);
  }
  const early = source.early ?? NOTHING;
  const detached = detach(source.socket);
  if (detached !== null) {
    const own = acceptPlain(detached, events, slab);
    // Before anything else can be read, and after the caller has the connection.
    if (early.length > 0) process.nextTick(() => own.receiveEarly(early));
    return own;
  }
  const connection = new SocketConnection(events, null);
  if (early.length > 0) source.socket.unshift(early);
  source.socket.allowHalfOpen = true;
  source.socket.on("data", (bytes: Buffer) => connection.receive(bytes, bytes.byteLength));
  source.socket.setNoDelay(true);
  connection.attach(source.socket, null);
  source.socket.resume();
  return connection;
}

function acceptPlain(
  from: { fd: number } | { handle: object; server: object | null },
  events: ConnectionEvents,
  slab: BodySlab,
): SocketConnection {
  const window = new ReadWindow(slab, "idle");
  const connection = new SocketConnection(events, window);
  const options = {
    ...from,
    allowHalfOpen: true,
    writableHighWaterMark: SOCKET_BUFFER_BYTES,
    onread: onread(connection, window),
  };
  const socket = new Socket(options);
  if ("server" in from) (socket as unknown as SocketInside)._server = from.server;
  socket.setNoDelay(true);
  connection.attach(socket, null);
  return connection;
}

/** The `onread` option: Node asks for a buffer at the start and after every read. */
export function onread(
  connection: SocketConnection,
  window: ReadWindow,
): { buffer: () => Uint8Array; callback: (length: number, buffer: Uint8Array) => boolean } {
  let begun = false;
  const buffer = (): Uint8Array | null => {
    if (begun) return window.next();
    begun = true;
    return window.first();
  };
  const callback = (length: number, bytes: Uint8Array): boolean => {
    connection.receive(bytes, length);
    return true;
  };
  // Node keeps the buffer when the generator gives null, which its types do not say.
  return { buffer: buffer as () => Uint8Array, callback };
}

/** The parts of a `net.Socket` that Node's types leave out. */
interface SocketInside {
  _handle: { useUserBuffer?: unknown } | null;
  /** The server that counts this socket's end and waits for it when it closes. */
  _server: object | null;
}

/**
 * Rebuilds a socket that a `net.Server` made as one that reads by `onread`; Node has no such option
 * for servers. Null when Node's inside looks different or bytes are buffered already: then the
 * socket
 * is used as it is.
 */
function detach(socket: Socket): { handle: object; server: object | null } | null {
  const inside = socket as unknown as SocketInside;
  const handle = inside._handle;
  if (typeof handle?.useUserBuffer !== "function" || socket.readableLength > 0) return null;
  const server = inside._server;
  inside._handle = null;
  inside._server = null;
  return { handle, server };
}

function acceptTls(
  source: AcceptedSource,
  events: AcceptEvents,
  tls: TlsServerContext,
): AcceptedConnection {
  const connection = new SocketConnection(events, null);
  const raw =
    "fd" in source
      ? new Socket({ fd: source.fd, allowHalfOpen: true, manualStart: true } as { fd: number })
      : source.socket;
  raw.setNoDelay(true);
  if ("socket" in source && source.early !== undefined) raw.unshift(source.early);
  raw.on("error", (error) => connection.fail(error));
  const options: TLSSocketOptions & { highWaterMark: number } = {
    isServer: true,
    secureContext: tls.secureContext,
    SNICallback: tls.sniCallback,
    requestCert: tls.clientCertificate !== "none",
    rejectUnauthorized: false,
    highWaterMark: SOCKET_BUFFER_BYTES,
    ...(tls.alpn.length === 0 ? {} : { ALPNProtocols: [...tls.alpn] }),
  };
  const socket = new TLSSocket(raw, options);
  const cutShort = (): void => void socket.destroy(new Error("TLS handshake cut short"));
  socket.once("end", cutShort);
  connection.attach(socket, socket);
  connection.noteAddresses(raw);
  socket.once("secure", () => {
    socket.off("end", cutShort);
    const fault = clientCertificateFault(socket, tls);
    if (fault !== null) {
      socket.destroy(fault);
      return;
    }
    // Node's own TLS server says so here; an HTTP/2 session waits for it.
    (socket as unknown as { secureConnecting: boolean }).secureConnecting = false;
    const { alpnProtocol } = socket;
    const alpn = typeof alpnProtocol === "string" ? alpnProtocol : "";
    if (events.onSecure?.(alpn) === "released") return;
    socket.on("data", (bytes: Buffer) => connection.receive(bytes, bytes.byteLength));
  });
  return connection;
}
