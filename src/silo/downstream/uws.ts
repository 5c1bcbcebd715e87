/**
 * The silo's end of one listener that uWebSockets.js serves: makes a connection of each descriptor
 * that the acceptor hands over (or listens itself), checks requests and finds their connections;
 * see docs/adr/010-uws-connections.md. Thread: one silo. @hot per-request
 */
import { assert } from "../../base/assert.ts";
import { LIMITS } from "../../base/limits.ts";
import { Logger } from "../../base/log.ts";
import type { H1ErrorCode } from "../../http/h1/errors.ts";
import { h1Error } from "../../http/h1/errors.ts";
import type { TlsInfo } from "../../net/types.ts";
import type { BodySlab } from "../../shm/body-slab.ts";
import type { HttpManager } from "../http-manager.ts";
import type { DownstreamInfo } from "../stream-info.ts";
import type { DownstreamListener, RequestMeta } from "./types.ts";
import { type ConnectionEnds, type ConnectionOwner, UwsConnection } from "./uws-connection.ts";
import type { UwsExchange } from "./uws-exchange.ts";
import { UwsGuard } from "./uws-guard.ts";
import type { UwsApp, UwsLibrary, UwsRequest, UwsResponseHandle } from "./uws-library.ts";
import { type StrangersOwner, UwsStrangers } from "./uws-strangers.ts";
import { createSslApp } from "./uws-tls.ts";

const log = new Logger("connection");

/** uWS tells nothing of a handshake. */
const UNKNOWN_TLS: TlsInfo = {
  version: "",
  cipher: "",
  serverName: "",
  alpn: "",
  peer: null,
  local: null,
};

/** How connections come from main. */
export interface UwsGate {
  /** As the addon's. */
  socketEnds(fd: number): string;
  capReceiveBuffer(fd: number, bytes: number): void;
  /** Where request bodies lie. */
  readonly slab: BodySlab;
  /** Told when a connection is gone. */
  closed(): void;
}

export class UwsListener implements DownstreamListener, ConnectionOwner, StrangersOwner {
  #manager: HttpManager;
  readonly #library: UwsLibrary;
  readonly #gate: UwsGate;
  /** What is known of the descriptor that uWS is about to take over. */
  #arriving: ConnectionEnds | null = null;
  readonly #app: UwsApp;
  readonly #guard: UwsGuard;
  readonly #connections = new Set<UwsConnection>();
  readonly #strangers: UwsStrangers;
  readonly #tls: TlsInfo | null;
  #port = 0;
  #openCount = 0;
  #listening: object | null = null;
  #closed = false;
  /** Closes since `forgetCloses` whose connection was not told. */
  #untold = 0;
  /** A head that waits for its connection; what it says is in the guard. */
  #pending: UwsResponseHandle | null = null;
  #fault: H1ErrorCode | null = null;
  /** Connections whose response has ended: the next data on them must be heard. */
  #deaf: UwsConnection[] = [];
  readonly #sweep = (): void => {
    if (this.#pending !== null) this.#meetStranger(this.#pending);
  };

  constructor(manager: HttpManager, library: UwsLibrary, gate: UwsGate) {
    const { tls } = manager.chain;
    const limits = {
      headBytesMax: manager.hcm.maxRequestHeadersBytes,
      headersCountMax: manager.hcm.maxHeadersCount,
    };
    this.#manager = manager;
    this.#library = library;
    this.#gate = gate;
    this.#tls = tls === null ? null : UNKNOWN_TLS;
    this.#guard = new UwsGuard(limits, tls === null ? "http" : "https");
    this.#strangers = new UwsStrangers(this);
    this.#app = tls === null ? library.App() : createSslApp(library, tls);
    this.#app.filter((socket, change) => this.#counted(socket, change));
    this.#app.any("/*", (handle, request) => this.#request(handle, request));
  }

  get connectionCount(): number {
    return this.#openCount;
  }

  accept({ fd }: { readonly fd: number }): void {
    const text = this.#gate.socketEnds(fd);
    const count = this.#openCount;
    this.#arriving = text === "" ? null : this.#endsIn(text);
    this.#gate.capReceiveBuffer(fd, LIMITS.uwsReceiveBufferBytes);
    this.#app.adoptSocket(fd);
    this.#arriving = null;
    assert(this.#openCount === count + 1, "uWS takes over every descriptor");
  }

  /** Listens on `port`, together with the other silos. Setup time. */
  listen(port: number): Promise<void> {
    const { host } = this.#manager.listener.address;
    this.#port = port;
    return new Promise((resolve, reject) => {
      this.#app.listen(host, port, (listening) => {
        if (listening === false) {
          reject(new Error(`uWS cannot listen on ${host}:${port}`));
          return;
        }
        this.#listening = listening;
        resolve();
      });
    });
  }

  /** No new connections; idle ones close now, busy ones after their response. */
  drain(): void {
    this.#manager.drain();
    if (this.#listening !== null) this.#library.us_listen_socket_close(this.#listening);
    this.#listening = null;
    for (const connection of [...this.#connections]) connection.drain();
  }

  /** Closes every connection; streams under way end as if their clients had gone. */
  destroyAll(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listening = null;
    this.#app.close();
  }

  /** TLS and limits of heads are those of the start: main opens another listener for others. */
  replacement([manager]: readonly HttpManager[]): () => void {
    return () => {
      this.#manager = manager ?? this.#manager;
    };
  }

  get slab(): BodySlab {
    return this.#gate.slab;
  }

  /** Makes the streams that begin now. */
  get manager(): HttpManager {
    return this.#manager;
  }

  // --- connections --------------------------------------------------------------------------

  #counted(socket: UwsResponseHandle, change: number): void {
    this.#openCount += change;
    if (change > 0) {
      const ends = this.#arriving ?? this.#endsOf(socket);
      this.#connections.add(new UwsConnection(this, socket, ends));
      return;
    }
    this.#untold++;
    this.#gate.closed();
  }

  #endsOf(socket: UwsResponseHandle): ConnectionEnds {
    const text = Buffer.from(socket.getRemoteAddressAsText()).toString("latin1");
    const remotePort = socket.getRemotePort?.() ?? 0;
    const { host } = this.#manager.listener.address;
    const ip = plainAddress(text);
    const remote = { remoteIp: ip, remotePort, directIp: ip, directPort: remotePort };
    return { ...remote, localIp: host, localPort: this.#port, tls: this.#tls };
  }

  #endsIn(text: string): ConnectionEnds {
    const [remoteIp = "", remotePort = "0", localIp = "", localPort = "0"] = text.split(" ");
    return {
      remoteIp,
      remotePort: Number(remotePort),
      directIp: remoteIp,
      directPort: Number(remotePort),
      localIp,
      localPort: Number(localPort),
      tls: this.#tls,
    };
  }

  forgetCloses(): void {
    this.#untold = 0;
  }

  get closedUntold(): boolean {
    return this.#untold > 0;
  }

  closeTold(): void {
    this.#untold--;
  }

  connectionGone(connection: UwsConnection): void {
    this.#connections.delete(connection);
  }

  responseEnded(connection: UwsConnection): void {
    this.#deaf.push(connection);
  }

  doubtAll(): void {
    for (const connection of this.#connections) connection.doubt();
  }

  // --- requests -----------------------------------------------------------------------------

  /** A head is parsed; the connection it came on shows itself with the data behind it. */
  #request(handle: UwsResponseHandle, request: UwsRequest): void {
    if (this.#pending !== null) this.#meetStranger(this.#pending);
    if (this.#deaf.length > 0) {
      for (const connection of this.#deaf) connection.listen();
      this.#deaf.length = 0;
    }
    const guard = this.#guard;
    this.#fault = guard.look(request);
    this.#pending = handle;
    // Behind any other head uWS reports data at once, if only that there is none.
    if (this.#fault !== null || guard.bodyBytes < 0 || this.#strangers.any) {
      setImmediate(this.#sweep);
    }
  }

  dataArrived(connection: UwsConnection): void {
    if (connection.busy) return;
    const handle = this.#pending;
    if (handle !== null) {
      this.#pending = null;
      // Nothing is served behind the last response.
      if (connection.closing) return;
      const { exchange } = connection;
      exchange.start(handle);
      exchange.keepAlive = connection.countRequest();
      this.#serve(exchange, connection.info);
      return;
    }
    if (connection.closing) return;
    const exchange = this.#strangers.takeOnly();
    if (exchange !== null) connection.adopt(exchange);
  }

  /** The connection did not show itself. */
  #meetStranger(handle: UwsResponseHandle): void {
    this.#pending = null;
    const info = { id: this.#manager.silo.nextConnectionId(), ...this.#endsOf(handle) };
    const exchange = this.#strangers.meet(handle);
    this.#serve(exchange, info);
  }

  /** Opens the stream for the head that the guard holds. */
  #serve(exchange: UwsExchange, info: DownstreamInfo): void {
    const { headers, bodyBytes, expectContinue, upgrade, wantsClose, uwsCloses } = this.#guard;
    const fault = this.#fault;
    exchange.headRequest = headers.get(":method") === "HEAD";
    exchange.uwsCloses = uwsCloses;
    exchange.clientKeeps = !wantsClose;
    if (wantsClose) exchange.keepAlive = false;
    if (fault !== null) {
      exchange.refused = true;
      // Answered now, uWS would parse what follows in the same segment as the next request; while
      // the answer is open, it drops the connection instead.
      setImmediate(() => this.#refuse(exchange, fault, info));
      return;
    }
    const hasBody = bodyBytes !== 0;
    const stream = this.#manager.newStream(exchange, info, this.#meta(expectContinue, upgrade));
    exchange.open(stream, hasBody);
    stream.onRequestHeaders(headers, !hasBody);
  }

  #refuse(exchange: UwsExchange, fault: H1ErrorCode, info: DownstreamInfo): void {
    const { status, details } = h1Error(fault);
    this.#manager.stats.downstream_cx_protocol_error.inc();
    log.debug(`uws: request refused: ${fault}`);
    if (!exchange.alive) return;
    const stream = this.#manager.newStream(exchange, info, this.#meta(false, null));
    exchange.open(stream, false);
    stream.onProtocolError(status, details);
  }

  #meta(expectContinue: boolean, upgrade: string | null): RequestMeta {
    const startMs = this.#manager.silo.clock.monotonicMs();
    return { version: 11, expectContinue, upgrade, startMs };
  }
}

/** `0000:0000:0000:0000:0000:0000:0000:0001`, as uWS writes it, is `::1`. */
function plainAddress(text: string): string {
  if (!text.includes(":")) return text;
  try {
    return new URL(`http://[${text}]/`).hostname.slice(1, -1);
  } catch {
    return text;
  }
}
