/**
 * `npm run bench [-- --seconds 3 --rounds 5 --warm-up 8 --only name]`: Granary against nginx, HAProxy
 * and Envoy in one run. Every proxy of a scenario runs at the same time and is loaded in turn, order
 * rotating; Granary runs twice, and the difference of the two is the noise. Prints a table of CPU per
 * request and writes it to `build/bench.json`. "x nginx" is the median of the ratios of each round,
 * which a machine that is slow for a while disturbs least.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadUws } from "../src/silo/downstream/uws-library.ts";
import { type Sample, sample } from "./measure.ts";
import {
  GRPC_OFFSET,
  type PeerOptions,
  type RunningPeer,
  type Scenario,
  startEnvoy,
  startGranary,
  startHaproxy,
  startNginx,
  startUpstream,
  waitForPort,
} from "./peers.ts";

const UPSTREAM_PORT = 28_000;
const CALLOUT = { filter: "callouts" } as const;
const GRPC = {
  callout: "grpc",
  service: { port: UPSTREAM_PORT + GRPC_OFFSET, protocol: "http2" },
} as const;
/** Reads every body: in memory that it lends, or with `copy` by proxy_get_buffer_bytes. */
const WINDOW = { filter: "body-window" } as const;
const COPIED = { configuration: "copy" } as const;

const SCENARIOS: readonly Scenario[] = [
  { name: "plain-100", bodyBytes: 100, tls: false, filters: 0 },
  { name: "plain-100-filter", bodyBytes: 100, tls: false, filters: 1 },
  { name: "plain-100-4-filters", bodyBytes: 100, tls: false, filters: 4 },
  { name: "plain-100-logged", bodyBytes: 100, tls: false, filters: 0, logs: true },
  { name: "callout", bodyBytes: 100, tls: false, filters: 1, ...CALLOUT, callout: "http" },
  { name: "grpc-callout", bodyBytes: 100, tls: false, filters: 1, ...CALLOUT, ...GRPC },
  { name: "plain-64k", bodyBytes: 65_536, tls: false, filters: 0 },
  { name: "plain-64k-filter", bodyBytes: 65_536, tls: false, filters: 1 },
  { name: "plain-100-tap", bodyBytes: 100, tls: false, filters: 0, taps: true },
  { name: "plain-64k-tap", bodyBytes: 65_536, tls: false, filters: 0, taps: true },
  { name: "plain-1m", bodyBytes: 1_048_576, tls: false, filters: 0 },
  { name: "window-64k", bodyBytes: 65_536, tls: false, filters: 1, ...WINDOW },
  { name: "window-64k-copied", bodyBytes: 65_536, tls: false, filters: 1, ...WINDOW, ...COPIED },
  { name: "window-1m", bodyBytes: 1_048_576, tls: false, filters: 1, ...WINDOW },
  { name: "window-1m-copied", bodyBytes: 1_048_576, tls: false, filters: 1, ...WINDOW, ...COPIED },
  { name: "tls-100", bodyBytes: 100, tls: true, filters: 0 },
  { name: "tls-100-filter", bodyBytes: 100, tls: true, filters: 1 },
  { name: "tls-64k", bodyBytes: 65_536, tls: true, filters: 0 },
];

/** Tells the callout filter what to ask; the other peers ignore it. */
const CALLOUT_HEADERS = {
  http: ["x-call: up|/|1000", "x-call-then: continue"],
  grpc: ["x-grpc: service|bench.Service|Call|question|1000"],
} as const;

interface Row {
  readonly scenario: string;
  readonly peer: string;
  readonly userUs: number;
  readonly systemUs: number;
  readonly totalUs: number;
  /** Median of this peer's figure divided by nginx's of the same round; NaN without nginx. */
  readonly timesNginx: number;
  readonly minUs: number;
  readonly maxUs: number;
  readonly perSecond: number;
  readonly errors: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const totalOf = (sample: Sample): number => sample.userUs + sample.systemUs;

/** `nginx`: its samples, beside `samples` by round. */
function rowOf(
  scenario: string,
  peer: string,
  samples: readonly Sample[],
  nginx: readonly Sample[],
): Row {
  const totals = samples.map(totalOf);
  const ratios = nginx.map((theirs, round) => (totals[round] ?? Number.NaN) / totalOf(theirs));
  return {
    scenario,
    peer,
    userUs: median(samples.map((s) => s.userUs)),
    systemUs: median(samples.map((s) => s.systemUs)),
    totalUs: median(totals),
    timesNginx: ratios.length === 0 ? Number.NaN : median(ratios),
    minUs: Math.min(...totals),
    maxUs: Math.max(...totals),
    perSecond: median(samples.map((s) => s.perSecond)),
    errors: samples.reduce((sum, s) => sum + s.errors, 0),
  };
}

function print(rows: readonly Row[]): void {
  for (const row of rows) {
    const cells = [
      row.scenario.padEnd(20),
      row.peer.padEnd(16),
      `user ${row.userUs.toFixed(1).padStart(6)}`,
      `sys ${row.systemUs.toFixed(1).padStart(6)}`,
      `total ${row.totalUs.toFixed(1).padStart(6)} [${row.minUs.toFixed(1)}-${row.maxUs.toFixed(1)}] us/req`,
      `x nginx ${row.timesNginx.toFixed(2)}`,
      `${row.perSecond.toFixed(0).padStart(7)} req/s`,
      `errors ${row.errors}`,
    ];
    process.stdout.write(`${cells.join("  ")}\n`);
  }
  const same = rows.filter((row) => row.peer.startsWith("granary codec"));
  const [a, b] = [same[0]?.totalUs ?? 0, same[1]?.totalUs ?? 0];
  process.stdout.write(`noise (A/A): ${((Math.abs(a - b) / Math.max(a, b)) * 100).toFixed(1)} %\n`);
}

/** Whether this Node has a build of uWebSockets.js. */
async function uwsLoads(): Promise<boolean> {
  return (await loadUws()).kind === "loaded";
}

async function runScenario(
  scenario: Scenario,
  base: Omit<PeerOptions, "port" | "upstreamPort" | "scenario">,
  plan: { readonly seconds: number; readonly rounds: number; readonly warmUp: number },
): Promise<Row[]> {
  const upstream = startUpstream(base.directory, UPSTREAM_PORT, scenario.bodyBytes);
  const at = (port: number): PeerOptions => ({
    ...base,
    port,
    upstreamPort: UPSTREAM_PORT,
    scenario,
  });
  const peers: RunningPeer[] = [
    { ...startGranary(at(28_001), "codec"), name: "granary codec A" },
    { ...startGranary(at(28_002), "codec"), name: "granary codec B" },
  ];
  if (await uwsLoads()) peers.push(startGranary(at(28_003), "uws"));
  const others = [startNginx(at(28_004)), startHaproxy(at(28_005)), startEnvoy(at(28_006))];
  for (const peer of others) if (peer !== null) peers.push(peer);
  try {
    for (const port of [UPSTREAM_PORT, ...peers.map((peer) => peer.port)]) await waitForPort(port);
    const samples = new Map<string, Sample[]>(peers.map((peer) => [peer.name, []]));
    for (let i = 0; i <= plan.rounds; i++) {
      const order = [...peers.slice(i % peers.length), ...peers.slice(0, i % peers.length)];
      for (const peer of order) {
        const url = `${scenario.tls ? "https" : "http"}://127.0.0.1:${peer.port}/`;
        const seconds = i === 0 ? plan.warmUp : plan.seconds;
        const { callout } = scenario;
        const headers = callout === undefined ? [] : CALLOUT_HEADERS[callout];
        const round = { connections: 64, seconds, headers };
        const taken = await sample(peer.process.pid ?? 0, url, round);
        // The first round only warms up: compilers work on for seconds.
        if (i > 0) samples.get(peer.name)?.push(taken);
      }
    }
    const nginx = samples.get("nginx") ?? [];
    return peers.map((peer) =>
      rowOf(scenario.name, peer.name, samples.get(peer.name) ?? [], nginx),
    );
  } finally {
    for (const peer of [...peers, upstream]) peer.process.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const peer of [...peers, upstream]) peer.process.kill("SIGKILL");
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "5" },
      "warm-up": { type: "string", default: "8" },
      only: { type: "string" },
    },
  });
  const directory = mkdtempSync(join(tmpdir(), "granary-bench-"));
  const certificate = join(directory, "cert.pem");
  const key = join(directory, "key.pem");
  const subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes"];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", certificate, ...subject],
    { stdio: "ignore" },
  );
  copyFileSync(certificate, join(directory, "haproxy.pem"));
  writeFileSync(
    join(directory, "haproxy.pem"),
    readFileSync(certificate, "utf8") + readFileSync(key, "utf8"),
  );
  const root = process.cwd();
  const base = {
    directory,
    certificate,
    key,
    buildRoot: join(root, "dist"),
    filterFolder: join(root, "examples/filters/rust"),
  };
  const round = {
    seconds: Number(values.seconds),
    rounds: Number(values.rounds),
    warmUp: Number(values["warm-up"]),
  };
  const all: Row[] = [];
  for (const scenario of SCENARIOS) {
    if (values.only !== undefined && !scenario.name.includes(values.only)) continue;
    const rows = await runScenario(scenario, base, round);
    print(rows);
    all.push(...rows);
  }
  mkdirSync("build", { recursive: true });
  writeFileSync("build/bench.json", `${JSON.stringify(all, null, 2)}\n`);
  rmSync(directory, { recursive: true, force: true });
}

await main();
