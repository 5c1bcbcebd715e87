/**
 * A thousand requests that wait at once on one silo, each for a callout of its filter: nothing is
 * answered before all have asked, and then each goes on exactly once.
 */
import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { type H2Answer, H2Client } from "../harness/h2-client.ts";
import { H2Upstream } from "../harness/h2-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";

const COUNT = 1_000;
const CLIENTS = 10;
const CODE = join(REPOSITORY_ROOT, "examples/filters/rust/callouts/callouts.wasm");
const MANY = { settings: { maxConcurrentStreams: 20_000 }, maxSessionMemory: 1_000 };

let service: H2Upstream;
let upstream: H2Upstream;
let proxy: ProxyProcess;
const waiting: ServerHttp2Stream[] = [];
let allAsked: () => void = () => undefined;

before(async () => {
  service = await H2Upstream.listen({
    server: MANY,
    onStream: (stream) => {
      if (waiting.push(stream) === COUNT) allAsked();
    },
  });
  upstream = await H2Upstream.listen({
    server: MANY,
    onRequest: ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.end("done");
    },
  });
  const limits =
    "http2_protocol_options: {max_concurrent_streams: 20000}, circuit_breakers: {thresholds: [{max_requests: 20000, max_pending_requests: 20000}]}";
  const filter = wasmFilter({ name: "callouts", code: `{filename: ${JSON.stringify(CODE)}}` });
  proxy = await startProxy({
    yaml: bootstrap(
      [listener({ filters: [filter] })],
      [cluster("upstream", upstream.port, limits), cluster("service", service.port, limits)],
    ),
  });
});
after(async () => {
  await proxy?.stop();
  await service?.close();
  await upstream?.close();
});

test("1,000 paused streams on real sockets go on, each exactly once", {
  timeout: 120_000,
}, async () => {
  const asked = new Promise<void>((resolve) => {
    allAsked = resolve;
  });
  const url = `http://127.0.0.1:${proxy.port("main")}`;
  const clients = Array.from({ length: CLIENTS }, () => new H2Client(url));
  const answers: Promise<H2Answer>[] = [];
  for (let i = 0; i < COUNT; i++) {
    const client = clients[i % CLIENTS] as H2Client;
    const call = { "x-call": "service|/ask|100000", "x-call-then": "continue" };
    answers.push(client.ask({ ":path": `/${i}`, ...call }));
  }
  await asked;
  assert.equal(await proxy.stat("granary.callouts.active"), COUNT);
  assert.equal(await proxy.stat("http.main.downstream_rq_active"), COUNT);
  assert.equal(upstream.requests.length, 0);
  for (const stream of waiting) stream.respond({ ":status": 200 }, { endStream: true });
  const done = await Promise.all(answers);
  assert.ok(
    done.every(({ status, body, code }) => status === 200 && body === "done" && code === 0),
  );
  const paths = upstream.requests.map(({ headers }) => headers[":path"]);
  assert.equal(paths.length, COUNT);
  assert.equal(new Set(paths).size, COUNT);
  assert.ok(upstream.requests.every(({ headers }) => headers["x-answers"] === "1"));
  for (const client of clients) client.close();
  while ((await proxy.stat("http.main.downstream_rq_active")) !== 0);
  assert.equal(await proxy.stat("granary.callouts.active"), 0);
});
