/**
 * Ten thousand requests that wait at once on one silo, each on a socket of its own: paused by a
 * filter and woken from ticks, a shared queue or callouts, or each by a callout of its own.
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
import { pausingGuest, WAKES } from "../harness/pausing-guest.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";

const COUNT = 10_000;
/** Files of the proxy, and of this process, beside the clients' sockets. */
const FILES = 500;
/** Sockets that are being connected at a time: fewer than a listener's backlog. */
const CONNECTING_MAX = 200;
const STREAMS_PER_CONNECTION = 100;
/** Requests that are sent, or answered, at a time. */
const STEP = 500;
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

/**
 * All requests are with their filter when it resolves. They go out in steps: a silo that works
 * through all of them in one turn of a loaded machine would count as stuck.
 */
async function askAll(
  clients: readonly Asker[],
  listenerName: string,
  folder: string,
  headers = {},
): Promise<{ readonly answers: readonly Promise<string>[] }> {
  const answers: Promise<string>[] = [];
  while (answers.length < COUNT) {
    for (let i = 0; i < STEP; i++) {
      const client = clients[answers.length % clients.length] as Asker;
      answers.push(client.ask(`/${folder}/${answers.length}`, headers));
    }
    await untilActive(listenerName, answers.length);
  }
  return { answers };
}

async function untilActive(listenerName: string, count: number): Promise<void> {
  while ((await proxy.stat(`http.${listenerName}.downstream_rq_active`)) !== count);
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
  // No time limit: a loaded machine needs more than the usual one for so many at once.
  const routes = "[{match: {prefix: /}, route: {cluster: upstream, timeout: 0s}}]";
  proxy = await startProxy({
    yaml: bootstrap(
      [
        listener({ name: "pausing", routes, filters: [pausing] }),
        listener({ name: "asking", routes, filters: [file] }),
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
      const { answers } = await askAll(clients, "pausing", by);
      assert.ok(!upstream.requests.some(({ headers }) => headers[":path"]?.startsWith(`/${by}/`)));
      assert.equal(await waker.ask("/wake", { "x-wake": by }), "done");
      if (by === "callout") {
        while (waiting.length < WAKES) await proxy.admin("/ready");
        for (const stream of waiting) stream.respond({ ":status": 200 }, { endStream: true });
        waiting = [];
      }
      const bodies = await Promise.all(answers);
      assert.ok(bodies.every((body) => body === "done"));
      assertEachOnce(by);
      await untilActive("pausing", 0);
    }
    for (const client of [...clients, waker]) client.close();
    // The next test needs as many files again.
    while ((await proxy.stat("http.pausing.downstream_cx_active")) !== 0);
  },
);

test(
  "10,000 streams that each wait for a callout of their own go on, each exactly once",
  limits,
  async () => {
    const clients = await openAll("asking");
    const call = { "x-call": "service|/ask|200000", "x-call-then": "continue" };
    const { answers } = await askAll(clients, "asking", "own", call);
    while (waiting.length < COUNT) await proxy.admin("/ready");
    assert.equal(await proxy.stat("granary.callouts.active"), COUNT);
    assert.equal(await proxy.stat("http.asking.downstream_rq_active"), COUNT);
    assert.ok(!upstream.requests.some(({ headers }) => headers[":path"]?.startsWith("/own/")));
    for (let i = 0; i < COUNT; i += STEP) {
      for (const stream of waiting.slice(i, i + STEP)) {
        stream.respond({ ":status": 200 }, { endStream: true });
      }
      await untilActive("asking", COUNT - i - STEP);
    }
    const bodies = await Promise.all(answers);
    assert.ok(bodies.every((body) => body === "done"));
    assertEachOnce("own");
    const asked = upstream.requests.filter(({ headers }) => headers[":path"]?.startsWith("/own/"));
    assert.ok(asked.every(({ headers }) => headers["x-answers"] === "1"));
    await untilActive("asking", 0);
    assert.equal(await proxy.stat("granary.callouts.active"), 0);
    for (const client of clients) client.close();
  },
);
