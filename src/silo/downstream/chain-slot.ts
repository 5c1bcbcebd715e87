/**
 * One filter chain of a listener on this silo: its present manager, its TLS and its connections.
 */
import { assert } from "../../base/assert.ts";
import {
  type AcceptEvents,
  type AcceptedConnection,
  createTlsServerContext,
  type TlsServerContext,
} from "../../net/accept.ts";
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import { HttpManager } from "../http-manager.ts";
import { TcpConnection } from "../tcp/tcp-connection.ts";
import { TcpManager } from "../tcp/tcp-manager.ts";
import type { ClientConnection } from "./client-connection.ts";
import { ProtocolChoice } from "./protocol-choice.ts";

/** What serves the connections of a filter chain. */
export type ChainManager = HttpManager | TcpManager;

/** `manager`, of a chain that is known to speak HTTP. */
export function httpManager(manager: ChainManager | undefined): HttpManager {
  assert(manager instanceof HttpManager, "the chain speaks HTTP");
  return manager;
}

/** A connection that was accepted just now. */
export interface SlotConnection extends ClientConnection, AcceptEvents {
  /** The connection whose events this object gets. Called once, before any event. */
  attach(connection: AcceptedConnection, proxied: ProxiedAddresses | null): void;
}

export abstract class ChainSlot<M extends ChainManager = ChainManager> {
  /** Of the streams and connections that begin now. */
  manager: M;
  readonly tls: TlsServerContext | null;
  readonly #closed: () => void;
  readonly #connections = new Set<ClientConnection>();

  /** Throws on certificates that OpenSSL refuses. @param closed told of each connection's end */
  constructor(manager: M, closed: () => void, h2: "h2" | "noH2") {
    const { tls } = manager.chain;
    this.manager = manager;
    this.tls = tls === null ? null : createTlsServerContext(tls, h2);
    this.#closed = closed;
  }

  /** Makes one more connection. */
  abstract open(): SlotConnection;

  /** Streams from now on are `manager`'s, which is of the same kind. */
  abstract goOnWith(manager: ChainManager): this;

  get connectionCount(): number {
    return this.#connections.size;
  }

  add(connection: ClientConnection): void {
    this.#connections.add(connection);
  }

  /** `next` is what `connection` has become. */
  swap(connection: ClientConnection, next: ClientConnection): void {
    this.#connections.delete(connection);
    this.#connections.add(next);
  }

  connectionClosed(connection: ClientConnection): void {
    if (this.#connections.delete(connection)) this.#closed();
  }

  drain(): void {
    for (const connection of this.#connections) connection.drain();
  }

  destroyAll(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

class HttpSlot extends ChainSlot<HttpManager> {
  constructor(manager: HttpManager, closed: () => void) {
    super(manager, closed, manager.hcm.codec === "http1" ? "noH2" : "h2");
  }

  open(): SlotConnection {
    return new ProtocolChoice(this);
  }

  goOnWith(manager: ChainManager): this {
    this.manager = httpManager(manager);
    return this;
  }
}

class TcpSlot extends ChainSlot<TcpManager> {
  constructor(manager: TcpManager, closed: () => void) {
    super(manager, closed, "noH2");
  }

  open(): SlotConnection {
    return new TcpConnection(this);
  }

  goOnWith(manager: ChainManager): this {
    assert(manager instanceof TcpManager, "a chain keeps its kind");
    this.manager = manager;
    return this;
  }
}

export function createSlot(manager: ChainManager, closed: () => void): ChainSlot {
  return manager instanceof HttpManager
    ? new HttpSlot(manager, closed)
    : new TcpSlot(manager, closed);
}
