import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { after, test } from "node:test";
import { present } from "../../../src/base/assert.ts";
import {
  directHandleOf,
  type StreamHandle,
  writeBothDirectly,
  writeBytesDirectly,
  writeTextDirectly,
} from "../../../src/net/direct-writes.ts";
import { socketError } from "../../../src/net/socket-error.ts";

const server = createServer();
after(() => server.close());

async function pair(): Promise<[near: Socket, far: Socket]> {
  if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  if (near.connecting) await once(near, "connect");
  return [near, far];
}

class Owner {
  readonly statuses: number[] = [];
  #told: () => void = () => undefined;
  readonly told = new Promise<void>((resolve) => {
    this.#told = resolve;
  });
  onHandleWritten(status: number): void {
    this.statuses.push(status);
    this.#told();
  }
}

/** A connected pair whose near handle may be written on. */
async function direct(): Promise<[handle: StreamHandle, near: Socket, far: Socket]> {
  const [near, far] = await pair();
  if (directHandleOf(near) === null) {
    near.write("learn", "latin1");
    await once(far, "data");
  }
  return [present<StreamHandle>(directHandleOf(near), "handle"), near, far];
}

let copies = 0;

/** The module with nothing learnt yet. */
async function unlearned(): Promise<typeof directHandleOf> {
  const url = new URL("../../../src/net/direct-writes.js", import.meta.url);
  url.search = String(copies++);
  const fresh = (await import(url.href)) as { directHandleOf: typeof directHandleOf };
  return fresh.directHandleOf;
}

test("a handle that takes or gives something unknown is never written on", async () => {
  class Other {}
  const cases: [request: unknown, result: unknown][] = [
    [new Other(), 0],
    [null, -32],
    [null, undefined],
    [null, new Other()],
  ];
  for (const [request, result] of cases) {
    const handleOf = await unlearned();
    const handle = {
      writeLatin1String: () => result,
      writeBuffer: () => 0,
      writev: () => 0,
      writeQueueSize: 0,
    };
    const socket = { _handle: handle } as unknown as Socket;
    assert.equal(handleOf(socket), null);
    const { writeLatin1String } = handle as unknown as StreamHandle;
    assert.equal(writeLatin1String.call(handle, request as object, "x"), result);
    assert.equal(handleOf(socket), null, String(result));
  }
});

test("the handle is used only after one write through a socket showed how", async () => {
  const [near, far] = await pair();
  assert.equal(directHandleOf(near), null);
  near.write("a", "latin1");
  assert.notEqual(directHandleOf(near), null);
  assert.equal((await once(far, "data")).toString(), "a");
  near.destroy();
});

test("text and bytes go out in order, and the owner is not told while all is taken", async () => {
  const [handle, near, far] = await direct();
  const owner = new Owner();
  assert.equal(writeTextDirectly(handle, "a\xe4", owner), 0);
  assert.equal(writeBytesDirectly(handle, Buffer.from("b"), owner), 0);
  assert.equal(writeBothDirectly(handle, "c", Buffer.from("d"), owner), 0);
  near.end();
  let text = "";
  far.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
  });
  await once(far, "end");
  assert.equal(text, "a\xe4bcd");
  assert.deepEqual(owner.statuses, []);
});

test("the owner is told once a pending write has left", async () => {
  const [handle, near, far] = await direct();
  const owner = new Owner();
  const bytes = Buffer.alloc(65_536, "x");
  let written = 0;
  let result = 0;
  while (result === 0) {
    result = writeBothDirectly(handle, "y", bytes, owner);
    written += 65_537;
  }
  assert.equal(result, 1);
  assert.ok(handle.writeQueueSize > 0);
  let read = 0;
  far.on("data", (data: Buffer) => {
    read += data.byteLength;
  });
  await owner.told;
  assert.deepEqual(owner.statuses, [0]);
  assert.equal(handle.writeQueueSize, 0);
  near.end();
  await once(far, "end");
  assert.equal(read, written);
});

test("a write that is pending when the socket is destroyed is told as cancelled", async () => {
  const [handle, near, far] = await direct();
  const owner = new Owner();
  far.pause();
  const bytes = Buffer.alloc(65_536);
  while (writeBytesDirectly(handle, bytes, owner) === 0);
  near.destroy();
  await owner.told;
  assert.equal(socketError("write", owner.statuses[0] as number).message, "write ECANCELED");
  far.destroy();
});

test("sockets without a handle, or with an unknown one, are written through", () => {
  assert.equal(directHandleOf(new Socket()), null);
  assert.equal(directHandleOf({ _handle: { writeQueueSize: 0 } } as unknown as Socket), null);
});
