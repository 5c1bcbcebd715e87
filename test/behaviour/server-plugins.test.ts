/** Access loggers, services and stats sinks that are plugins, in a real server. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { cluster } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { fetchText, type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { scriptedGuest } from "../harness/scripted-guest.ts";

const limits = { timeout: 20_000 };
const E = "type.googleapis.com/envoy.extensions.";
const YES = "(i32.const 1)";

const GUEST = scriptedGuest((s) => ({
  proxy_on_configure: [s.note("configured"), s.setTick(20), YES],
  proxy_on_tick: [s.note("tick"), s.setTick(0)],
  proxy_on_log: [
    s.note("log"),
    s.getHeader(0, ":path"),
    s.getHeader(2, ":status"),
    s.getProperty("cluster", ["xds", "cluster_name"]),
  ],
  envoy_on_stats_update: [s.note("stats", "(i32.gt_u (local.get $a) (i32.const 24))")],
  proxy_on_done: [s.note("done"), YES],
}));

/** Is not done at the end until its timer has run. */
const LATE = scriptedGuest((s) => ({
  proxy_on_done: [
    s.note("done"),
    s.setTick(20),
    "(global.set $count (i32.const 1))",
    "(i32.const 0)",
  ],
  proxy_on_tick: [`(if (global.get $count) (then ${s.note("late")} (drop (call $proxy_done))))`],
  proxy_on_delete: [s.note("delete")],
}));

const REFUSES = scriptedGuest(() => ({ proxy_on_configure: ["(i32.const 0)"] }));

let proxy: ProxyProcess;
let upstream: FakeUpstream;
let directory: string;

function plugin(name: string): object {
  const file = ["late", "refuses"].includes(name) ? `${name}.wasm` : "guest.wasm";
  const code = { local: { filename: join(directory, file) } };
  return { name, vm_config: { vm_id: name, code } };
}

/** The services of the second configuration are not those of the first. */
function yamlOf(which: "first" | "second" | "wrong" = "first"): string {
  const http = `${E}filters.network.http_connection_manager.v3.HttpConnectionManager`;
  const routes = [{ match: { prefix: "/" }, route: { cluster: "upstream" } }];
  const router = { "@type": `${E}filters.http.router.v3.Router` };
  const manager = {
    "@type": http,
    stat_prefix: "main",
    access_log: [
      {
        name: "envoy.access_loggers.wasm",
        typed_config: {
          "@type": `${E}access_loggers.wasm.v3.WasmAccessLog`,
          config: plugin("logger"),
        },
      },
    ],
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [{ name: "envoy.filters.http.router", typed_config: router }],
  };
  const listener = {
    name: "main",
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }],
      },
    ],
  };
  const service = (name: string, singleton: boolean): object => ({
    name: "envoy.bootstrap.wasm",
    typed_config: { "@type": `${E}wasm.v3.WasmService`, config: plugin(name), singleton },
  });
  const sink = {
    name: "envoy.stat_sinks.wasm",
    typed_config: { "@type": `${E}stat_sinks.wasm.v3.Wasm`, config: plugin("sink") },
  };
  const other = {
    first: [service("single", true)],
    second: [service("next", true)],
    wrong: [service("refuses", false)],
  };
  const services = [...other[which], service("every", false), service("late", true)];
  const sinks = which === "first" ? [sink] : [];
  return `bootstrap_extensions: ${JSON.stringify(services)}
stats_sinks: ${JSON.stringify(sinks)}
stats_flush_interval: 0.05s
static_resources:
  listeners: ${JSON.stringify([listener])}
  clusters:
${cluster("upstream", upstream.port)}`;
}

const lines = (name: string): string[] =>
  proxy.log.split("\n").flatMap((line) => {
    const text = new RegExp(`wasm log ${name} ${name}: (.*)$`).exec(line)?.[1];
    return text === undefined ? [] : [text];
  });

async function linesUntil(name: string, isEnough: (all: string[]) => boolean): Promise<string[]> {
  while (!isEnough(lines(name))) await wait(5);
  return lines(name);
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "granary-server-plugins-"));
  writeFileSync(join(directory, "guest.wasm"), GUEST);
  writeFileSync(join(directory, "late.wasm"), LATE);
  writeFileSync(join(directory, "refuses.wasm"), REFUSES);
  upstream = await FakeUpstream.listen({
    onRequest: (_, connection) => connection.write(plainResponse(201, "made")),
  });
  proxy = await startProxy({ yaml: yamlOf(), concurrency: 3 });
});

after(async () => {
  await proxy?.stop();
  await upstream?.close();
  rmSync(directory, { recursive: true, force: true });
});

it("an access logger reads each finished stream on its root context", limits, async () => {
  await fetchText(proxy.port("main"), "/logged");
  const all = await linesUntil("logger", (them) => them.includes("cluster 0 upstream"));
  const at = all.indexOf("log 1 0");
  assert.deepEqual(all.slice(at, at + 4), [
    "log 1 0",
    ":path 0 /logged",
    ":status 0 201",
    "cluster 0 upstream",
  ]);
});

it("a singleton service runs once, another one on every silo, and both tick", limits, async () => {
  const isTick = (line: string): boolean => line.startsWith("tick");
  const every = await linesUntil("every", (them) => them.filter(isTick).length === 3);
  const single = await linesUntil("single", (them) => them.some(isTick));
  const configured = (all: string[]): number => all.filter((it) => it.startsWith("conf")).length;
  assert.deepEqual([configured(single), configured(every)], [1, 3]);
  assert.equal(single.filter(isTick).length, 1);
});

it("a stats sink gets the stats again and again, on one silo", limits, async () => {
  const isStats = (line: string): boolean => line === "stats 1 0";
  const all = await linesUntil("sink", (them) => them.filter(isStats).length >= 2);
  assert.equal(all.filter((line) => line.startsWith("conf")).length, 1);
});

it("an update with a service that does not start is refused, and all go on", limits, async () => {
  const { status, body } = await proxy.reload(yamlOf("wrong"));
  assert.equal(status, 400);
  assert.match(body, /^plugin "refuses": proxy_on_configure returned false$/m);
  assert.ok(!lines("single").includes("done 1 0"));
});

it("an update replaces those that changed, and leaves the others alone", limits, async () => {
  const { status, body } = await proxy.reload(yamlOf("second"));
  assert.equal(status, 200);
  assert.match(body, /services and stats sinks/);
  const next = await linesUntil("next", (them) => them.some((line) => line.startsWith("tick")));
  assert.equal(next.filter((line) => line.startsWith("configured")).length, 1);
  for (const name of ["single", "sink"]) {
    await linesUntil(name, (them) => them.includes("done 1 0"));
  }
  assert.deepEqual(
    lines("every").filter((line) => !line.startsWith("tick")),
    Array.from({ length: 3 }, () => "configured 1 0"),
  );
  assert.equal((await fetchText(proxy.port("main"), "/")).status, 201);
  assert.equal(lines("sink").at(-1), "done 1 0");
});

it("they end when the server does", limits, async () => {
  await proxy.stop();
  for (const name of ["logger", "next", "every"]) {
    assert.ok(lines(name).includes("done 1 0"), name);
  }
  // It was waited for.
  assert.deepEqual(lines("late"), ["done 1 0", "late 1 0", "delete 1 0"]);
});
