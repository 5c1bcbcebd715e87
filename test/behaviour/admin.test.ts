/**
 * The admin interface of a real process: Envoy's paths, methods and formats.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

let upstream: FakeUpstream;
let proxy: ProxyProcess;

const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (_request, connection) => connection.write(plainResponse(200, "ok")),
  });
  const yaml = bootstrap([listener()], [cluster("upstream", upstream.port)]);
  proxy = await startProxy({ yaml, concurrency: 2 });
  for (let i = 0; i < 4; i++) await exchange(proxy.port("main"), GET);
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
});

test("/ is a page with a link to each endpoint, and /help is the same as text", async () => {
  const page = await proxy.admin("/");
  assert.equal(page.status, 200);
  assert.match(String(page.headers["content-type"]), /^text\/html/);
  const help = await proxy.admin("/help");
  for (const path of ["clusters", "config_dump", "listeners", "stats", "ready", "memory"]) {
    assert.match(page.body, new RegExp(`(?:href|action)='${path}'`));
    assert.match(help.body, new RegExp(`/${path}`));
  }
});

test("an unknown path is a 404 and a change by GET a 405", async () => {
  assert.equal((await proxy.admin("/nothing")).status, 404);
  for (const path of [
    "/quitquitquit",
    "/drain_listeners",
    "/reset_counters",
    "/logging?level=debug",
  ]) {
    assert.equal((await proxy.admin(path)).status, 405, path);
  }
});

test("/ready and /server_info tell the state", async () => {
  const ready = await proxy.admin("/ready");
  assert.deepEqual([ready.status, ready.body], [200, "LIVE\n"]);
  const info = JSON.parse((await proxy.admin("/server_info")).body);
  assert.equal(info.state, "LIVE");
  assert.equal(info.command_line_options.concurrency, 2);
});

test("/stats sums the silos, as text, as JSON, filtered and only used", async () => {
  assert.equal(await proxy.stat("http.main.downstream_rq_2xx"), 4);
  assert.equal(await proxy.stat("cluster.upstream.upstream_rq_2xx"), 4);
  const { body } = await proxy.admin("/stats?format=json&filter=downstream_rq_2xx");
  assert.deepEqual(JSON.parse(body), {
    stats: [
      { name: "http.main.downstream_rq_2xx", value: 4 },
      { name: "listener.127.0.0.1_0.http.main.downstream_rq_2xx", value: 4 },
    ],
  });
  const used = await proxy.admin("/stats?usedonly&filter=downstream_rq_[45]xx");
  assert.equal(used.body.trim(), "");
});

test("/stats/prometheus has types and Envoy's names and labels", async () => {
  const { body, headers } = await proxy.admin("/stats/prometheus");
  assert.match(String(headers["content-type"]), /^text\/plain/);
  assert.match(body, /# TYPE envoy_http_downstream_rq_xx counter/);
  assert.match(body, /envoy_http_downstream_rq_xx\{.*envoy_response_code_class="2".*\} 4/);
  assert.match(body, /envoy_cluster_upstream_rq_total\{envoy_cluster_name="upstream"\} 4/);
});

test("/clusters and /listeners name what runs, with counts over all silos", async () => {
  const address = `127.0.0.1:${upstream.port}`;
  const text = (await proxy.admin("/clusters")).body;
  assert.ok(text.includes(`upstream::${address}::rq_total::4\n`), text);
  assert.ok(text.includes(`upstream::${address}::health_flags::healthy\n`));
  const clusters = JSON.parse((await proxy.admin("/clusters?format=json")).body);
  assert.equal(clusters.cluster_statuses[0].name, "upstream");
  const listeners = JSON.parse((await proxy.admin("/listeners?format=json")).body);
  const bound = listeners.listener_statuses[0].local_address.socket_address;
  assert.deepEqual(bound, { address: "127.0.0.1", port_value: proxy.port("main") });
});

test("/config_dump shows bootstrap, clusters, listeners and routes", async () => {
  const { configs } = JSON.parse((await proxy.admin("/config_dump")).body);
  const types = configs.map((each: { "@type": string }) => each["@type"].split(".").at(-1));
  assert.deepEqual(types, [
    "BootstrapConfigDump",
    "ClustersConfigDump",
    "ListenersConfigDump",
    "RoutesConfigDump",
  ]);
  assert.equal(configs[0].bootstrap.static_resources.clusters[0].name, "upstream");
});

test("/logging shows and sets levels, of main and of the silos", async () => {
  const levels = await proxy.admin("/logging", "POST");
  assert.match(levels.body, /^active loggers:\n/);
  const set = await proxy.admin("/logging?main=debug", "POST");
  assert.match(set.body, /\n {2}main: debug\n/);
  const back = await proxy.admin("/logging?level=info", "POST");
  assert.match(back.body, /\n {2}main: info\n/);
  assert.equal((await proxy.admin("/logging?level=loud", "POST")).status, 400);
});

test("/memory is JSON and /certs an empty list", async () => {
  const memory = JSON.parse((await proxy.admin("/memory")).body);
  assert.ok(Number(memory.allocated) > 0);
  assert.deepEqual(JSON.parse((await proxy.admin("/certs")).body), { certificates: [] });
});

test("/healthcheck/fail and /healthcheck/ok switch /ready", async () => {
  assert.equal((await proxy.admin("/healthcheck/fail", "POST")).body, "OK\n");
  assert.equal((await proxy.admin("/ready")).status, 503);
  await proxy.admin("/healthcheck/ok", "POST");
  assert.equal((await proxy.admin("/ready")).status, 200);
});

test("/reset_counters sets counters to 0", async () => {
  assert.equal((await proxy.admin("/reset_counters", "POST")).body, "OK\n");
  assert.equal(await proxy.stat("http.main.downstream_rq_2xx"), 0);
});

test("/drain_listeners closes the doors and the process stays", async () => {
  assert.equal((await proxy.admin("/drain_listeners", "POST")).body, "OK\n");
  await assert.rejects(RawClient.open(proxy.port("main")), /ECONNREFUSED/);
  assert.equal((await proxy.admin("/server_info")).status, 200);
});

test("/quitquitquit ends the process with exit code 0", async () => {
  const ended = new Promise<number | null>((resolve) => {
    proxy.process.once("exit", resolve);
  });
  assert.equal((await proxy.admin("/quitquitquit", "POST")).body, "OK\n");
  assert.equal(await ended, 0);
});
