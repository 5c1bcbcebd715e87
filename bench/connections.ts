/**
 * `npm run bench connections -- [--idle 10000] [--seconds 5] [--transport uws]`: what idle
 * keep-alive connections cost in memory, and whether wrk and autocannon (by npx, where a registry
 * is reached) run against Granary without one error. Each connection asks once before it is idle.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load } from "./measure.ts";
import { startGranary, startUpstream, waitForPort } from "./peers.ts";

const UPSTREAM_PORT = 28_100;
const PORT = 28_101;
const REQUEST = "GET / HTTP/1.1\r\nhost: bench\r\n\r\n";
/** Connections that are being made at a time: fewer than the listener's backlog. */
const OPENING_MAX = 100;

/** Resident memory of process `pid` in MiB. */
function residentMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "0";
  return Number(kib) / 1024;
}

/** A connection that has had one answer. */
function openIdle(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(PORT, "127.0.0.1", () => void socket.write(REQUEST));
    socket.once("error", reject);
    socket.once("data", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

async function openAll(count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Math.min(OPENING_MAX, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: batch }, openIdle))));
  }
  return sockets;
}

interface AutocannonReport {
  readonly errors: number;
  readonly timeouts: number;
  readonly non2xx: number;
  readonly requests: { readonly total: number; readonly average: number };
  readonly latency: { readonly p99: number };
}

function autocannon(seconds: number): string {
  const args = ["--yes", "autocannon@9.0.0", "-c", "64", "-d", String(seconds), "-j"];
  const run = spawnSync("npx", [...args, `http://127.0.0.1:${PORT}/`], { encoding: "utf8" });
  if (run.status !== 0) return `autocannon did not run: ${run.stderr.trim().split("\n").at(-1)}`;
  const report = JSON.parse(run.stdout) as AutocannonReport;
  const { errors, timeouts, non2xx, requests, latency } = report;
  return `autocannon: ${requests.total} requests, ${errors} errors, ${timeouts} timeouts, ${non2xx} not 2xx, p99 ${latency.p99} ms`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      idle: { type: "string", default: "10000" },
      seconds: { type: "string", default: "5" },
      transport: { type: "string", default: "codec" },
    },
  });
  const [idle, seconds] = [Number(values.idle), Number(values.seconds)];
  const directory = mkdtempSync(join(tmpdir(), "granary-bench-"));
  const scenario = { name: "idle", bodyBytes: 100, tls: false, filters: 0 };
  const buildRoot = join(process.cwd(), "dist");
  const common = { directory, upstreamPort: UPSTREAM_PORT, scenario, buildRoot };
  const upstream = startUpstream(directory, UPSTREAM_PORT, scenario.bodyBytes);
  const files = { certificate: "", key: "", filterFolder: "" };
  const granary = startGranary({ ...common, ...files, port: PORT }, values.transport);
  try {
    for (const port of [UPSTREAM_PORT, PORT]) await waitForPort(port);
    const url = `http://127.0.0.1:${PORT}/`;
    const wrk = await load(url, { connections: 64, seconds, headers: [] });
    process.stdout.write(`wrk: ${wrk.requests} requests, ${wrk.errors} errors\n`);
    process.stdout.write(`${autocannon(seconds)}\n`);
    const pid = granary.process.pid ?? 0;
    const before = residentMib(pid);
    const sockets = await openAll(idle);
    const after = residentMib(pid);
    const each = ((after - before) * 1024) / idle;
    process.stdout.write(
      `${sockets.length} idle connections: ${(after - before).toFixed(0)} MiB (${each.toFixed(1)} KiB each), from ${before.toFixed(0)} to ${after.toFixed(0)} MiB\n`,
    );
    const still = await load(url, { connections: 64, seconds: 1, headers: [] });
    process.stdout.write(`beside them wrk: ${still.requests} requests, ${still.errors} errors\n`);
    for (const socket of sockets) socket.destroy();
  } finally {
    granary.process.kill("SIGKILL");
    // A master of nginx that is killed leaves its worker behind.
    upstream.process.kill("SIGTERM");
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
