/**
 * `node dist/bench/updates.js [--updates 1000 --connections 200 --silos 2]`: alternating updates of
 * code, plugin configuration, routes and clusters under load. Prints the time an update takes, and
 * how the proxy's resident memory goes with the updates: the slope of a line through the samples of
 * the second half, when pools and heaps have reached their size. Exit code 1 when an answer failed.
 */
import { parseArgs } from "node:util";
import { runUpdateLoad } from "../test/harness/update-load.ts";

const { values } = parseArgs({
  options: {
    updates: { type: "string", default: "1000" },
    connections: { type: "string", default: "200" },
    silos: { type: "string", default: "2" },
  },
});

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

const report = await runUpdateLoad({
  updates: Number(values.updates),
  connections: Number(values.connections),
  concurrency: Number(values.silos),
});
const sorted = [...report.updateMs].sort((a, b) => a - b);
const { residentBytes } = report;
const secondHalf = residentBytes.slice(residentBytes.length >> 1);
const lines = [
  `answers: ${report.answers}, failures: ${report.failures.length}`,
  `update: p50 ${quantile(sorted, 0.5).toFixed(1)} ms, p99 ${quantile(sorted, 0.99).toFixed(1)} ms`,
  `resident: ${mib(residentBytes[0] ?? 0)} after the first update, ` +
    `${mib(residentBytes.at(-1) ?? 0)} after the last, most ${mib(Math.max(...residentBytes))}`,
  `slope over the second half: ${mib(slope(secondHalf) * 1_000)} per 1,000 updates`,
  `VMs of each silo afterwards: ${report.vms.join(", ")}`,
  `every 50th sample, MiB: ${residentBytes
    .filter((_, index) => index % 50 === 0)
    .map((bytes) => Math.round(bytes / MIB))
    .join(" ")}`,
  ...report.failures,
];
process.stdout.write(`${lines.join("\n")}\n`);
process.exitCode = report.failures.length === 0 ? 0 : 1;
