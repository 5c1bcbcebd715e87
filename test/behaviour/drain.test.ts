/**
 * The order of an end: what answers say, what is still accepted, what is cut, and the exit code.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import {
  FakeUpstream,
  type FakeUpstreamConnection,
  plainResponse,
} from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const HOLD = "GET /hold HTTP/1.1\r\nhost: a\r\n\r\n";
const CLOSES = /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nconnection: close\r\n[\s\S]*ok$/;

let upstream: FakeUpstream;
let onHeld: (connection: FakeUpstreamConnection) => void = () => undefined;

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      if (request.head.includes(" /hold")) onHeld(connection);
      else connection.write(plainResponse(200, "ok"));
    },
  });
});
after(() => upstream.close());

function start(args: readonly string[] = [], second = ""): Promise<ProxyProcess> {
  const listeners = [listener({ listener: "traffic_direction: INBOUND" })];
  if (second !== "") listeners.push(listener({ name: second }));
  return startProxy({ yaml: bootstrap(listeners, [cluster("upstream", upstream.port)]), args });
}

/** A client whose request waits at the upstream, and the connection to answer it on. */
async function holding(port: number): Promise<[RawClient, FakeUpstreamConnection]> {
  const arrived = new Promise<FakeUpstreamConnection>((resolve) => {
    onHeld = resolve;
  });
  const client = await RawClient.open(port);
  client.send(HOLD);
  return [client, await arrived];
}

async function served(port: number): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.send(GET);
  await client.until((text) => text.endsWith("ok"));
  return client;
}

test("/healthcheck/fail makes answers close, takes connections still, and ends with ok", async () => {
  const proxy = await start();
  const port = proxy.port("main");
  const idle = await served(port);
  await proxy.admin("/healthcheck/fail", "POST");
  assert.equal((await proxy.admin("/ready")).status, 503);
  idle.send(GET);
  const whole = await idle.untilClosed();
  assert.match(whole.slice(whole.lastIndexOf("HTTP/1.1 ")), CLOSES);
  assert.match(await exchange(port, GET), CLOSES);
  assert.equal(await proxy.stat("http.main.downstream_cx_drain_close"), 2);
  await proxy.admin("/healthcheck/ok", "POST");
  const again = await served(port);
  assert.doesNotMatch(again.received, /connection: close/);
  for (const client of [idle, again]) client.close();
  assert.equal(await proxy.stop(), 0);
});

test("/drain_listeners?graceful asks clients to close, then closes the listeners", async () => {
  const proxy = await start(["--drain-time-s", "1", "--drain-strategy", "immediate"]);
  const port = proxy.port("main");
  const idle = await served(port);
  // It waits at the upstream, so that it is not late however long the machine takes.
  const [held, peer] = await holding(port);
  await proxy.admin("/drain_listeners?graceful", "POST");
  peer.write(plainResponse(200, "ok"));
  assert.match(await held.untilClosed(), CLOSES);
  held.close();
  await idle.untilClosed();
  await assert.rejects(RawClient.open(port), /ECONNREFUSED/);
  assert.equal(proxy.process.exitCode, null, "the process stays until it is told to quit");
  idle.close();
  assert.equal(await proxy.stop(), 0);
});

test("/drain_listeners?inboundonly ends the connections of inbound listeners alone", async () => {
  const proxy = await start([], "other");
  const inbound = await served(proxy.port("main"));
  const other = await served(proxy.port("other"));
  const [held, peer] = await holding(proxy.port("main"));
  await proxy.admin("/drain_listeners?inboundonly", "POST");
  await inbound.untilClosed();
  await assert.rejects(RawClient.open(proxy.port("main")), /ECONNREFUSED/);
  other.send(GET);
  await other.until((text) => text.split("200 OK").length === 3);
  peer.write(plainResponse(200, "ok"));
  assert.match(await held.untilClosed(), CLOSES);
  for (const client of [inbound, other, held]) client.close();
  assert.equal(await proxy.stop(), 0);
});

test("/quitquitquit takes nothing new, lets requests finish, and exits 0", async () => {
  const proxy = await start();
  const port = proxy.port("main");
  const idle = await served(port);
  const [held, peer] = await holding(port);
  const exited = new Promise((resolve) => proxy.process.once("exit", resolve));
  await proxy.admin("/quitquitquit", "POST");
  await idle.untilClosed();
  await assert.rejects(RawClient.open(port), /ECONNREFUSED/);
  // A second request on the same connection comes too late.
  held.send(GET);
  peer.write(plainResponse(200, "ok"));
  assert.match(await held.untilClosed(), CLOSES);
  assert.equal(await exited, 0);
  for (const client of [idle, held]) client.close();
  await proxy.stop();
});

test("what is not done at the deadline is cut, counted in the log, and the exit code is 0", async () => {
  const proxy = await start(["--drain-time-s", "1"]);
  const [held] = await holding(proxy.port("main"));
  const exit = proxy.stop();
  assert.equal(await held.untilClosed(), "");
  assert.equal(await exit, 0);
  assert.match(proxy.log, /1 connections were cut after 1 s/);
  held.close();
});
