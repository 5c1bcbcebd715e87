import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { after, describe, it } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { Acceptor } from "../../../src/main/acceptor.ts";
import { Balancer } from "../../../src/main/balancer.ts";
import type { SentConnection } from "../../../src/main/fd-ledger.ts";
import type { ConnectionTarget } from "../../../src/main/silo-thread.ts";
import {
  ask,
  client,
  LOOPBACK,
  NATIVE,
  NEEDS_NATIVE,
  openSocketCount,
  turnsUntil,
} from "./fixtures/sockets.ts";

/** Adopts on this thread what a silo would adopt on its own. */
class EchoTarget implements ConnectionTarget {
  readonly index: number;
  openConnections = 0;
  readonly sockets: Socket[] = [];
  constructor(index: number) {
    this.index = index;
  }
  give(listener: number, fd: number): void {
    this.openConnections++;
    const socket = new Socket({ fd, readable: true, writable: true });
    socket.on("data", (data) => socket.write(`${this.index}/${listener}:${data}`));
    socket.on("close", () => this.openConnections--);
    this.sockets.push(socket);
    socket.resume();
  }
}

function acceptor(): Acceptor {
  return new Acceptor(present(NATIVE, "addon"), new Balancer("roundRobin"));
}

async function portsOf(target: Acceptor, ...hosts: string[]): Promise<readonly number[]> {
  const doorways = hosts.map((host) => ({ ...LOOPBACK, address: { host, port: 0 } }));
  const ports = await target.open(doorways);
  return Array.isArray(ports) ? ports : assert.fail(JSON.stringify(ports));
}

describe("acceptor", NEEDS_NATIVE, () => {
  const opened: Acceptor[] = [];
  const make = () => {
    const made = acceptor();
    opened.push(made);
    return made;
  };
  after(() => {
    for (const each of opened) each.close();
  });

  it("hands connections to its targets in exact turn", async () => {
    const door = make();
    const targets = [new EchoTarget(0), new EchoTarget(1), new EchoTarget(2)];
    for (const each of targets) door.register(each);
    const [port = 0] = await portsOf(door, "127.0.0.1");
    const clients = await Promise.all(Array.from({ length: 30 }, () => client(port)));
    await Promise.all(clients.map((each) => ask(each, "x")));
    assert.deepEqual(
      targets.map((each) => each.openConnections),
      [10, 10, 10],
    );
    for (const each of clients) each.destroy();
  });

  it("tells which listener took the connection, over IPv4 and IPv6", async (context) => {
    const door = make();
    door.register(new EchoTarget(0));
    const ports = await door.open(
      ["127.0.0.1", "::1"].map((host) => ({ ...LOOPBACK, address: { host, port: 0 } })),
    );
    if (!Array.isArray(ports)) {
      context.skip("no IPv6 loopback here");
      return;
    }
    const [first = 0, second = 0] = ports as readonly number[];
    const four = await client(first);
    const six = await client(second, "::1");
    assert.equal(await ask(four, "a"), "0/0:a");
    assert.equal(await ask(six, "b"), "0/1:b");
    four.destroy();
    six.destroy();
  });

  it("keeps connections that come before the first target and serves them then", async () => {
    const door = make();
    const [port = 0] = await portsOf(door, "127.0.0.1");
    const early = await client(port);
    const answer = ask(early, "early");
    door.register(new EchoTarget(4));
    assert.equal(await answer, "4/0:early");
    early.destroy();
  });

  it("leaves no descriptor behind after connections came and went", async () => {
    const door = make();
    const target = new EchoTarget(0);
    door.register(target);
    const [port = 0] = await portsOf(door, "127.0.0.1");
    const before = openSocketCount();
    for (let round = 0; round < 20; round++) {
      const visitor = await client(port);
      assert.equal(await ask(visitor, "x"), "0/0:x");
      const closed = once(visitor, "close");
      visitor.end();
      await closed;
    }
    await turnsUntil(() => target.openConnections === 0);
    // Sockets of earlier tests may still be closing, so the count may even fall.
    await turnsUntil(() => openSocketCount() <= before);
  });

  it("closes what still waits for a silo when it closes", async () => {
    const door = make();
    const [port = 0] = await portsOf(door, "127.0.0.1");
    const lost = await client(port);
    lost.resume();
    const closed = once(lost, "close");
    // The connection is accepted for sure once a later one has been.
    (await client(port)).destroy();
    door.close();
    await closed;
    await assert.rejects(client(port), /ECONNREFUSED/);
  });

  it("passes a dead silo's untaken connections to another one", async () => {
    const door = make();
    const untaken: SentConnection[] = [];
    const dead: ConnectionTarget = {
      index: 0,
      openConnections: 0,
      give: (listener, fd) => untaken.push({ listener, fd }),
    };
    door.register(dead);
    const [port = 0] = await portsOf(door, "127.0.0.1");
    const visitor = await client(port);
    await turnsUntil(() => untaken.length === 1);
    const answer = ask(visitor, "x");
    door.unregister(dead);
    door.register(new EchoTarget(1));
    door.takeBack(untaken);
    assert.equal(await answer, "1/0:x");
    visitor.destroy();
  });

  it("names the listener and the address of a port in use and opens nothing", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const door = make();
    const before = openSocketCount();
    const failure = await door.open([
      LOOPBACK,
      { name: "second", address: { host: "127.0.0.1", port }, backlog: 511 },
    ]);
    assert.deepEqual(failure, {
      message: `listener 'second': cannot bind '127.0.0.1:${port}': Address already in use`,
    });
    taken.close();
    await turnsUntil(() => openSocketCount() <= before);
  });
});
