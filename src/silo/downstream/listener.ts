/**
 * The silo's end of one listener: makes a client connection of each descriptor that the acceptor
 * hands over, or listens itself where descriptors cannot be passed between threads.
 */
import { createServer, type Server, type Socket } from "node:net";
import { Logger } from "../../base/log.ts";
import { acceptConnection, createTlsServerContext } from "../../net/accept.ts";
import type { Connection } from "../../net/types.ts";
import type { BodySlab } from "../../shm/body-slab.ts";
import type { HttpManager } from "../http-manager.ts";
import { CodecConnection, type ConnectionOwner } from "./codec.ts";
import type { DownstreamListener } from "./types.ts";

const log = new Logger("connection");

/** Told when a connection that main counts has closed. */
export type ConnectionClosed = (listener: number) => void;

export class SiloListener implements ConnectionOwner, DownstreamListener {
  readonly #index: number;
  readonly #manager: HttpManager;
  readonly #slab: BodySlab;
  readonly #closed: ConnectionClosed;
  readonly #tls: ReturnType<typeof createTlsServerContext> | null;
  readonly #connections = new Set<CodecConnection>();
  #server: Server | null = null;

  constructor(index: number, manager: HttpManager, slab: BodySlab, closed: ConnectionClosed) {
    this.#index = index;
    this.#manager = manager;
    this.#slab = slab;
    this.#closed = closed;
    const { tls } = manager.listener.filterChain;
    this.#tls = tls === null ? null : createTlsServerContext(tls);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Serves the connection behind `source`, which this thread owns from now on. */
  accept(source: { fd: number } | { socket: Socket }): void {
    const client = new CodecConnection(this.#manager, this);
    let connection: Connection;
    try {
      connection = acceptConnection(source, client, this.#slab, this.#tls);
    } catch (error) {
      // The client may have gone between accept and here.
      log.debug(`connection not adopted: ${String(error)}`);
      this.#closed(this.#index);
      return;
    }
    this.#connections.add(client);
    client.attach(connection);
  }

  connectionClosed(connection: CodecConnection): void {
    if (this.#connections.delete(connection)) this.#closed(this.#index);
  }

  /** Listens on this thread. `reusePort`: other silos listen on the same port. */
  listen(options: { readonly port: number; readonly reusePort: boolean }): Promise<void> {
    const { host } = this.#manager.listener.address;
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) =>
      this.accept({ socket }),
    );
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, ...options, ipv6Only: host.includes(":") }, () => resolve());
    });
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
