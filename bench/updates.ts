/**
 * `node dist/bench/updates.js [--updates 1000 --connections 200 --silos 2 --collect]`: alternating
 * updates of code, plugin configuration, routes and clusters under load. Prints the time an update
 * takes, and how the proxy's resident memory goes with the updates: the slope of a line through the
 * samples, without those of the warm-up. It begins after 50,000 answers, when the heaps of the silos
 * have their size. With `--collect` every thread of the proxy collects its garbage each second: what
 * grows then is kept, and no mere laziness of the collector. Exit code 1 when an answer failed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runUpdateLoad } from "../test/harness/update-load.ts";

const { values } = parseArgs({
  options: {
    updates: { type: "string", default: "1000" },
    connections: { type: "string", default: "200" },
    silos: { type: "string", default: "2" },
    collect: { type: "boolean", default: false },
  },
});

const ANSWERS_BEFORE = 50_000;
/** Updates until what they use is loaded and compiled. */
const WARM_UP = 100;

/** Runs in each thread of the proxy before its own code; a file, for threads inherit no --import. */
const COLLECT_SCRIPT = `
  require("node:v8").setFlagsFromString("--expose-gc");
  setInterval(require("node:vm").runInNewContext("gc"), 1000).unref();`;

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Least squares: what one step adds. */
function slope(samples: readonly number[]): number {
  const meanX = (samples.length - 1) / 2;
  const meanY = samples.reduce((sum, y) => sum + y, 0) / samples.length;
  let above = 0;
  let below = 0;
  samples.forEach((y, x) => {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  });
  return above / below;
}

const MIB = 1_048_576;
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

const folder = mkdtempSync(join(tmpdir(), "granary-collect-"));
const script = join(folder, "collect.cjs");
writeFileSync(script, COLLECT_SCRIPT);
const report = await runUpdateLoad({
  updates: Number(values.updates),
  connections: Number(values.connections),
  concurrency: Number(values.silos),
  answersBefore: ANSWERS_BEFORE,
  env: values.collect ? { NODE_OPTIONS: `--require=${script}` } : {},
});
rmSync(folder, { recursive: true });
const sorted = [...report.updateMs].sort((a, b) => a - b);
const { residentBytes } = report;
const warm = residentBytes.slice(WARM_UP);
const secondHalf = residentBytes.slice(residentBytes.length >> 1);
const lines = [
  `answers: ${report.answers}, failures: ${report.failures.length}`,
  `update: p50 ${quantile(sorted, 0.5).toFixed(1)} ms, p99 ${quantile(sorted, 0.99).toFixed(1)} ms`,
  `resident: ${mib(residentBytes[0] ?? 0)} after the first update, ` +
    `${mib(residentBytes.at(-1) ?? 0)} after the last, most ${mib(Math.max(...residentBytes))}`,
  `slope per 1,000 updates: ${mib(slope(warm) * 1_000)} after the first ${WARM_UP}, ` +
    `${mib(slope(secondHalf) * 1_000)} over the second half`,
  `VMs of each silo afterwards: ${report.vms.join(", ")}`,
  `every 50th sample, MiB: ${residentBytes
    .filter((_, index) => index % 50 === 0)
    .map((bytes) => Math.round(bytes / MIB))
    .join(" ")}`,
  ...report.failures,
];
process.stdout.write(`${lines.join("\n")}\n`);
process.exitCode = report.failures.length === 0 ? 0 : 1;
