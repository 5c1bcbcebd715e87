/**
 * What every Connection over plain TCP promises, whichever way its sockets are read and written.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { connectTo } from "../../../src/net/connect.ts";
import type { Connection } from "../../../src/net/types.ts";
import { BodyChunk } from "../../../src/shm/body-chunk.ts";
import { ConnectionRecorder } from "../../harness/connection-recorder.ts";
import { accepted, close, listen, received, slab } from "./connection-rig.ts";

export function connectionSuite(): void {
  test("bytes arrive in the silo's shared window and answers go back", async () => {
    const { client, owner, connection } = await accepted();
    client.write("hello");
    await owner.until(() => owner.text === "hello");
    assert.deepEqual([...owner.buffers], [slab.window.buffer]);
    assert.equal(connection.bytesReceived, 5);
    assert.equal(connection.writeText("head \xe4 "), true);
    assert.equal(connection.writeTextAndChunk("a", BodyChunk.ofHeap(Buffer.from("b"))), true);
    connection.writeTextAndChunk("c", BodyChunk.ofHeap(Buffer.alloc(9_000, "d")));
    connection.writeChunk(BodyChunk.ofHeap(Buffer.from("e")));
    assert.equal(connection.bytesSent, 7 + 2 + 9_001 + 1);
    connection.end();
    assert.equal(await received(client), `head \xe4 abc${"d".repeat(9_000)}e`);
    client.end();
    await owner.closed();
    assert.equal(owner.error, null);
    assert.deepEqual(owner.calls.slice(-2), ["peerEnd", "close"]);
  });

  test("both ends of the address are known, also after the close", async () => {
    const { client, owner, connection } = await accepted();
    connection.destroy();
    await owner.closed();
    assert.equal(connection.remoteAddress, "127.0.0.1");
    assert.equal(connection.remotePort, client.localPort);
    assert.equal(connection.localAddress, "127.0.0.1");
    assert.equal(connection.tls, null);
  });

  test("a chunk of the shared window is a copy that outlives the next read", async () => {
    const { client, owner } = await accepted();
    owner.handle = (connection, _, length) => {
      owner.chunks.push(connection.chunkOf(0, length));
    };
    client.write("first");
    await owner.until(() => owner.text === "first");
    client.write("other");
    await owner.until(() => owner.text === "firstother");
    assert.deepEqual(
      owner.chunks.map((chunk) => Buffer.from(chunk.bytes).toString()),
      ["first", "other"],
    );
    for (const chunk of owner.chunks) chunk.release();
    await close(client, owner);
  });

  test("a large range of the window is copied into a slab chunk", async () => {
    const { client, owner } = await accepted();
    owner.handle = (connection, _, length) => {
      owner.chunks.push(connection.chunkOf(0, length));
    };
    client.write(Buffer.alloc(40_000, "x"));
    await owner.until(() => owner.text.length === 40_000);
    for (const chunk of owner.chunks) {
      if (chunk.byteLength > 8_192) assert.ok(chunk.slot >= 0);
      chunk.release();
    }
    await close(client, owner);
  });

  test("an expected body is read into chunks of its own, which keep their bytes", async () => {
    const { client, owner } = await accepted();
    owner.handle = (connection, _, length) => {
      connection.expectBody();
      owner.chunks.push(connection.chunkOf(0, length));
    };
    let sent = "";
    for (let i = 0; i < 12; i++) {
      const part = String.fromCharCode(0x61 + i).repeat(i % 3 === 0 ? 10 : 20_000);
      sent += part;
      client.write(part);
      await owner.until(() => owner.text.length === sent.length);
    }
    const kept = owner.chunks.map((chunk) => Buffer.from(chunk.bytes).toString("latin1")).join("");
    assert.equal(kept, sent);
    const own = owner.chunks.filter((chunk) => chunk.slot >= 0);
    assert.ok(own.length >= 11);
    assert.ok(
      new Set(own.map((chunk) => chunk.slot)).size < own.length,
      "small reads share chunks",
    );
    for (const chunk of owner.chunks) chunk.release();
    await close(client, owner);
  });

  test("after the body the connection gives its chunk back and owns nothing", async () => {
    const { client, owner, connection } = await accepted();
    owner.handle = () => connection.expectBody();
    client.write("1");
    await owner.until(() => owner.text === "1");
    assert.equal(slab.leasedCount, 2);
    owner.handle = () => connection.bodyDone();
    client.write("2");
    await owner.until(() => owner.text === "12");
    assert.equal(slab.leasedCount, 1);
    await close(client, owner);
  });

  test("a slow reader holds back the writer until everything has left", async () => {
    const { client, owner, connection } = await accepted();
    client.pause();
    const lease = slab.lease();
    lease.bytes.fill("y");
    const chunk = lease.view(0, 65_536);
    lease.release();
    let written = 0;
    let flushed = true;
    while (flushed) {
      flushed = connection.writeChunk(chunk);
      written += 65_536;
    }
    chunk.release();
    assert.ok(connection.pendingBytes > 0);
    assert.equal(slab.leasedCount, 2, "the pending chunk is kept");
    let read = 0;
    client.on("data", (bytes: Buffer) => {
      read += bytes.byteLength;
    });
    client.resume();
    await owner.until(() => owner.has("writable"));
    assert.equal(connection.pendingBytes, 0);
    assert.equal(slab.leasedCount, 1);
    connection.end();
    await once(client, "end");
    assert.equal(read, written);
    client.end();
    await owner.closed();
  });

  test("a paused connection reads nothing until it is resumed", async () => {
    const { client, owner, connection } = await accepted();
    client.write("1");
    await owner.until(() => owner.text === "1");
    connection.pause();
    client.write("2");
    // A second connection that goes there and back proves that the loop had the time to read.
    const probe = await accepted();
    probe.client.write("x");
    await probe.owner.until(() => probe.owner.text === "x");
    await close(probe.client, probe.owner);
    assert.equal(owner.text, "1");
    connection.resume();
    await owner.until(() => owner.text === "12");
    await close(client, owner);
  });

  test("closing after the flush delivers the answer although input is left unread", async () => {
    const { client, owner, connection } = await accepted();
    owner.handle = () => {
      owner.handle = () => undefined;
      connection.pause();
      connection.writeText("HTTP/1.1 413 Payload Too Large\r\n\r\n");
      connection.closeAfterFlush(60_000);
    };
    const answer = received(client);
    client.write(Buffer.alloc(300_000));
    assert.equal(await answer, "HTTP/1.1 413 Payload Too Large\r\n\r\n");
    const heard = owner.text.length;
    client.end();
    await owner.closed();
    assert.equal(owner.text.length, heard, "nothing is told any more");
    assert.equal(owner.error, null);
  });

  test("closing after the flush ends after the linger time at the latest", async () => {
    const { client, owner, connection } = await accepted();
    connection.closeAfterFlush(20);
    await owner.closed();
    assert.deepEqual(owner.calls, ["close"]);
    client.destroy();
  });

  test("a reset by the peer is told by onClose and hurts nobody", async () => {
    const { client, owner, connection } = await accepted();
    await once(client, "connect").catch(() => undefined);
    client.resetAndDestroy();
    await owner.closed();
    assert.equal((owner.error as NodeJS.ErrnoException | null)?.code, "ECONNRESET");
    assert.equal(connection.writeText("late"), true);
    assert.equal(connection.writeChunk(BodyChunk.ofHeap(Buffer.from("late"))), true);
    connection.end();
    connection.destroy();
    connection.closeAfterFlush(1);
    assert.equal(owner.calls.filter((call) => call === "close").length, 1);
  });

  test("an upstream connection tells when it is ready and owns a chunk until it closes", async () => {
    const port = await listen((socket) => {
      socket.on("data", () => socket.end("pong"));
    });
    const owner = new ConnectionRecorder();
    const connection = connectTo({ host: "127.0.0.1", port }, owner, slab, null);
    assert.deepEqual(owner.calls, []);
    await owner.until(() => owner.has("connect"));
    assert.equal(connection.remotePort, port);
    assert.notEqual(connection.localPort, 0);
    owner.connection = connection;
    owner.handle = (_, __, length) => {
      owner.chunks.push(connection.chunkOf(0, length));
    };
    connection.writeText("ping");
    await owner.until(() => owner.has("peerEnd"));
    assert.equal(owner.text, "pong");
    assert.ok((owner.chunks[0]?.slot ?? -1) >= 0);
    owner.chunks[0]?.release();
    connection.end();
    await owner.closed();
  });

  test("what is written before the connection is there goes out when it is", async () => {
    let got: Promise<string> | null = null;
    const port = await listen((socket) => {
      got = received(socket);
      socket.end();
    });
    const owner = new ConnectionRecorder();
    const connection = connectTo({ host: "127.0.0.1", port }, owner, slab, null);
    assert.equal(connection.writeText("early"), false);
    connection.writeTextAndChunk("+", BodyChunk.ofHeap(Buffer.alloc(5_000, "z")));
    await owner.until(() => owner.has("writable"));
    connection.end();
    assert.equal(await got, `early+${"z".repeat(5_000)}`);
    await owner.closed();
  });

  test("a refused connection is an onClose with the system's error", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const owner = new ConnectionRecorder();
    connectTo({ host: "127.0.0.1", port }, owner, slab, null);
    await owner.closed();
    assert.equal((owner.error as NodeJS.ErrnoException | null)?.code, "ECONNREFUSED");
    assert.deepEqual(owner.calls, ["close"]);
  });

  /** Writes until the kernel takes no more, then one chunk and a text that wait whole. */
  function fill(connection: Connection): string {
    let written = "";
    let flushed = true;
    for (let i = 0; flushed; i = (i + 1) % 26) {
      const text = String.fromCharCode(0x61 + i).repeat(70_000);
      flushed = connection.writeTextAndChunk(text, BodyChunk.ofHeap(Buffer.alloc(5_000, "-")));
      written += text + "-".repeat(5_000);
    }
    connection.writeChunk(BodyChunk.ofHeap(Buffer.from("chunk")));
    connection.writeText("text");
    return `${written}chunktext`;
  }

  test("an end that is asked for while bytes wait follows them, whole and in order", async () => {
    const { client, owner, connection } = await accepted();
    client.pause();
    const written = fill(connection);
    connection.end();
    assert.equal(connection.writeText("not any more"), true);
    const got = received(client);
    client.resume();
    assert.ok((await got) === written);
    client.end();
    await owner.closed();
    assert.equal(owner.has("writable"), false);
  });

  test("what waits when the connection is destroyed gives its memory back", async () => {
    const { client, owner, connection } = await accepted();
    client.pause();
    fill(connection);
    const lease = slab.lease();
    const chunk = lease.view(0, 65_536);
    lease.release();
    connection.writeChunk(chunk);
    chunk.release();
    assert.equal(slab.leasedCount, 2);
    await close(client, owner);
  });

  test("nothing is told of what arrives while the connection closes", async () => {
    const { client, owner, connection } = await accepted();
    const answer = received(client);
    connection.closeAfterFlush(60_000);
    assert.equal(await answer, "");
    client.end("late");
    await owner.closed();
    assert.deepEqual([owner.text, owner.calls], ["", ["close"]]);
    assert.equal(connection.bytesReceived, 4);
  });

  test("a reset is seen by the peer as one", async () => {
    const { client, owner, connection } = await accepted();
    const failed = once(client, "error");
    client.resume();
    connection.reset();
    assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, "ECONNRESET");
    await owner.closed();
  });

  test("bytes in lent memory are moved out of it where they are kept", async () => {
    const { client, owner } = await accepted();
    const memory = Buffer.alloc(20_000);
    const region = {
      byteLength: memory.length,
      view: (start: number, end: number) => memory.subarray(start, end),
    };
    Object.assign(owner, { bodyLeft: () => 100_000 });
    owner.handle = (connection, _, length) => {
      connection.expectBody();
      const chunk = connection.chunkOf(0, length);
      assert.equal(chunk.origin?.lend(region), true);
      owner.chunks.push(chunk);
    };
    for (const text of ["first", "second", "third"]) {
      const before = owner.text;
      client.write(text);
      await owner.until(() => owner.text === before + text);
    }
    assert.ok(owner.buffers.has(memory.buffer), "the socket read into it");
    memory.fill("x");
    const kept = owner.chunks.map((chunk) => Buffer.from(chunk.bytes).toString());
    assert.deepEqual(kept, ["first", "second", "third"]);
    for (const chunk of owner.chunks) chunk.release();
    await close(client, owner);
  });
}
