import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { constants } from "node:os";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { present } from "../../../src/base/assert.ts";
import { SOCKET_READY, type SocketCalls } from "../../../src/base/native.ts";
import { NATIVE, NEEDS_NATIVE, openSocketCount, turnsUntil } from "../main/fixtures/sockets.ts";

const { EBADF, EINVAL, ENOTSOCK } = constants.errno;
const WORKER = fileURLToPath(new URL("fixtures/socket-worker.js", import.meta.url));

const ready = new Map<number, number>();
const events = new Int32Array(2 * 4);
const calls: SocketCalls | null =
  NATIVE?.openSockets(events, (count) => {
    for (let i = 0; i < count; i++) {
      ready.set(events[2 * i] as number, events[2 * i + 1] as number);
    }
  }) ?? null;

const needs = calls === null && NATIVE !== null ? { skip: "the addon has no libuv" } : NEEDS_NATIVE;
const sockets = (): SocketCalls => present(calls, "calls");

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** A client, and a descriptor of the other end that nobody else owns. */
async function pair(): Promise<[client: Socket, fd: number]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const accepted = once(server, "connection");
  const client = connect((server.address() as { port: number }).port, "127.0.0.1");
  const [socket] = (await accepted) as [Socket & { _handle: { fd: number } }];
  const fd = present(NATIVE, "addon").dupFd(socket._handle.fd);
  socket.destroy();
  return [client, fd];
}

describe("sockets of the addon", needs, () => {
  it("reads what arrived, writes, and tells of a later read again", async () => {
    const [client, fd] = await pair();
    const slot = sockets().adopt(fd);
    assert.ok(slot >= 0);
    assert.equal(sockets().watch(slot, SOCKET_READY.readable), 0);
    const buffer = Buffer.alloc(16);
    for (const text of ["one", "two"]) {
      ready.delete(slot);
      client.write(text);
      await turnsUntil(() => ready.has(slot));
      assert.equal(ready.get(slot), SOCKET_READY.readable);
      assert.equal(sockets().receive(slot, buffer), 3);
      assert.equal(buffer.toString("latin1", 0, 3), text);
    }
    assert.equal(sockets().receive(slot, buffer), -constants.errno.EAGAIN);
    const answer = once(client, "data");
    assert.equal(sockets().sendBoth(slot, "head \xe4 ", Buffer.from("body")), 11);
    assert.equal(((await answer)[0] as Buffer).toString("latin1"), "head \xe4 body");
    const closed = once(client, "close");
    assert.equal(sockets().close(slot, 0), 0);
    await closed;
  });

  it("answers EBADF for slots that are not open and EINVAL for arguments that are wrong", async () => {
    const [client, fd] = await pair();
    const slot = sockets().adopt(fd);
    const bytes = Buffer.alloc(4);
    const wrong = undefined as unknown as Buffer;
    assert.equal(sockets().receive(slot, wrong), -EINVAL);
    assert.equal(sockets().sendBytes(slot, bytes, 5), -EINVAL);
    assert.equal(sockets().sendBytes(slot, bytes, -1), -EINVAL);
    assert.equal(sockets().sendText(slot, 7 as unknown as string), -EINVAL);
    assert.equal(sockets().sendBoth(slot, "x", wrong), -EINVAL);
    sockets().close(slot, 1);
    for (const odd of [slot, -1, 1_000_000, Number.NaN, "x" as unknown as number]) {
      assert.equal(sockets().receive(odd, bytes), -EBADF);
      assert.equal(sockets().sendText(odd, "x"), -EBADF);
      assert.equal(sockets().sendBytes(odd, bytes, 0), -EBADF);
      assert.equal(sockets().sendBoth(odd, "x", bytes), -EBADF);
      assert.equal(sockets().watch(odd, 1), -EBADF);
      assert.equal(sockets().finish(odd), -EBADF);
      assert.equal(sockets().close(odd, 0), -EBADF);
      assert.equal(sockets().release(odd), -EBADF);
      assert.equal(sockets().takeError(odd), -EBADF);
      assert.equal(sockets().ends(odd), "");
    }
    client.on("error", () => undefined);
    client.destroy();
  });

  it("adopts and connects to nothing that is no stream socket or address", () => {
    assert.equal(sockets().adopt(-1), -EBADF);
    assert.equal(sockets().adopt(1_000_000), -EBADF);
    const file = openSync(WORKER, "r");
    assert.equal(sockets().adopt(file), -ENOTSOCK);
    closeSync(file);
    assert.equal(sockets().connect("localhost", 80), -EINVAL);
    assert.equal(sockets().connect("1.2.3.4.5".repeat(20), 80), -EINVAL);
    assert.equal(sockets().connect(7 as unknown as string, 80), -EINVAL);
  });

  it("sends a text that is longer than its buffer in part", async () => {
    const [client, fd] = await pair();
    client.resume();
    const slot = sockets().adopt(fd);
    assert.equal(sockets().sendText(slot, "x".repeat(65_537)), 65_536);
    assert.equal(sockets().sendBoth(slot, "x".repeat(65_536), Buffer.from("after")), 65_536);
    sockets().close(slot, 0);
    await once(client, "close");
  });

  it("gives a slot out again only when libuv has let go of it, and tells of more than fit", async () => {
    const pairs = await Promise.all(Array.from({ length: 10 }, () => pair()));
    // Closed with input unread: the clients see a reset.
    for (const [other] of pairs) other.on("error", () => undefined);
    const slots = pairs.map(([, fd]) => sockets().adopt(fd));
    assert.equal(new Set(slots).size, 10);
    for (const slot of slots) sockets().watch(slot, SOCKET_READY.readable);
    for (const [client] of pairs) client.write("x");
    await turnsUntil(() => slots.every((slot) => ready.has(slot)));
    const first = slots[0] as number;
    sockets().close(first, 0);
    const [client, fd] = await pair();
    const again = sockets().adopt(fd);
    assert.ok(again >= 0);
    for (const slot of [...slots.slice(1), again]) assert.equal(sockets().close(slot, 0), 0);
    client.destroy();
  });

  it("releases a descriptor that lives on", async () => {
    const [client, fd] = await pair();
    const slot = sockets().adopt(fd);
    assert.equal(sockets().release(slot), fd);
    assert.match(present(NATIVE, "addon").socketEnds(fd), /^127\.0\.0\.1 /);
    assert.equal(present(NATIVE, "addon").closeFd(fd), 0);
    client.destroy();
  });
});

describe("sockets of a worker", needs, () => {
  async function served(worker: Worker): Promise<Socket> {
    const [client, fd] = await pair();
    const adopted = once(worker, "message");
    worker.postMessage(fd);
    assert.ok(((await adopted)[0] as number) >= 0);
    const answer = once(client, "data");
    client.write("hello");
    assert.equal(String((await answer)[0]), "got hello");
    return client;
  }

  it("are closed when the worker is killed, and the process lives on", async () => {
    const worker = new Worker(WORKER);
    const before = openSocketCount();
    const clients = [await served(worker), await served(worker), await served(worker)];
    const closed = clients.map((client) => once(client, "close"));
    for (const client of clients) client.on("error", () => undefined);
    await worker.terminate();
    await Promise.all(closed);
    for (const server of servers.splice(0)) server.close();
    await turnsUntil(() => openSocketCount() <= before);
  });

  it("end with the worker when its code throws: the error is the worker's", async () => {
    const worker = new Worker(WORKER);
    const client = await served(worker);
    const closed = once(client, "close");
    const failed = once(worker, "error");
    client.write("throw");
    assert.equal(((await failed)[0] as Error).message, "thrown on purpose");
    await closed;
  });
});
