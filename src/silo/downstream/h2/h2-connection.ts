/**
 * One client connection that speaks HTTP/2: a stream of the proxy for each of its streams, its
 * timeouts and limits, and its orderly end (GOAWAY). Thread: one silo.
 */
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { LIMITS } from "../../../base/limits.ts";
import { mapOfRaw } from "../../../http/h2/headers.ts";
import type { HttpStats, ListenerStats } from "../../../metrics/catalogue.ts";
import { Http2Keepalive, type KeepalivePeer } from "../../../net/http2-keepalive.ts";
import type { HttpManager } from "../../http-manager.ts";
import type { DownstreamInfo } from "../../stream-info.ts";
import { Timeout, type TimeoutOwner } from "../../timer-wheel.ts";
import { type ClientConnection, type ConnectionOwner, countClosed } from "../client-connection.ts";
import type { RequestMeta } from "../types.ts";
import { H2Exchange, type H2ExchangeOwner } from "./h2-exchange.ts";
import { H2Guard } from "./h2-guard.ts";
import { normaliseRequest } from "./h2-request.ts";
import { serverSessionOn } from "./h2-server.ts";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM } = constants;
const IDLE = 0;
const LIFETIME = 1;
const CLOSING = 2;
const PROBE = 3;
const VERSION = 20;

export interface H2ConnectionParts {
  readonly socket: Socket;
  /** What was read of the socket already. */
  readonly early: Buffer;
  readonly info: DownstreamInfo;
  /** Monotonic milliseconds when it was accepted. */
  readonly startMs: number;
}

export class H2Connection
  implements ClientConnection, H2ExchangeOwner, TimeoutOwner, KeepalivePeer
{
  heardCount = 0;
  readonly #owner: ConnectionOwner;
  readonly #parts: H2ConnectionParts;
  readonly #session: ServerHttp2Session;
  readonly #stats: HttpStats;
  readonly #listenerStats: ListenerStats;
  readonly #exchanges = new Set<H2Exchange>();
  readonly #guard = new H2Guard();
  readonly #idle = new Timeout(this, IDLE);
  readonly #lifetime = new Timeout(this, LIFETIME);
  readonly #closing = new Timeout(this, CLOSING);
  readonly #probe = new Timeout(this, PROBE);
  readonly #keepalive: Http2Keepalive | null;
  /** A PING is on its way that nobody has answered. */
  #probing = false;
  #streamCount = 0;
  #retired = false;
  #gone = false;

  /** Takes the socket over; `owner` has it among its connections already. */
  constructor(owner: ConnectionOwner, parts: H2ConnectionParts) {
    const { manager } = owner;
    this.#owner = owner;
    this.#parts = parts;
    this.#stats = manager.stats;
    this.#listenerStats = manager.listenerStats;
    this.#stats.downstream_cx_http2_total.inc();
    this.#stats.downstream_cx_http2_active.inc();
    this.#session = serverSessionOn(parts.socket, parts.early, manager.hcm);
    this.#listen();
    this.#armIdle();
    const { keepalive } = manager.hcm.http2;
    const { clock, random } = manager.silo;
    this.#keepalive =
      keepalive === null ? null : new Http2Keepalive(keepalive, clock, random, this);
    this.#keepalive?.start();
    const { maxConnectionDurationMs } = manager.hcm;
    if (maxConnectionDurationMs > 0) {
      manager.silo.wheel.set(this.#lifetime, maxConnectionDurationMs);
    }
  }

  get bufferBytesMax(): number {
    return this.#owner.manager.listener.perConnectionBufferBytes;
  }

  get isGone(): boolean {
    return this.#session.destroyed;
  }

  /** No new streams; the connection ends with its last one. */
  drain(): void {
    this.retire();
  }

  destroy(): void {
    this.#session.destroy();
  }

  retire(): void {
    if (this.#retired || this.#gone) return;
    this.#retired = true;
    // GOAWAY now, the end with the last stream.
    this.#session.close();
    if (this.#exchanges.size === 0) this.#closeSoon();
  }

  // The keepalive's side.

  heard(): void {
    this.heardCount++;
  }

  ping(answered: () => void): boolean {
    return !this.#session.destroyed && !this.#session.closed && this.#session.ping(answered);
  }

  onSilent(): void {
    this.#owner.manager.http2Stats.keepalive_timeout.inc();
    this.destroy();
  }

  // The exchanges' side.

  exchangeClosed(exchange: H2Exchange, end: "done" | "early"): void {
    if (!this.#exchanges.delete(exchange) || this.#gone) return;
    if (end === "early" && this.#guard.streamReset()) this.#refuse();
    else if (this.#exchanges.size > 0) return;
    else if (this.#retired) this.#closeSoon();
    else this.#armIdle();
  }

  onTimeout(kind: number): void {
    if (kind === CLOSING) {
      this.destroy();
      return;
    }
    if (kind === PROBE) {
      this.#onProbe();
      return;
    }
    if (kind === IDLE) {
      if (this.#exchanges.size > 0) return;
      this.#stats.downstream_cx_idle_timeout.inc();
    }
    this.retire();
  }

  /**
   * Asks a client that does nothing for a sign of life: nghttp2 ends a session whose frames made no
   * sense, and then hears nothing any more, not even the end of the connection. Node does not tell.
   */
  #onProbe(): void {
    if (this.#exchanges.size > 0) return;
    if (this.#probing || this.#session.destroyed) {
      this.destroy();
      return;
    }
    this.#probing = true;
    this.#owner.manager.silo.wheel.set(this.#probe, LIMITS.http2ProbeMs);
    this.#session.ping(() => {
      this.#probing = false;
      this.#owner.manager.silo.wheel.cancel(this.#probe);
    });
  }

  #listen(): void {
    const session = this.#session;
    session.on("stream", (stream, _fields, flags, raw?: string[]) => {
      this.#onStream(stream, flags, raw ?? []);
    });
    const control = (): void => {
      if (this.#guard.controlFrame()) this.#refuse();
    };
    session.on("remoteSettings", control);
    session.on("ping", control);
    session.on("error", () => {
      this.#stats.downstream_cx_protocol_error.inc();
    });
    session.on("frameError", () => undefined);
    session.on("close", () => this.#onClose());
    // As for HTTP/1: a client that closes its side is gone, whatever it still waits for.
    this.#parts.socket.on("end", () => this.destroy());
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    const { manager } = this.#owner;
    const { silo, hcm } = manager;
    silo.wheel.cancel(this.#idle);
    silo.wheel.cancel(this.#probe);
    this.#probing = false;
    this.#guard.streamOpened();
    this.heard();
    this.#streamCount++;
    const headers = mapOfRaw(raw);
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const isTooLarge =
      headers.byteSize > hcm.maxRequestHeadersBytes || headers.count > hcm.maxHeadersCount;
    const exchange = new H2Exchange(stream, this, endStream);
    exchange.headRequest = headers.get(":method") === "HEAD";
    this.#exchanges.add(exchange);
    const fault = isTooLarge ? null : normaliseRequest(headers);
    const decoder = manager.newStream(exchange, this.#parts.info, metaOf(headers, silo));
    exchange.start(decoder);
    if (isTooLarge) decoder.onProtocolError(431, "http2.headers_too_large");
    else if (fault !== null) decoder.onProtocolError(400, fault);
    else decoder.onRequestHeaders(headers, endStream);
    exchange.readBody();
    const { maxRequestsPerConnection: max } = hcm;
    if (max > 0 && this.#streamCount >= max) this.retire();
  }

  /** The client does too often what is rarely needed. */
  #refuse(): void {
    if (this.#gone) return;
    this.#session.destroy(new Error("HTTP/2 flood"), NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** A client that does not close its side must not keep the connection. */
  #closeSoon(): void {
    const { silo, hcm } = this.#owner.manager;
    silo.wheel.set(this.#closing, hcm.delayedCloseTimeoutMs);
  }

  #onClose(): void {
    if (this.#gone) return;
    this.#gone = true;
    const { silo } = this.#owner.manager;
    const { socket, startMs } = this.#parts;
    silo.wheel.cancel(this.#idle);
    silo.wheel.cancel(this.#lifetime);
    silo.wheel.cancel(this.#closing);
    silo.wheel.cancel(this.#probe);
    this.#keepalive?.stop();
    const stats = this.#stats;
    stats.downstream_cx_destroy.inc();
    if (this.#exchanges.size > 0) stats.downstream_cx_destroy_remote_active_rq.inc();
    stats.downstream_cx_http2_active.dec();
    countClosed(stats, this.#listenerStats, {
      receivedBytes: socket.bytesRead,
      sentBytes: socket.bytesWritten,
      lengthMs: silo.clock.monotonicMs() - startMs,
    });
    this.#owner.connectionClosed(this);
  }

  #armIdle(): void {
    const { silo, hcm } = this.#owner.manager;
    if (hcm.idleTimeoutMs > 0) silo.wheel.set(this.#idle, hcm.idleTimeoutMs);
    silo.wheel.set(this.#probe, LIMITS.http2ProbeMs);
  }
}

function metaOf(headers: ReturnType<typeof mapOfRaw>, silo: HttpManager["silo"]): RequestMeta {
  const isConnect = headers.get(":method") === "CONNECT";
  const upgrade = isConnect ? (headers.get(":protocol") ?? "connect") : null;
  return { version: VERSION, expectContinue: false, upgrade, startMs: silo.clock.monotonicMs() };
}
