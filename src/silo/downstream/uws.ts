/**
 * The silo's end of one listener that uWebSockets.js serves: it listens itself, on a port that the
 * silos share (SO_REUSEPORT), parses requests and makes an exchange of each; see
 * docs/adr/004-uws.md. Thread: one silo. @hot per-request
 */
import { Logger } from "../../base/log.ts";
import type { H1ErrorCode } from "../../http/h1/errors.ts";
import { h1Error } from "../../http/h1/errors.ts";
import type { TlsInfo } from "../../net/types.ts";
import type { HttpManager } from "../http-manager.ts";
import type { DownstreamInfo } from "../stream-info.ts";
import type { DownstreamListener, RequestMeta } from "./types.ts";
import { type ExchangeOwner, UwsExchange } from "./uws-exchange.ts";
import { UwsGuard } from "./uws-guard.ts";
import type { UwsApp, UwsLibrary, UwsRequest, UwsResponseHandle } from "./uws-library.ts";
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

export class UwsListener implements DownstreamListener, ExchangeOwner {
  #manager: HttpManager;
  readonly #library: UwsLibrary;
  readonly #app: UwsApp;
  readonly #guard: UwsGuard;
  readonly #exchanges = new Set<UwsExchange>();
  readonly #tls: TlsInfo | null;
  #listening: object | null = null;
  #closed = false;

  constructor(manager: HttpManager, library: UwsLibrary) {
    const { tls } = manager.chain;
    const limits = {
      headBytesMax: manager.hcm.maxRequestHeadersBytes,
      headersCountMax: manager.hcm.maxHeadersCount,
    };
    this.#manager = manager;
    this.#library = library;
    this.#tls = tls === null ? null : UNKNOWN_TLS;
    this.#guard = new UwsGuard(limits, tls === null ? "http" : "https");
    this.#app = tls === null ? library.App() : createSslApp(library, tls);
    this.#app.filter((_, change) => this.#counted(change));
    this.#app.any("/*", (handle, request) => this.#request(handle, request));
  }

  /** Requests under way: uWS does not show its idle connections. */
  get connectionCount(): number {
    return this.#exchanges.size;
  }

  /** Listens on `port`, together with the other silos. Setup time. */
  listen(port: number): Promise<void> {
    const { host } = this.#manager.listener.address;
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

  /** No new connections; responses from now on tell clients to close. */
  drain(): void {
    this.#manager.drain();
    if (this.#listening !== null) this.#library.us_listen_socket_close(this.#listening);
    this.#listening = null;
  }

  /** Closes every connection; streams under way end as if their clients had gone. */
  destroyAll(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.drain();
    for (const exchange of [...this.#exchanges]) exchange.destroy();
    this.#app.close();
  }

  /** TLS and limits of heads are those of the start: main opens another listener for others. */
  replacement([manager]: readonly HttpManager[]): () => void {
    return () => {
      this.#manager = manager ?? this.#manager;
    };
  }

  exchangeEnded(exchange: UwsExchange): void {
    this.#exchanges.delete(exchange);
  }

  #counted(change: number): void {
    const { stats, listenerStats } = this.#manager;
    if (change > 0) {
      stats.downstream_cx_total.inc();
      stats.downstream_cx_active.inc();
      stats.downstream_cx_http1_total.inc();
      stats.downstream_cx_http1_active.inc();
      listenerStats.downstream_cx_total.inc();
      listenerStats.downstream_cx_active.inc();
      return;
    }
    stats.downstream_cx_destroy.inc();
    stats.downstream_cx_active.dec();
    stats.downstream_cx_http1_active.dec();
    listenerStats.downstream_cx_active.dec();
    listenerStats.downstream_cx_destroy.inc();
  }

  #request(handle: UwsResponseHandle, request: UwsRequest): void {
    const exchange = new UwsExchange(handle, this.#manager, this);
    this.#exchanges.add(exchange);
    const guard = this.#guard;
    const fault = guard.look(request);
    const { headers, bodyBytes, expectContinue, upgrade } = guard;
    exchange.headRequest = headers.get(":method") === "HEAD";
    const info = this.#infoOf(handle);
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

  /** uWS does not tell connections apart, so every request has a connection id of its own. */
  #infoOf(handle: UwsResponseHandle): DownstreamInfo {
    const { address } = this.#manager.listener;
    const peerIp = plainAddress(Buffer.from(handle.getRemoteAddressAsText()).toString("latin1"));
    const peerPort = handle.getRemotePort?.() ?? 0;
    return {
      id: this.#manager.silo.nextConnectionId(),
      remoteIp: peerIp,
      remotePort: peerPort,
      directIp: peerIp,
      directPort: peerPort,
      localIp: address.host,
      localPort: address.port,
      tls: this.#tls,
    };
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
