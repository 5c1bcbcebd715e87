import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectSocket, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { acceptConnection } from "../../../src/net/accept.ts";
import { Prelude } from "../../../src/net/prelude.ts";
import { SocketConnection } from "../../../src/net/socket-connection.ts";
import { ConnectionRecorder } from "../../harness/connection-recorder.ts";
import { accepted, chooseWay, close, listen, servers, slab } from "./connection-rig.ts";
import { connectionSuite } from "./connection-suite.ts";

chooseWay("streams");
connectionSuite();

test("the connections are those over Node's sockets", async () => {
  const { client, owner, connection } = await accepted();
  assert.ok(connection instanceof SocketConnection);
  await close(client, owner);
});

test("what was read before comes first, in its own memory; the rest is read into slabs", async () => {
  const owner = new ConnectionRecorder();
  const kept: [slot: number, text: string][] = [];
  owner.handle = (connection, buffer, length) => {
    connection.expectBody();
    const chunk = connection.chunkOf(0, length);
    assert.deepEqual(Buffer.from(chunk.bytes), Buffer.from(buffer.subarray(0, length)));
    kept.push([chunk.slot, Buffer.from(chunk.bytes).toString("latin1")]);
    chunk.release();
  };
  const look = (bytes: Buffer) => (bytes.includes("\n") ? { skip: 3 } : "more");
  const port = await listen((socket) => {
    const onReady = (read: Socket, early: Buffer): void => {
      owner.connection = acceptConnection({ socket: read, early }, owner, slab, null);
    };
    new Prelude({ socket }, { look, onReady, onGone: () => undefined });
  });
  const client = connectSocket({ port, host: "127.0.0.1", allowHalfOpen: true });
  client.write("abc");
  client.write("early\n");
  await owner.until(() => owner.text === "early\n");
  client.write("second");
  await owner.until(() => owner.text === "early\nsecond");
  client.write("third");
  await owner.until(() => owner.text === "early\nsecondthird");
  assert.deepEqual(
    kept.map(([, text]) => text),
    ["early\n", "second", "third"],
  );
  assert.ok((kept[2]?.[0] ?? -1) >= 0, "a slab chunk");
  assert.equal(owner.connection?.bytesReceived, 17);
  owner.connection?.writeText("back");
  assert.equal(String((await once(client, "data"))[0]), "back");
  await close(client, owner);
});

test("a server that stops does not wait for connections taken over and closed", async () => {
  const { client, owner } = await accepted();
  await close(client, owner);
  const server = servers.at(-1) as Server;
  server.close();
  await once(server, "close");
});
