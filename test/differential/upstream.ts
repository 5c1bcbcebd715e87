/** The upstream of every case: HTTP/1 on one port, HTTP/2 on the other. */
import {
  createServer as createH2Server,
  type Http2Server,
  type ServerHttp2Session,
} from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { type Changes, Endpoint, type Peer } from "./endpoint.ts";
import { H2UpstreamPeer } from "./h2-endpoint.ts";
import type { Message } from "./messages.ts";

const listen = (server: Server | Http2Server): Promise<void> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve());
  });
const closing = (server: Server | Http2Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
  });

export class Upstream {
  /** In the order in which they came. */
  connections: Peer[] = [];
  readonly #server: Server;
  readonly #h2Server: Http2Server;

  private constructor(changes: Changes) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.connections.push(new Endpoint(socket, changes, null));
    });
    this.#h2Server = createH2Server().on("session", (session: ServerHttp2Session) => {
      this.connections.push(new H2UpstreamPeer(session, changes));
    });
  }

  static async listen(changes: Changes): Promise<Upstream> {
    const upstream = new Upstream(changes);
    await Promise.all([listen(upstream.#server), listen(upstream.#h2Server)]);
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get h2Port(): number {
    return (this.#h2Server.address() as AddressInfo).port;
  }

  get requests(): readonly Message[] {
    return this.connections.flatMap((connection) => connection.messages);
  }

  /** The connection that got the newest request. */
  get newest(): Peer | null {
    return this.connections.findLast((connection) => connection.messages.length > 0) ?? null;
  }

  /** Cuts and forgets every connection. */
  reset(): void {
    for (const connection of this.connections) connection.destroy();
    this.connections = [];
  }

  async close(): Promise<void> {
    this.reset();
    await Promise.all([closing(this.#server), closing(this.#h2Server)]);
  }
}
