/**
 * An upstream server of raw bytes: listens on a free loopback port, reads requests, and answers
 * with exactly the text the test gives, right or wrong HTTP. Tests await connections and requests.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { type RawRequest, RawRequestReader } from "./raw-requests.ts";

export interface FakeUpstreamOptions {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: TlsOptions;
  /** Called with each complete request; usually answers with `connection.write`. */
  readonly onRequest?: (request: RawRequest, connection: FakeUpstreamConnection) => void;
  /** Called when a request's head is there, before its body. */
  readonly onHead?: (request: RawRequest, connection: FakeUpstreamConnection) => void;
  readonly onConnection?: (connection: FakeUpstreamConnection) => void;
}

/** Values that come one by one and are awaited one by one. */
class Arrivals<T> {
  #values: T[] = [];
  #waiting: ((value: T) => void)[] = [];

  push(value: T): void {
    const take = this.#waiting.shift();
    if (take === undefined) this.#values.push(value);
    else take(value);
  }

  next(): Promise<T> {
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** One accepted connection. */
export class FakeUpstreamConnection {
  readonly socket: Socket;
  /** Resolves when the client finished sending or the connection is gone. */
  readonly closed: Promise<void>;
  /** Requests read so far. */
  readonly requests: RawRequest[] = [];
  #requestArrivals = new Arrivals<RawRequest>();
  #headArrivals = new Arrivals<RawRequest>();
  #bytesRead = 0;

  constructor(socket: Socket, options: FakeUpstreamOptions) {
    this.socket = socket;
    const reader = new RawRequestReader({
      onHead: (request) => {
        this.#headArrivals.push(request);
        options.onHead?.(request, this);
      },
      onRequest: (request) => {
        this.requests.push(request);
        this.#requestArrivals.push(request);
        options.onRequest?.(request, this);
      },
    });
    this.closed = new Promise((resolve) => {
      socket.on("end", () => resolve());
      socket.on("close", () => resolve());
    });
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      this.#bytesRead += bytes.length;
      reader.push(bytes.toString("latin1"));
    });
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** The next complete request that nobody took yet. */
  nextRequest(): Promise<RawRequest> {
    return this.#requestArrivals.next();
  }

  nextHead(): Promise<RawRequest> {
    return this.#headArrivals.next();
  }

  /** Writes latin1 text as it is. */
  write(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Sends FIN after what was written. */
  end(): void {
    this.socket.end();
  }

  /** Sends RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }
}

export class FakeUpstream {
  readonly connections: FakeUpstreamConnection[] = [];
  readonly #server: Server;
  readonly #arrivals = new Arrivals<FakeUpstreamConnection>();
  /** Below TLS, so that connections whose handshake failed are known too. */
  readonly #sockets = new Set<Socket>();

  private constructor(options: FakeUpstreamOptions) {
    const accept = (socket: Socket): void => {
      const connection = new FakeUpstreamConnection(socket, options);
      this.connections.push(connection);
      this.#arrivals.push(connection);
      options.onConnection?.(connection);
    };
    this.#server =
      options.tls === undefined
        ? createServer({ allowHalfOpen: true, noDelay: true }, accept)
        : createTlsServer({ ...options.tls, allowHalfOpen: true }, accept);
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Listens on 127.0.0.1 and a free port unless the options say otherwise. */
  static async listen(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
    const upstream = new FakeUpstream(options);
    await new Promise<void>((resolve, reject) => {
      upstream.#server.once("error", reject);
      upstream.#server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve);
    });
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next connection that nobody took yet. */
  nextConnection(): Promise<FakeUpstreamConnection> {
    return this.#arrivals.next();
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    for (const connection of this.connections) connection.socket.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

/** A response with a content-length. */
export function plainResponse(status: number, body: string, extra = ""): string {
  return `HTTP/1.1 ${status} X\r\ncontent-length: ${body.length}\r\n${extra}\r\n${body}`;
}
