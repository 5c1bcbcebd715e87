/**
 * How connections get to silos: as duplicated descriptors where the native addon is there, else by
 * the kernel over SO_REUSEPORT, else by one silo that listens itself. Thread: main, at start.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { ADDON_BUILDER, type NativeResult } from "../base/native.ts";
import type { SiloBoot } from "../silo/messages.ts";

export interface DispatchPlan {
  readonly dispatch: SiloBoot["dispatch"];
  /** Silos that can take part. */
  readonly concurrency: number;
  /** What the operator loses, and how to get it; null = nothing. */
  readonly warning: string | null;
}

const ADVICE = `install a C compiler and run \`node ${ADDON_BUILDER}\` to get it`;

/** @param reusePort tried only where the addon is absent. */
export async function planDispatch(
  native: NativeResult,
  concurrency: number,
  reusePort: () => Promise<boolean> = canReusePort,
): Promise<DispatchPlan> {
  if (native.kind === "loaded") return { dispatch: "fd", concurrency, warning: null };
  const absent = `no native addon (${native.reason})`;
  if (await reusePort()) {
    const loss = "the kernel spreads connections over the silos";
    return { dispatch: "reusePort", concurrency, warning: `${absent}: ${loss}; ${ADVICE}` };
  }
  if (concurrency === 1) return { dispatch: "shared", concurrency, warning: null };
  const loss = `one silo serves alone instead of ${concurrency}, for this Node has no reusePort`;
  return { dispatch: "shared", concurrency: 1, warning: `${absent}: ${loss}; ${ADVICE}` };
}

/** Whether two sockets of this process can listen on one port. Older Nodes ignore the option. */
export async function canReusePort(): Promise<boolean> {
  const servers: Server[] = [];
  const listen = async (port: number): Promise<number> => {
    const server = createServer((socket) => socket.destroy());
    servers.push(server);
    server.listen({ host: "127.0.0.1", port, reusePort: true } as object);
    await once(server, "listening");
    return (server.address() as { port: number }).port;
  };
  try {
    await listen(await listen(0));
    return true;
  } catch {
    return false;
  } finally {
    for (const server of servers) server.close();
  }
}
