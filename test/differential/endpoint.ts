/** Ends of connections that keep everything they got, and a wait that ends when anything changes. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { isInterim, type Message, readMessages } from "./messages.ts";

/** Wakes everybody who waits, whenever something happened anywhere. */
export class Changes {
  #waiting: (() => void)[] = [];

  readonly wake = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  };

  /** True once `isThere` holds; false when that did not come about in time. */
  async until(isThere: () => boolean, limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs;
    const timer = setTimeout(this.wake, limitMs + 1);
    try {
      while (!isThere()) {
        if (performance.now() >= deadline) return false;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}

export class Endpoint {
  readonly socket: Socket;
  #text = "";
  #isClosed = false;
  /** Null for the upstream's end, which reads requests. */
  readonly methods: string[] | null;
  #messages: Message[] | null = null;

  constructor(socket: Socket, changes: Changes, methods: string[] | null) {
    this.socket = socket;
    this.methods = methods;
    socket.setNoDelay(true);
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.#text += text;
      this.#messages = null;
      changes.wake();
    });
    const end = (): void => {
      this.#isClosed = true;
      this.#messages = null;
      changes.wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get messages(): readonly Message[] {
    this.#messages ??= readMessages(this.#text, {
      isClosed: this.#isClosed,
      methods: this.methods,
    });
    return this.#messages;
  }

  get finals(): readonly Message[] {
    return this.messages.filter((message) => !isInterim(message));
  }

  send(text: string): void {
    this.socket.write(text, "latin1");
  }
}

/** Opens a client's end; resolves when the kernel has accepted it. */
export function openClient(port: number, changes: Changes): Promise<Endpoint> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(new Endpoint(socket, changes, []));
    });
  });
}

/** The upstream of every case: its connections in the order in which they came. */
export class Upstream {
  connections: Endpoint[] = [];
  readonly #server: Server;

  private constructor(changes: Changes) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.connections.push(new Endpoint(socket, changes, null));
    });
  }

  static async listen(changes: Changes): Promise<Upstream> {
    const upstream = new Upstream(changes);
    await new Promise<void>((resolve) => {
      upstream.#server.listen(0, "127.0.0.1", resolve);
    });
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get requests(): readonly Message[] {
    return this.connections.flatMap((connection) => connection.messages);
  }

  /** The connection that got the newest request. */
  get newest(): Endpoint | null {
    return this.connections.findLast((connection) => connection.messages.length > 0) ?? null;
  }

  /** Cuts and forgets every connection. */
  reset(): void {
    for (const connection of this.connections) connection.socket.destroy();
    this.connections = [];
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

/** A port where nobody listens. */
export async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return port;
}
