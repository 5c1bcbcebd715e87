/**
 * `npm run bench paused -- [--streams 10000]`: resident memory of the proxy for each stream that a
 * filter has paused, over its idle connection; beside it that of streams without a filter that wait
 * for an upstream (HTTP/2, so that they need no sockets of their own).
 */
import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { pausingGuest } from "../test/harness/pausing-guest.ts";
import { type PeerOptions, type Scenario, startGranary, waitForPort } from "./peers.ts";

const UPSTREAM_PORT = 28_300;
const REQUEST = "GET / HTTP/1.1\r\nhost: bench\r\n\r\n";
/** Connections that are being made at a time: fewer than the listener's backlog. */
const OPENING_MAX = 100;
/** Until what was sent has been read and garbage is gone. */
const SETTLE_MS = 8_000;
const FOREVER_MS = 1e9;

function residentKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? "0");
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  });
}

async function openAll(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Math.min(OPENING_MAX, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => open(port)))));
  }
  return sockets;
}

async function measure(name: string, options: PeerOptions, streams: number): Promise<void> {
  const granary = startGranary(options, "codec");
  try {
    await waitForPort(options.port);
    const pid = granary.process.pid ?? 0;
    const sockets = await openAll(options.port, streams);
    await wait(SETTLE_MS);
    const idle = residentKib(pid);
    for (const socket of sockets) socket.write(REQUEST);
    await wait(SETTLE_MS);
    const each = (residentKib(pid) - idle) / streams;
    process.stdout.write(
      `${streams} streams ${name}: ${each.toFixed(1)} KiB each, ${(idle / 1024).toFixed(0)} MiB before\n`,
    );
    for (const socket of sockets) socket.destroy();
  } finally {
    granary.process.kill("SIGKILL");
  }
}

const { values } = parseArgs({ options: { streams: { type: "string", default: "10000" } } });
const streams = Number(values.streams);
const directory = mkdtempSync(join(tmpdir(), "granary-bench-"));
mkdirSync(join(directory, "pausing"));
writeFileSync(join(directory, "pausing/pausing.wasm"), pausingGuest("up"));
const buildRoot = join(process.cwd(), "dist");
const script = join(buildRoot, "bench/delayed-upstream.js");
const upstream = fork(script, [String(UPSTREAM_PORT), String(FOREVER_MS), "http2"]);
const at = (port: number, scenario: Scenario): PeerOptions => ({
  directory,
  port,
  upstreamPort: UPSTREAM_PORT,
  scenario,
  certificate: "",
  key: "",
  buildRoot,
  filterFolder: directory,
});
const plain = { bodyBytes: 0, tls: false, upstream: "http2" } as const;
try {
  await waitForPort(UPSTREAM_PORT);
  await measure(
    "without a filter wait for the upstream",
    at(28_301, { name: "plain", filters: 0, ...plain }),
    streams,
  );
  const paused: Scenario = { name: "paused", filters: 1, filter: "pausing", ...plain };
  await measure("are paused by their filter", at(28_302, paused), streams);
} finally {
  upstream.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
}
