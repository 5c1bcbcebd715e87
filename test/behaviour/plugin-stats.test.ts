/** What is told of plugins: what they cost, what they count, and nothing any more when they go. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const VERSIONS = "type.googleapis.com/granary.filters.http.wasm.v1.WasmVersions";
const limits = { timeout: 20_000 };

let directory: string;
let upstream: FakeUpstream;
let proxy: ProxyProcess;

/** Counts `greeting_requests`; the same code under two names has two VMs by its vm_id. */
function greeting(name: string): string {
  const path = join(REPOSITORY_ROOT, "examples/filters/assemblyscript/greeting/greeting.wasm");
  return wasmFilter({ name, code: `{filename: ${JSON.stringify(path)}}` });
}

/** A filter alone, and with a shadow of the same name. */
const SEEN = greeting("seen");
const CANARY = SEEN.replace(/^.*? (?=config: )/, "{name: canary, ").replace(/\}$/, "");
const SHADOWED = SEEN.replace(/"@type": \S+Wasm,/, `"@type": ${VERSIONS},`).replace(
  /\}\}$/,
  `, shadows: [${CANARY}]}}`,
);

const ADDER = wasmFilter({
  name: "adder",
  code: `{filename: ${JSON.stringify(join(REPOSITORY_ROOT, "examples/filters/rust/add-header/add-header.wasm"))}}`,
});

function configuration(filters: readonly string[]): string {
  const path = JSON.stringify(join(directory, "cost.log"));
  const cost = (what: string): string => `%GRANARY_PLUGIN(adder:${what})%`;
  const format = `${cost("calls:proxy_on_request_headers")} ${cost("hostcalls:proxy_add_header_map_value")} ${cost("memory_bytes")}\\n`;
  const log = `{name: f, typed_config: {"@type": ${LOG}, path: ${path}, log_format: {text_format_source: {inline_string: "${format}"}}}}`;
  return bootstrap(
    [listener({ filters, hcm: `access_log: [${log}]` })],
    [cluster("upstream", upstream.port)],
  );
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "granary-plugin-stats-"));
  upstream = await FakeUpstream.listen({
    onRequest: (_request, connection) => connection.write(plainResponse(200, "ok")),
  });
  proxy = await startProxy({ yaml: configuration([ADDER, greeting("greeter")]), concurrency: 2 });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
  rmSync(directory, { recursive: true });
});

/** Stats are brought up to date every half second. */
async function until<Value>(look: () => Promise<Value>, passes: (value: Value) => boolean) {
  for (;;) {
    const value = await look();
    if (passes(value)) return value;
    await wait(50);
  }
}

const prometheus = async (): Promise<string> => (await proxy.admin("/stats/prometheus")).body;

test("hostcalls by name are in stats, in Prometheus and in access logs", limits, async () => {
  const requests = 6;
  for (let i = 0; i < requests; i++) await exchange(proxy.port("main"), GET);
  const name = "proxy_add_header_map_value";
  const stat = `wasm.adder.cost.${name}.hostcalls`;
  // One header each way.
  await until(
    () => proxy.stat(stat),
    (value) => value === 2 * requests,
  );
  const series = `envoy_wasm_cost_hostcalls{envoy_wasm_plugin="adder",granary_hostcall="${name}"}`;
  assert.ok((await prometheus()).includes(`${series} ${2 * requests}\n`));
  const log = async (): Promise<string> => {
    await exchange(proxy.port("main"), GET);
    return readFileSync(join(directory, "cost.log"), "utf8");
  };
  // Lines are of one silo each; at first a silo knows of no call, and then perhaps of half a request.
  const line = /^([1-9]\d*) (\d+) (\d+)$/gm;
  const whole = (text: string): RegExpExecArray | undefined =>
    [...text.matchAll(line)].find(
      ([, calls, hostcalls]) => Number(hostcalls) === 2 * Number(calls),
    );
  const [, , , memory] = whole(await until(log, (text) => whole(text) !== undefined)) ?? [];
  assert.ok(Number(memory) >= 65_536);
});

test("metrics and costs of a plugin that is unloaded disappear, others go on", limits, async () => {
  await exchange(proxy.port("main"), GET);
  const counted = await proxy.stat("wasmcustom.greeting_requests");
  assert.ok(counted !== null && counted > 0);
  const calls = "wasm.adder.cost.proxy_on_request_headers.calls";
  const before = await until(
    () => proxy.stat(calls),
    (value) => value !== null && value > 0,
  );
  assert.match(await prometheus(), /^greeting_requests\{?\}? \d+$/m);

  await proxy.reload(configuration([ADDER, greeting("renamed")]));
  await until(
    async () => (await proxy.admin("/stats")).body,
    (body) => !body.includes("wasm.greeter."),
  );
  const kept = await proxy.stat("wasmcustom.greeting_requests");
  assert.equal(kept, counted, "the same code under another name goes on counting");

  await proxy.reload(configuration([ADDER]));
  const stats = await until(
    async () => (await proxy.admin("/stats")).body,
    (body) => !body.includes("greeting_requests") && !body.includes("wasm.renamed."),
  );
  assert.deepEqual(
    stats.split("\n").filter((line) => /greet|renamed/.test(line)),
    [],
  );
  assert.doesNotMatch(await prometheus(), /greeting_requests|greeter|renamed/);
  assert.ok(((await proxy.stat(calls)) ?? 0) >= (before ?? 0));
});

test("everything that a shadow counts disappears with it", limits, async () => {
  await proxy.reload(configuration([SHADOWED]));
  await exchange(proxy.port("main"), GET);
  const shadow =
    /granary\.shadow\.canary\.same: [1-9]|wasmcustom\.shadow\.|\bwasm\.seen\.shadow\./g;
  const all = async (): Promise<string> => (await proxy.admin("/stats")).body;
  await until(all, (body) => new Set(body.match(shadow)).size >= 3);
  await proxy.reload(configuration([SEEN]));
  await until(all, (body) => !/shadow/.test(body));
  assert.doesNotMatch(await prometheus(), /shadow/);
});
