/**
 * What it costs to know what plugins cost: time per callback, by samples. Processes with sampling
 * and without take turns; each tells the best of many small rounds, and the best of all counts.
 * "noise" is one without against another. `node dist/bench/micro/plugin-cost.bench.js`
 *
 * 2026-11-29, 2 vCPU with a load average of 30, Node 20.20.2:
 * | what                                                   | without | sampled | cost   | noise  |
 * |--------------------------------------------------------|---------|---------|--------|--------|
 * | a callback that returns at once                        | 28 ns   | 31 ns   | 10 %   | 36 %   |
 * | a stream through the Rust header filter, the VM alone  | 1.69 us | 1.76 us | 4.1 %  | 4.3 %  |
 * | a request through that filter, without sockets         | 8.81 us | 8.86 us | 0.5 %  | 4.5 %  |
 *
 * Conclusions: sampling costs 3 ns a callback, half of it the clock at every 61st. A request through
 * a filter has seven or eight callbacks: 0.3 % of our own code for it, less with the sockets.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { CpuPool } from "../../src/main/cpu-pool.ts";
import { CallCost } from "../../src/vm/call-cost.ts";
import { wasmFilter } from "../../test/harness/config.ts";
import { startModule } from "../../test/harness/plugin-fixture.ts";
import { CONTINUE, scriptedGuest } from "../../test/harness/scripted-guest.ts";
import { headerStream } from "./header-stream.ts";
import { loadFilters, SiloRig } from "./silo-rig.ts";

const FILTER = "examples/filters/rust/add-header/add-header.wasm";
const CONNECTIONS = 64;
const ROUNDS = 600;
const PROCESS_ROUNDS = 4;
const VARIANTS = ["sampled", "without", "without again"] as const;
type Variant = (typeof VARIANTS)[number];

/** By what is measured, nanoseconds each. */
type Figures = Record<string, number>;

/** Nanoseconds of one of `count` in the best round. */
function best(count: number, body: () => void): number {
  let ns = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) body();
    ns = Math.min(ns, Number(process.hrtime.bigint() - start) / count);
  }
  return ns;
}

function callbackNs(): number {
  const fixture = startModule(scriptedGuest(() => ({ proxy_on_request_headers: [CONTINUE] })));
  fixture.thread.level = 6;
  fixture.thread.timers.monotonicNs = systemClock.monotonicNs;
  const { context } = fixture.open();
  context.enter();
  return best(2_000, () => context.onRequestHeaders(3, false));
}

/** A whole stream through a filter that adds a header to request and response, the VM alone. */
function streamNs(): number {
  const fixture = startModule(readFileSync(FILTER), { configuration: Buffer.from("{}") });
  fixture.thread.level = 6;
  fixture.thread.timers.monotonicNs = systemClock.monotonicNs;
  return best(400, () => headerStream(fixture.plugin));
}

/** A request through that filter in a silo without sockets. */
async function requestNs(): Promise<number> {
  const filter = wasmFilter({ name: "bench", code: `{filename: "${FILTER}"}` });
  const rig = new SiloRig(await loadFilters([filter], new CpuPool(systemClock)), CONNECTIONS);
  await rig.start();
  let ns = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const start = process.hrtime.bigint();
    rig.turn();
    ns = Math.min(ns, Number(process.hrtime.bigint() - start) / CONNECTIONS);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return ns;
}

async function measureHere(variant: Variant): Promise<Figures> {
  if (variant !== "sampled") CallCost.prototype.begin = () => false;
  return {
    "a callback that returns at once": callbackNs(),
    "a stream through the Rust header filter, the VM alone": streamNs(),
    "a request through that filter, without sockets": await requestNs(),
  };
}

function measureApart(variant: Variant): Figures {
  const file = fileURLToPath(import.meta.url);
  return JSON.parse(execFileSync(process.execPath, [file, variant], { encoding: "utf8" }));
}

function compare(): void {
  const figures = new Map<Variant, Figures>(VARIANTS.map((variant) => [variant, {}]));
  for (let round = 0; round < PROCESS_ROUNDS; round++) {
    for (const variant of VARIANTS) {
      const known = figures.get(variant) as Figures;
      for (const [what, ns] of Object.entries(measureApart(variant))) {
        known[what] = Math.min(ns, known[what] ?? Number.POSITIVE_INFINITY);
      }
    }
  }
  for (const [what, sampled] of Object.entries(figures.get("sampled") as Figures)) {
    const without = figures.get("without")?.[what] as number;
    const again = figures.get("without again")?.[what] as number;
    const percent = (ns: number): string => `${((ns / without - 1) * 100).toFixed(1)} %`;
    const figure = `${without.toFixed(1)} ns, sampled ${sampled.toFixed(1)} ns: ${percent(sampled)}`;
    process.stdout.write(`${what.padEnd(54)} ${figure}, noise ${percent(again)}\n`);
  }
}

const variant = VARIANTS.find((each) => each === process.argv[2]);
if (variant === undefined) compare();
else {
  process.stdout.write(JSON.stringify(await measureHere(variant)));
  process.exit(0);
}
