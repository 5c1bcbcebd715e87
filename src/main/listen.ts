/**
 * Binding of TCP listeners, and the words in which a failure is told. Thread: main.
 */
import { createServer, isIPv6, type Server } from "node:net";
import type { SocketAddress } from "../config/types.ts";

/** A listener as far as accepting goes. */
export interface Doorway {
  readonly name: string;
  readonly address: SocketAddress;
  readonly backlog: number;
}

export interface ListenFailure {
  readonly message: string;
}

/** @returns the port that `server` listens on now, or why it does not. */
export function listenOn(server: Server, doorway: Doorway): Promise<number | ListenFailure> {
  const { host, port } = doorway.address;
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const where = addressText(host, port);
      const why = REASONS[error.code ?? ""] ?? error.message;
      resolve({ message: `listener '${doorway.name}': cannot bind '${where}': ${why}` });
    };
    server.once("error", onError);
    // As in Envoy, an IPv6 listener does not take IPv4 clients.
    const options = { host, port, backlog: doorway.backlog, ipv6Only: isIPv6(host) };
    server.listen(options, () => {
      server.off("error", onError);
      const bound = server.address();
      resolve(bound === null || typeof bound === "string" ? port : bound.port);
    });
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EACCES: "Permission denied",
};

/** `host:port`, with brackets around IPv6. */
export function addressText(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Finds the ports for silos that listen themselves: binds each doorway alone, which fails when
 * another process has it, and lets go again.
 */
export async function reservePorts(
  doorways: readonly Doorway[],
): Promise<readonly number[] | ListenFailure> {
  const servers: Server[] = [];
  const ports: number[] = [];
  let failure: ListenFailure | null = null;
  for (const doorway of doorways) {
    const server = createServer((socket) => socket.destroy());
    const bound = await listenOn(server, doorway);
    if (typeof bound !== "number") {
      failure = bound;
      break;
    }
    servers.push(server);
    ports.push(bound);
  }
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return failure ?? ports;
}
