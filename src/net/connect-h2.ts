/**
 * HTTP/2 sessions with upstreams: TCP or TLS first, then `node:http2` on that socket, so that the
 * peer's certificate is checked by the same rules as for HTTP/1.1.
 */
import { type ClientHttp2Session, type ClientSessionOptions, connect } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { LIMITS } from "../base/limits.ts";
import { peerFault, type TlsClientOptions } from "./tls-client.ts";
import { tlsInfoOf } from "./tls-info.ts";
import type { TlsInfo } from "./types.ts";

/** The session's socket forbids most of its methods; nothing else of it is used. */
export type Http2Session = ClientHttp2Session;

export interface Http2Events {
  /** TCP is connected and, with TLS, the peer is verified: streams may be opened. */
  onSession(session: Http2Session, facts: Http2Facts): void;
  /** Gone, or never made; called exactly once, last. */
  onSocketClose(error: Error | null): void;
}

export interface Http2Facts {
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls: TlsInfo | null;
  readonly socket: Http2Socket;
}

/** What is read of the socket below a session. */
export interface Http2Socket {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly destroyed: boolean;
}

export interface Http2Target {
  /** IPv4 or IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface Http2Settings {
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  readonly headersBytesMax: number;
  readonly headersCountMax: number;
}

/** A connection that is being made or is there. */
export interface Http2Connecting {
  destroy(): void;
}

/** Begins to connect; the events come later, never from inside. The caller limits the time. */
export function connectHttp2(
  target: Http2Target,
  events: Http2Events,
  settings: Http2Settings,
  tls: TlsClientOptions | null,
): Http2Connecting {
  let failure: Error | null = null;
  const socket = tls === null ? connectTcp(target) : connectSecurely(target, tls);
  socket.setNoDelay(true);
  socket.on("error", (error) => {
    failure ??= error;
  });
  socket.once("close", () => events.onSocketClose(failure));
  socket.once(tls === null ? "connect" : "secureConnect", () => {
    const fault = tls === null ? null : peerFault(socket as never, tls.context);
    if (fault === null) events.onSession(sessionOn(socket, settings), factsOf(socket, tls));
    else socket.destroy(fault);
  });
  return socket;
}

function connectSecurely(target: Http2Target, tls: TlsClientOptions): Socket {
  const { context } = tls;
  const options: ConnectionOptions = {
    ...target,
    secureContext: context.secureContext,
    servername: tls.serverName,
    rejectUnauthorized: context.verifiesChain,
    checkServerIdentity: () => undefined,
    ALPNProtocols: context.alpn.length === 0 ? ["h2"] : [...context.alpn],
  };
  return connectTls(options);
}

function factsOf(socket: Socket, tls: TlsClientOptions | null): Http2Facts {
  return {
    localAddress: socket.localAddress ?? "",
    localPort: socket.localPort ?? 0,
    tls: tls === null ? null : tlsInfoOf(socket as never),
    socket,
  };
}

function sessionOn(socket: Socket, settings: Http2Settings): Http2Session {
  const options: ClientSessionOptions & { maxHeaderListPairs: number } = {
    createConnection: () => socket,
    settings: {
      enablePush: false,
      initialWindowSize: settings.initialStreamWindowBytes,
      maxHeaderListSize: settings.headersBytesMax,
    },
    maxHeaderListPairs: settings.headersCountMax,
    maxSessionMemory: LIMITS.http2UpstreamSessionMib,
    maxSendHeaderBlockLength: LIMITS.http2SentHeadersBytes,
  };
  // The authority is that of each request; this one is only the session's default.
  const session = connect("http://upstream", options);
  session.once("connect", () => {
    if (!session.destroyed) session.setLocalWindowSize(settings.initialConnectionWindowBytes);
  });
  return session;
}
