/**
 * Every panel of the Grafana dashboard asks a real Prometheus that scrapes a running Granary, and
 * gets an answer. Needs `prometheus` (a package of most distributions), or PROMETHEUS with its path.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";
import { CONTINUE, scriptedGuest, TRAP } from "../harness/scripted-guest.ts";

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const prometheus = process.env["PROMETHEUS"] ?? "prometheus";
const missing = spawnSync(prometheus, ["--version"]).error !== undefined;
const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const FILTER = join(REPOSITORY_ROOT, "examples/filters/rust/add-header/add-header.wasm");
const { panels } = JSON.parse(
  readFileSync(join(REPOSITORY_ROOT, "dashboards/granary.json"), "utf8"),
) as { panels: readonly Panel[] };
const queries = panels.flatMap(({ title, targets }) =>
  (targets ?? []).map(({ expr }) => ({ title, expr })),
);
/** Counts the requests it sees. */
const COUNTING = join(REPOSITORY_ROOT, "examples/filters/assemblyscript/greeting/greeting.wasm");
const COUNTED = "greeting_requests";
/** Fails in its first callback of a stream. */
const FAILING = scriptedGuest(() => ({ proxy_on_request_headers: [TRAP, CONTINUE] }));

test("the dashboard's panels are numbered, have queries and lie beside each other", () => {
  assert.ok(queries.length >= 20, `${queries.length} queries`);
  for (const panel of panels) {
    assert.equal(panel.type === "row", (panel.targets ?? []).length === 0, panel.title);
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

const HOW_TO_GET = "apt-get download prometheus; dpkg -x prometheus_*.deb somewhere";
const skip = missing
  ? `prometheus is not installed: ${HOW_TO_GET}; PROMETHEUS=somewhere/usr/bin/prometheus`
  : false;

describe("the dashboard's queries, asked of Prometheus", { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), "granary-dashboard-"));
  let upstream: FakeUpstream;
  let proxy: ProxyProcess;
  let server: ChildProcess;
  let url = "";

  before(async () => {
    upstream = await FakeUpstream.listen({
      onRequest: (_request, connection) => connection.write(plainResponse(200, "ok")),
    });
    const failing = join(directory, "failing.wasm");
    writeFileSync(failing, FAILING);
    const filters = [
      wasmFilter({ name: "adder", code: `{filename: "${FILTER}"}` }),
      wasmFilter({ name: "greeting", code: `{filename: "${COUNTING}"}` }),
    ];
    const more = "failure_policy: FAIL_RELOAD";
    const broken = [wasmFilter({ name: "failing", code: `{filename: "${failing}"}`, more })];
    const yaml = bootstrap(
      [listener({ filters }), listener({ name: "failing", filters: broken })],
      [cluster("upstream", upstream.port)],
    );
    proxy = await startProxy({ yaml, concurrency: 1 });
    for (let i = 0; i < 20; i++) await exchange(proxy.port("main"), GET);
    await exchange(proxy.port("failing"), GET);
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const job = `{job_name: granary, metrics_path: /stats/prometheus, static_configs: [{targets: ["127.0.0.1:${proxy.adminPort}"]}]}`;
    const config = join(directory, "prometheus.yml");
    writeFileSync(config, `global: {scrape_interval: 250ms}\nscrape_configs: [${job}]\n`);
    const flags = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    server = spawn(prometheus, flags, { stdio: "ignore" });
    // Rates need two scrapes with traffic between them.
    while ((await samples()) < 3) {
      await exchange(proxy.port("main"), GET);
      await wait(100);
    }
  });

  after(async () => {
    server.kill("SIGKILL");
    assert.equal(await proxy.stop(), 0);
    await upstream.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function ask(query: string): Promise<unknown[]> {
    const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`);
    const body = (await answer.json()) as { status: string; error?: string; data?: { result: [] } };
    assert.equal(body.status, "success", `${query}: ${body.error}`);
    return body.data?.result ?? [];
  }

  /** Scrapes so far; 0 while Prometheus starts. */
  async function samples(): Promise<number> {
    try {
      const [count] = await ask("count_over_time(envoy_server_live[1m])");
      return Number((count as { value?: [number, string] } | undefined)?.value?.[1] ?? 0);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return 0;
    }
  }

  for (const { title, expr } of queries) {
    test(`${title}: ${expr}`, async () => {
      const query = expr
        .replaceAll("$__rate_interval", "1m")
        .replaceAll("$job", ".*")
        .replaceAll("$metric", COUNTED);
      const result = await ask(query);
      assert.ok(result.length > 0, "no series answers");
    });
  }
});
