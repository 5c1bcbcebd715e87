/**
 * One filter chain of a listener on this silo: its present manager, its TLS and its connections.
 */
import { createTlsServerContext, type TlsServerContext } from "../../net/accept.ts";
import type { HttpManager } from "../http-manager.ts";
import type { CodecConnection, ConnectionOwner } from "./codec.ts";

export class ChainSlot implements ConnectionOwner {
  /** Of the streams and connections that begin now. */
  manager: HttpManager;
  readonly tls: TlsServerContext | null;
  readonly #closed: () => void;
  readonly #connections = new Set<CodecConnection>();

  /** Throws on certificates that OpenSSL refuses. @param closed told of each connection's end */
  constructor(manager: HttpManager, closed: () => void) {
    const { tls } = manager.chain;
    this.manager = manager;
    this.tls = tls === null ? null : createTlsServerContext(tls);
    this.#closed = closed;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  add(connection: CodecConnection): void {
    this.#connections.add(connection);
  }

  connectionClosed(connection: CodecConnection): void {
    if (this.#connections.delete(connection)) this.#closed();
  }

  /** Streams from now on are `manager`'s. */
  goOnWith(manager: HttpManager): this {
    this.manager = manager;
    return this;
  }

  drain(): void {
    for (const connection of this.#connections) connection.drain();
  }

  destroyAll(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}
