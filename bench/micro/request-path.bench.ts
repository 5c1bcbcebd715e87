/**
 * Everything a request costs in our own code: bytes of a request in, codec, filters, router, pool,
 * bytes to the upstream; bytes of the response in and back. Without sockets and system calls, so the
 * figure holds on a busy machine. CPU time a request, best of 300 rounds; 64 connections take turns,
 * as under load.
 *
 * `node dist/bench/micro/request-path.bench.js [NUMBER OF FILTERS...] [--profile]`; the profile goes
 * to build/.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { systemClock } from "../../src/base/clock.ts";
import { CpuPool } from "../../src/main/cpu-pool.ts";
import { wasmFilter } from "../../test/harness/config.ts";
import { loadFilters, SiloRig } from "./silo-rig.ts";

const FILTER = "examples/filters/rust/add-header/add-header.wasm";
const CONNECTIONS = 64;
/** Event loop turns a round; each is a request on every connection. */
const TURNS = 10;
const ROUNDS = 300;
const WARM_UP_TURNS = 1000;
const PROFILE_TURNS = 800;

/** Turns of their own event loop iterations, as reads of a busy proxy. */
async function run(rig: SiloRig, turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) {
    rig.turn();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Prints CPU time a request of the best and the median round. */
async function measure(name: string, rig: SiloRig): Promise<void> {
  await run(rig, WARM_UP_TURNS);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await run(rig, TURNS);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / TURNS / CONNECTIONS);
  }
  times.sort((a, b) => a - b);
  const [best, median] = [times[0] ?? 0, times[ROUNDS >> 1] ?? 0].map((us) => us.toFixed(2));
  process.stdout.write(`${name.padEnd(34)} best ${best} us  median ${median} us\n`);
}

/** Runs `body` under the profilers and writes what they found. */
async function profile(name: string, body: () => Promise<void>): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 100 });
  await session.post("Profiler.start");
  await body();
  const cpu = await session.post("Profiler.stop");
  const sampling = { samplingInterval: 16384, includeObjectsCollectedByMajorGC: true };
  await session.post("HeapProfiler.startSampling", {
    ...sampling,
    includeObjectsCollectedByMinorGC: true,
  });
  await body();
  const heap = await session.post("HeapProfiler.stopSampling");
  mkdirSync("build", { recursive: true });
  writeFileSync(`build/${name}.cpuprofile`, JSON.stringify(cpu.profile));
  writeFileSync(`build/${name}.heapprofile`, JSON.stringify(heap.profile));
  session.disconnect();
}

const counts = process.argv
  .slice(2)
  .filter((word) => /^\d$/.test(word))
  .map(Number);
const pool = new CpuPool(systemClock);
for (const filters of counts.length > 0 ? counts : [0, 1, 2, 4, 8]) {
  const each = wasmFilter({ name: "bench", code: `{filename: "${FILTER}"}` });
  const program = await loadFilters(new Array<string>(filters).fill(each), pool);
  const rig = new SiloRig(program, CONNECTIONS);
  await rig.start();
  const name = `a request through ${filters} filter(s)`;
  await measure(name, rig);
  if (process.argv.includes("--profile")) {
    await profile(`request-path-${filters}`, () => run(rig, PROFILE_TURNS));
  }
}
process.exit(0);
