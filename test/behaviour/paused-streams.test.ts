/**
 * Ten thousand requests that wait at once on one silo, each on a socket of its own: paused by a
 * filter and woken from a tick, a shared queue or one callout, or each by a callout of its own.
 * Nothing goes on before it is woken, and then each goes on exactly once.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import type { ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { H2Client } from "../harness/h2-client.ts";
import { H2Upstream } from "../harness/h2-upstream.ts";
import { KeptClient } from "../harness/kept-client.ts";
import { pausingGuest } from "../harness/pausing-guest.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";

const COUNT = 10_000;
/** Files of the proxy, and of this process, beside the clients' sockets. */
const FILES = 500;
/** Sockets that are being connected at a time: fewer than a listener's backlog. */
const CONNECTING_MAX = 200;
const STREAMS_PER_CONNECTION = 100;
const CODE = join(REPOSITORY_ROOT, "examples/filters/rust/callouts/callouts.wasm");
const MANY = { settings: { maxConcurrentStreams: 20_000 }, maxSessionMemory: 1_000 };
const limits = { timeout: 280_000 };

/** What clients of either kind have in common: the body of the answer to a GET. */
interface Asker {
  ask(path: string, headers: Readonly<Record<string, string>>): Promise<string>;
  close(): void;
}

let service: H2Upstream;
let upstream: H2Upstream;
let proxy: ProxyProcess;
let waiting: ServerHttp2Stream[] = [];

function filesMax(): number {
  const text = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
  return text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text);
}

/** A socket for each request; where there are not so many, streams of HTTP/2 connections. */
async function openAll(listenerName: string): Promise<Asker[]> {
  const port = proxy.port(listenerName);
  const clients: Asker[] = [];
  if (COUNT + FILES > filesMax()) {
    for (let i = 0; i < COUNT / STREAMS_PER_CONNECTION; i++) {
      const client = new H2Client(`http://127.0.0.1:${port}`);
      clients.push({
        ask: async (path, headers) => (await client.ask({ ":path": path, ...headers })).body,
        close: () => client.close(),
      });
    }
    return clients;
  }
  while (clients.length < COUNT) {
    const batch = Math.min(CONNECTING_MAX, COUNT - clients.length);
    const opening = Array.from({ length: batch }, () => KeptClient.open(port));
    clients.push(...(await Promise.all(opening)));
  }
  return clients;
}

function askAll(clients: readonly Asker[], folder: string, headers = {}): Promise<string>[] {
  return Array.from({ length: COUNT }, (_, i) =>
    (clients[i % clients.length] as Asker).ask(`/${folder}/${i}`, headers),
  );
}

async function untilActive(name: string, count: number): Promise<void> {
  while ((await proxy.stat(name)) !== count);
}

/** Paths under `folder` that reached the upstream: each of them once. */
function assertEachOnce(folder: string): void {
  const paths = upstream.requests.map(({ headers }) => String(headers[":path"]));
  const asked = paths.filter((path) => path.startsWith(`/${folder}/`));
  assert.equal(asked.length, COUNT);
  assert.equal(new Set(asked).size, COUNT);
}

before(async () => {
  service = await H2Upstream.listen({ server: MANY, onStream: (stream) => waiting.push(stream) });
  upstream = await H2Upstream.listen({
    server: MANY,
    onRequest: ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.end("done");
    },
  });
  const more =
    "http2_protocol_options: {max_concurrent_streams: 20000}, circuit_breakers: {thresholds: [{max_requests: 20000, max_pending_requests: 20000}]}";
  const file = wasmFilter({ name: "callouts", code: `{filename: ${JSON.stringify(CODE)}}` });
  const bytes = Buffer.from(pausingGuest("service")).toString("base64");
  const pausing = wasmFilter({ name: "pausing", code: `{inline_bytes: ${bytes}}` });
  proxy = await startProxy({
    yaml: bootstrap(
      [
        listener({ name: "pausing", filters: [pausing] }),
        listener({ name: "asking", filters: [file] }),
      ],
      [cluster("upstream", upstream.port, more), cluster("service", service.port, more)],
    ),
  });
});
after(async () => {
  await proxy?.stop();
  await service?.close();
  await upstream?.close();
});

test(
  "10,000 paused streams go on from a tick, a queue, a callout: each exactly once",
  limits,
  async () => {
    const clients = await openAll("pausing");
    const waker = await KeptClient.open(proxy.port("pausing"));
    for (const by of ["tick", "queue", "callout"]) {
      const answers = askAll(clients, by);
      await untilActive("http.pausing.downstream_rq_active", COUNT);
      assert.ok(!upstream.requests.some(({ headers }) => headers[":path"]?.startsWith(`/${by}/`)));
      assert.equal(await waker.ask("/wake", { "x-wake": by }), "done");
      if (by === "callout") {
        while (waiting.length === 0) await proxy.admin("/ready");
        for (const stream of waiting) stream.respond({ ":status": 200 }, { endStream: true });
        waiting = [];
      }
      const bodies = await Promise.all(answers);
      assert.ok(bodies.every((body) => body === "done"));
      assertEachOnce(by);
      await untilActive("http.pausing.downstream_rq_active", 0);
    }
    for (const client of [...clients, waker]) client.close();
  },
);

test(
  "10,000 streams that each wait for a callout of their own go on, each exactly once",
  limits,
  async () => {
    const clients = await openAll("asking");
    const call = { "x-call": "service|/ask|200000", "x-call-then": "continue" };
    const answers = askAll(clients, "own", call);
    while (waiting.length < COUNT) await proxy.admin("/ready");
    assert.equal(await proxy.stat("granary.callouts.active"), COUNT);
    assert.equal(await proxy.stat("http.asking.downstream_rq_active"), COUNT);
    assert.ok(!upstream.requests.some(({ headers }) => headers[":path"]?.startsWith("/own/")));
    for (const stream of waiting) stream.respond({ ":status": 200 }, { endStream: true });
    const bodies = await Promise.all(answers);
    assert.ok(bodies.every((body) => body === "done"));
    assertEachOnce("own");
    const asked = upstream.requests.filter(({ headers }) => headers[":path"]?.startsWith("/own/"));
    assert.ok(asked.every(({ headers }) => headers["x-answers"] === "1"));
    await untilActive("http.asking.downstream_rq_active", 0);
    assert.equal(await proxy.stat("granary.callouts.active"), 0);
    for (const client of clients) client.close();
  },
);
