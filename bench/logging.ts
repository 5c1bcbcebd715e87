/**
 * `npm run bench logging -- [--seconds 2] [--rounds 8] [--warm-up 5]`: what logging every request to
 * a file adds to the CPU of a request: Granary, nginx and Envoy, each with a log and without, loaded
 * in turn. Granary runs twice each way. "adds" is the median of the differences of each round.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sample } from "./measure.ts";
import {
  type PeerOptions,
  type RunningPeer,
  type Scenario,
  startEnvoy,
  startGranary,
  startNginx,
  startUpstream,
  waitForPort,
} from "./peers.ts";

const UPSTREAM_PORT = 28_200;
const BODY_BYTES = 100;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "8" },
    "warm-up": { type: "string", default: "5" },
  },
});
const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

interface Pair {
  readonly name: string;
  readonly without: RunningPeer;
  readonly logged: RunningPeer;
  readonly us: { without: number; logged: number }[];
}

const directory = mkdtempSync(join(tmpdir(), "granary-logging-"));
const upstream = startUpstream(directory, UPSTREAM_PORT, BODY_BYTES);
let ports = UPSTREAM_PORT;

async function pair(
  name: string,
  start: (options: PeerOptions) => RunningPeer | null,
): Promise<Pair | null> {
  const one = (kind: "plain" | "logged"): RunningPeer | null => {
    const scenario: Scenario = { name: kind, bodyBytes: BODY_BYTES, tls: false, filters: 0 };
    return start({
      directory,
      port: ++ports,
      upstreamPort: UPSTREAM_PORT,
      scenario: kind === "logged" ? { ...scenario, logs: true } : scenario,
      certificate: "",
      key: "",
      buildRoot: join(process.cwd(), "dist"),
      filterFolder: "",
    });
  };
  const [without, logged] = [one("plain"), one("logged")];
  for (const peer of [without, logged]) if (peer !== null) peers.push(peer);
  if (without === null || logged === null) return null;
  for (const { port } of [without, logged]) await waitForPort(port);
  return { name, without, logged, us: [] };
}

const startGranaryCodec = (options: PeerOptions): RunningPeer => startGranary(options, "codec");

async function cpuOf({ process: child, port }: RunningPeer, seconds: number): Promise<number> {
  const round = { connections: 64, seconds, headers: [] };
  const { userUs, systemUs } = await sample(child.pid ?? 0, `http://127.0.0.1:${port}/`, round);
  return userUs + systemUs;
}

const peers = [upstream];
try {
  await waitForPort(UPSTREAM_PORT);
  const pairs: Pair[] = [];
  for (const [name, start] of [
    ["granary A", startGranaryCodec],
    ["granary B", startGranaryCodec],
    ["nginx", startNginx],
    ["envoy", startEnvoy],
  ] as const) {
    const made = await pair(name, start);
    if (made !== null) pairs.push(made);
  }
  for (let round = 0; round <= Number(values.rounds); round++) {
    const seconds = Number(round === 0 ? values["warm-up"] : values.seconds);
    for (const { without, logged, us } of pairs) {
      const figures = { without: 0, logged: 0 };
      // The two of a pair take turns in being the first.
      const order =
        round % 2 === 0 ? (["without", "logged"] as const) : (["logged", "without"] as const);
      for (const kind of order) {
        figures[kind] = await cpuOf(kind === "logged" ? logged : without, seconds);
      }
      if (round > 0) us.push(figures);
    }
  }
  for (const { name, us } of pairs) {
    const [without, logged, added] = [
      us.map((figures) => figures.without),
      us.map((figures) => figures.logged),
      us.map((figures) => figures.logged - figures.without),
    ].map((list) => median(list).toFixed(1).padStart(6));
    const line = `without ${without}  logged ${logged}  adds ${added} us/request`;
    process.stdout.write(`${name.padEnd(10)}  ${line}\n`);
  }
} finally {
  for (const { process: child } of peers) child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const { process: child } of peers) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
}
