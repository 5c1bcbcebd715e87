/**
 * Large and broken bodies through a real proxy: back-pressure, resets, early answers.
 */
import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { bulkHash, MIB, readBulk, residentBytes, writeBulk } from "../harness/bulk.ts";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, type FakeUpstreamConnection } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { RawClient } from "../harness/raw-client.ts";

const GIB_BLOCKS = 1024;
const GROWTH_MAX = 100 * MIB;
const HASH = bulkHash(GIB_BLOCKS);

let proxy: ProxyProcess;
let upstream: FakeUpstream;
let onBulk: (socket: Socket) => void;
let onHead: (connection: FakeUpstreamConnection) => void = () => {};
const bulk = createServer((socket) => onBulk(socket));

before(async () => {
  upstream = await FakeUpstream.listen({ onHead: (_request, connection) => onHead(connection) });
  await new Promise<void>((resolve) => bulk.listen(0, "127.0.0.1", resolve));
  const { port } = bulk.address() as AddressInfo;
  const routes = `[{match: {prefix: /bulk}, route: {cluster: bulk, timeout: 0s}},
    {match: {prefix: /}, route: {cluster: upstream}}]`;
  const yaml = bootstrap(
    [listener({ routes })],
    [cluster("upstream", upstream.port), cluster("bulk", port)],
  );
  proxy = await startProxy({ yaml });
});

after(async () => {
  bulk.close();
  await upstream.close();
  assert.equal(await proxy.stop(), 0);
});

/** A peer that stands still long enough for everything before it to fill up. */
function stall(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 200));
}

function pid(): number {
  return proxy.process.pid ?? 0;
}

test("a response of 1 GiB to a slow reader arrives whole and the memory stays flat", async () => {
  const length = GIB_BLOCKS * MIB;
  onBulk = (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`);
      void writeBulk(socket, GIB_BLOCKS);
    });
  };
  const start = residentBytes(pid()).now;
  const client = connect(proxy.port("main"), "127.0.0.1");
  client.write("GET /bulk HTTP/1.1\r\nhost: a\r\n\r\n");
  const result = await readBulk(client, length, 256 * MIB, stall);
  client.destroy();
  assert.match(result.head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(result.byteLength, length);
  assert.equal(result.hash, HASH);
  const growth = residentBytes(pid()).peak - start;
  assert.ok(growth < GROWTH_MAX, `grew by ${Math.round(growth / MIB)} MiB`);
});

test("an upload of 1 GiB to a slow upstream arrives whole and the memory stays flat", async () => {
  const length = GIB_BLOCKS * MIB;
  const arrived = new Promise<Awaited<ReturnType<typeof readBulk>>>((resolve, reject) => {
    onBulk = (socket) => {
      readBulk(socket, length, 256 * MIB, stall).then((result) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        resolve(result);
      }, reject);
    };
  });
  const start = residentBytes(pid()).now;
  const client = await RawClient.open(proxy.port("main"));
  client.send(`PUT /bulk HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`);
  await writeBulk(client.socket, GIB_BLOCKS);
  const result = await arrived;
  assert.match(await client.until((text) => text.endsWith("ok")), /^HTTP\/1\.1 200 OK\r\n/);
  client.close();
  assert.equal(result.byteLength, length);
  assert.equal(result.hash, HASH);
  const growth = residentBytes(pid()).peak - start;
  assert.ok(growth < GROWTH_MAX, `grew by ${Math.round(growth / MIB)} MiB`);
});

test("a client that resets in the middle of a response ends the upstream's exchange too", async () => {
  onHead = (connection) => connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
  const client = await RawClient.open(proxy.port("main"));
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.until((text) => text.endsWith("half"));
  client.socket.resetAndDestroy();
  const connection = upstream.connections.at(-1);
  await connection?.closed;
  assert.equal(await proxy.stat("http.main.downstream_rq_active"), 0);
  assert.equal(await proxy.stat("cluster.upstream.upstream_rq_active"), 0);
});

test("a client that resets in the middle of an upload ends the upstream's exchange too", async () => {
  const head = new Promise<FakeUpstreamConnection>((resolve) => {
    onHead = resolve;
  });
  const client = await RawClient.open(proxy.port("main"));
  client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf");
  const connection = await head;
  client.socket.resetAndDestroy();
  await connection.closed;
  assert.equal(connection.requests.length, 0);
  assert.equal(await proxy.stat("cluster.upstream.upstream_rq_active"), 0);
});

test("an upstream that resets in the middle of a body breaks the client's connection off", async () => {
  onHead = (connection) => {
    connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
  };
  const client = await RawClient.open(proxy.port("main"));
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.until((text) => text.endsWith("half"));
  upstream.connections.at(-1)?.reset();
  const all = await client.untilClosed();
  assert.ok(all.endsWith("\r\n\r\nhalf"));
});

test("a chunked response that breaks off never gets its last chunk", async () => {
  onHead = (connection) => {
    connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  };
  const client = await RawClient.open(proxy.port("main"));
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.until((text) => text.includes("half"));
  upstream.connections.at(-1)?.end();
  assert.doesNotMatch(await client.untilClosed(), /\r\n0\r\n\r\n$/);
});

test("informational responses pass before the answer", async () => {
  onHead = (connection) => {
    connection.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  };
  const client = await RawClient.open(proxy.port("main"));
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const all = await client.until((text) => text.endsWith("\r\n\r\nok"));
  client.close();
  assert.match(all, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
});

test("an answer before the end of an upload is passed on and the connection closes", async () => {
  onHead = (connection) => {
    connection.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
  };
  const client = await RawClient.open(proxy.port("main"));
  client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhalf");
  const all = await client.untilClosed();
  client.close();
  assert.match(all, /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*\r\nconnection: close\r\n[\s\S]*\r\nno$/);
});
