/**
 * Memory of streams that wait, without sockets: heap and buffers of each, over its idle connection.
 * A stream that waits for a connection to the upstream, without a filter and through one that passes
 * it on, against one that the filter has paused.
 *
 * `node dist/bench/micro/paused-streams.bench.js [streams]`
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock } from "../../src/base/clock.ts";
import { CpuPool } from "../../src/main/cpu-pool.ts";
import { wasmFilter } from "../../test/harness/config.ts";
import { pausingGuest } from "../../test/harness/pausing-guest.ts";
import { loadFilters, SiloRig } from "./silo-rig.ts";

const STREAMS = Number(process.argv[2] ?? 10_000);
/** All streams but those of the first connection wait for one. */
const ONE_CONNECTION =
  "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 50000, max_requests: 50000}]}";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function bytesUsed(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function measure(name: string, filters: readonly string[], pool: CpuPool): Promise<void> {
  const program = await loadFilters(filters, pool, ONE_CONNECTION);
  // The first rig pays for what is made once: compiled code, caches of texts.
  new SiloRig(program, STREAMS).ask();
  const rig = new SiloRig(program, STREAMS);
  const before = bytesUsed();
  rig.ask();
  const each = (bytesUsed() - before) / STREAMS;
  process.stdout.write(`${name.padEnd(52)} ${each.toFixed(0).padStart(6)} bytes each\n`);
}

const directory = mkdtempSync(join(tmpdir(), "granary-bench-"));
const file = join(directory, "pausing.wasm");
writeFileSync(file, pausingGuest("upstream"));
const pool = new CpuPool(systemClock);
const passing = "examples/filters/rust/add-header/add-header.wasm";
const filterOf = (name: string): string =>
  wasmFilter({ name: "one", code: `{filename: ${JSON.stringify(name)}}` });
await measure("no filter, waits for the upstream", [], pool);
await measure("a filter passes it on, waits for the upstream", [filterOf(passing)], pool);
await measure("paused by its filter", [filterOf(file)], pool);
rmSync(directory, { recursive: true, force: true });
process.exit(0);
