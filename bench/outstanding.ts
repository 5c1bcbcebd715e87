/**
 * `npm run bench outstanding -- [--streams 1000] [--calls 10] [--delay 100] [--seconds 5] [--rounds 3]
 * [--protocol http2|http1]`: callouts per second and CPU of each while streams times calls of them
 * are outstanding all the time, each answered after the delay; Granary and Envoy in turn with the
 * same filter.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Sample, sample } from "./measure.ts";
import {
  type RunningPeer,
  type Scenario,
  startEnvoy,
  startGranary,
  startUpstream,
  waitForPort,
} from "./peers.ts";

const UPSTREAM_PORT = 28_200;
const SERVICE_PORT = 28_201;
const WARM_UP_SECONDS = 8;
const CALL_MS_MAX = 30_000;

interface Plan {
  readonly streams: number;
  readonly calls: number;
  readonly seconds: number;
  readonly rounds: number;
}

async function mostHeld(service: ChildProcess): Promise<number> {
  service.send("most");
  const [most] = (await once(service, "message")) as [number];
  return most;
}

function print(name: string, samples: readonly Sample[], most: number, calls: number): void {
  const middle = (of: (sample: Sample) => number): number =>
    samples.map(of).sort((a, b) => a - b)[samples.length >> 1] ?? 0;
  const cells = [
    name.padEnd(16),
    `${middle((s) => s.perSecond * calls).toFixed(0)} callouts/s`,
    `user ${middle((s) => s.userUs / calls).toFixed(1)}`,
    `system ${middle((s) => s.systemUs / calls).toFixed(1)} us each`,
    `most at once ${most}`,
    `errors ${samples.reduce((sum, s) => sum + s.errors, 0)}`,
  ];
  process.stdout.write(`${cells.join("  ")}\n`);
}

async function measureAll(
  peers: readonly RunningPeer[],
  service: ChildProcess,
  plan: Plan,
): Promise<void> {
  const { streams, calls, rounds } = plan;
  const call = new Array<string>(calls).fill(`service|/|${CALL_MS_MAX}`).join(";");
  const headers = [`x-call: ${call}`, "x-call-then: continue"];
  const taken = new Map<RunningPeer, { samples: Sample[]; most: number }>();
  for (const peer of peers) taken.set(peer, { samples: [], most: 0 });
  for (let round = 0; round <= rounds; round++) {
    for (const [peer, result] of taken) {
      const seconds = round === 0 ? WARM_UP_SECONDS : plan.seconds;
      const load = { connections: streams, seconds, headers, timeoutSeconds: CALL_MS_MAX / 1_000 };
      await mostHeld(service);
      const one = await sample(peer.process.pid ?? 0, `http://127.0.0.1:${peer.port}/`, load);
      const most = await mostHeld(service);
      if (round === 0) continue;
      result.samples.push(one);
      result.most = Math.max(result.most, most);
    }
  }
  for (const [peer, { samples, most }] of taken) print(peer.name, samples, most, calls);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      streams: { type: "string", default: "1000" },
      calls: { type: "string", default: "10" },
      delay: { type: "string", default: "100" },
      seconds: { type: "string", default: "5" },
      rounds: { type: "string", default: "3" },
      protocol: { type: "string", default: "http2" },
    },
  });
  const protocol = values.protocol === "http1" ? "http1" : "http2";
  const directory = mkdtempSync(join(tmpdir(), "granary-bench-"));
  const scenario: Scenario = {
    name: "outstanding",
    bodyBytes: 100,
    tls: false,
    filters: 1,
    filter: "callouts",
    service: { port: SERVICE_PORT, protocol },
  };
  const buildRoot = join(process.cwd(), "dist");
  const filterFolder = join(process.cwd(), "examples/filters/rust");
  const common = { directory, upstreamPort: UPSTREAM_PORT, scenario, buildRoot, filterFolder };
  const files = { certificate: "", key: "" };
  const script = join(buildRoot, "bench/delayed-upstream.js");
  const service = fork(script, [String(SERVICE_PORT), values.delay, protocol]);
  const upstream = startUpstream(directory, UPSTREAM_PORT, scenario.bodyBytes);
  const peers = [startGranary({ ...common, ...files, port: 28_202 }, "codec")];
  const envoy = startEnvoy({ ...common, ...files, port: 28_203 });
  if (envoy !== null) peers.push(envoy);
  try {
    for (const port of [UPSTREAM_PORT, SERVICE_PORT, ...peers.map((peer) => peer.port)])
      await waitForPort(port);
    await measureAll(peers, service, {
      streams: Number(values.streams),
      calls: Number(values.calls),
      seconds: Number(values.seconds),
      rounds: Number(values.rounds),
    });
  } finally {
    for (const peer of peers) peer.process.kill("SIGKILL");
    upstream.process.kill("SIGTERM");
    service.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
