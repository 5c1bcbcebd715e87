/**
 * Connections over plain TCP for tests, to run over Node's streams and over the addon's sockets.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { after, afterEach } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { NATIVE_SWITCH } from "../../../src/base/native.ts";
import { type AcceptedSource, acceptConnection } from "../../../src/net/accept.ts";
import type { Connection } from "../../../src/net/types.ts";
import { BodySlab } from "../../../src/shm/body-slab.ts";
import { createBodySlab } from "../../../src/shm/body-slab-layout.ts";
import { ConnectionRecorder } from "../../harness/connection-recorder.ts";
import { NATIVE } from "../main/fixtures/sockets.ts";

export const slab = new BodySlab(createBodySlab(64 * 1_048_576));
export const servers: Server[] = [];

after(() => {
  for (const server of servers) server.close();
});

afterEach(() => {
  assert.equal(slab.leasedCount, 1, "every chunk is given back");
});

export async function listen(
  onSocket: (socket: Socket) => void,
  reads: "reads" | "doesNotRead" = "reads",
): Promise<number> {
  const options = { allowHalfOpen: true, pauseOnConnect: reads === "doesNotRead" };
  const server = createServer(options, onSocket);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

type Way = "streams" | "native";

let way: Way = "streams";

/** Runs the connections of this process over Node's streams, or over the addon. */
export function chooseWay(chosen: Way): void {
  way = chosen;
  if (chosen === "streams") process.env[NATIVE_SWITCH] = "off";
}

function sourceOf(socket: Socket): AcceptedSource {
  if (way === "streams") return { socket };
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const copy = present(NATIVE, "addon").dupFd(fd);
  socket.destroy();
  return { fd: copy };
}

export interface Pair {
  readonly client: Socket;
  readonly owner: ConnectionRecorder;
  readonly connection: Connection;
}

/** A plain client socket and the accepted Connection over its other end. */
export async function accepted(): Promise<Pair> {
  const owner = new ConnectionRecorder();
  let client: Socket | null = null;
  const connection = await new Promise<Connection>((resolve, reject) => {
    listen((socket) => {
      owner.connection = acceptConnection(sourceOf(socket), owner, slab, null);
      resolve(owner.connection);
    }, "doesNotRead").then((port) => {
      client = connectSocket({ port, host: "127.0.0.1", allowHalfOpen: true });
      client.on("error", () => undefined);
    }, reject);
  });
  return { client: present<Socket>(client, "client"), owner, connection };
}

/** A FIN leaves the other direction open: the owner has to close, too. */
export async function close(client: Socket, owner: ConnectionRecorder): Promise<void> {
  client.destroy();
  owner.connection?.destroy();
  await owner.closed();
}

/** Everything the socket receives until its end, as latin1. */
export async function received(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
  });
  await once(socket, "end");
  return text;
}
