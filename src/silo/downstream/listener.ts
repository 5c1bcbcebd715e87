/**
 * The silo's end of one listener: makes a client connection of each descriptor that the acceptor
 * hands over, or listens itself where descriptors cannot be passed between threads.
 */
import { createServer, type Server, type Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { Logger } from "../../base/log.ts";
import { acceptConnection, createTlsServerContext } from "../../net/accept.ts";
import type { Connection } from "../../net/types.ts";
import type { BodySlab } from "../../shm/body-slab.ts";
import type { HttpManager } from "../http-manager.ts";
import { CodecConnection, type ConnectionOwner } from "./codec.ts";
import type { DownstreamListener } from "./types.ts";

const log = new Logger("connection");

/** Told when a connection that main counts has closed. */
export type ConnectionClosed = () => void;

export class SiloListener implements ConnectionOwner, DownstreamListener {
  readonly #slab: BodySlab;
  readonly #closed: ConnectionClosed;
  /** Of the streams and connections that begin now. */
  manager: HttpManager;
  #tls: ReturnType<typeof createTlsServerContext> | null;
  readonly #connections = new Set<CodecConnection>();
  #server: Server | null = null;

  constructor(manager: HttpManager, slab: BodySlab, closed: ConnectionClosed) {
    this.manager = manager;
    this.#slab = slab;
    this.#closed = closed;
    this.#tls = tlsOf(manager);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Serves the connection behind `source`, which this thread owns from now on. */
  accept(source: { fd: number } | { socket: Socket }): void {
    const client = new CodecConnection(this);
    let connection: Connection;
    try {
      connection = acceptConnection(source, client, this.#slab, this.#tls);
    } catch (error) {
      // The client may have gone between accept and here.
      log.debug(`connection not adopted: ${String(error)}`);
      this.#closed();
      return;
    }
    this.#connections.add(client);
    client.attach(connection);
  }

  connectionClosed(connection: CodecConnection): void {
    if (this.#connections.delete(connection)) this.#closed();
  }

  /** Listens on this thread. `reusePort`: other silos listen on the same port. */
  listen(options: { readonly port: number; readonly reusePort: boolean }): Promise<void> {
    const { host } = this.manager.listener.address;
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) =>
      this.accept({ socket }),
    );
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, ...options, ipv6Only: host.includes(":") }, () => resolve());
    });
  }

  replacement(manager: HttpManager): () => void {
    const { tls } = this.manager.listener.filterChain;
    const sameTls = isDeepStrictEqual(tls, manager.listener.filterChain.tls);
    const context = sameTls ? this.#tls : tlsOf(manager);
    return () => {
      this.manager = manager;
      this.#tls = context;
      // What was agreed under other certificates or rules does not go on (as in Envoy).
      if (!sameTls) for (const connection of this.#connections) connection.drain();
    };
  }

  /** No new connections; idle ones close now, busy ones after their response. */
  drain(): void {
    this.#server?.close();
    for (const connection of this.#connections) connection.drain();
  }

  destroyAll(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

function tlsOf(manager: HttpManager): ReturnType<typeof createTlsServerContext> | null {
  const { tls } = manager.listener.filterChain;
  return tls === null ? null : createTlsServerContext(tls);
}
