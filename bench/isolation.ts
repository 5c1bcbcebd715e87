/**
 * What failing filters cost others: from a trap to the next good answer, with and without a VM that
 * waits; and the latency of a good filter alone and beside filters that loop, eat memory, recurse
 * and trap, in the same silo. `node dist/bench/isolation.js`; results go to docs/perf.md by hand.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { rewriteModule } from "../src/abi/module-rewriter.ts";
import { LIMITS } from "../src/base/limits.ts";
import { setLogLevel } from "../src/base/log.ts";
import { ISOLATION_DEFAULTS } from "../src/config/compile-isolation.ts";
import { createPluginHost } from "../src/vm/plugin-host.ts";
import { FakeStream, FakeThread } from "../test/harness/fake-roles.ts";
import { FilterRig, type ListenerSpec, REPOSITORY_ROOT } from "../test/harness/filter-rig.ts";
import { CODE_SHA, configWith, pluginConfig } from "../test/harness/plugin-fixture.ts";
import type { RawClient } from "../test/harness/raw-client.ts";
import { type Callbacks, CONTINUE, scriptedGuest, TRAP } from "../test/harness/scripted-guest.ts";

const TRAPS = 40;
const REQUESTS = 4_000;
const VM_STARTS = 200;
/** A standby is made 100 ms after the VM that serves. */
const STANDBY_MS = 250;

const RELOAD = {
  failure_policy: "FAIL_RELOAD",
  reload_config: { backoff: { base_interval: "0.001s" } },
};

const MEMORY = '(memory (export "memory") 1)';

function plugin(name: string, callbacks: Callbacks, fields = ""): ListenerSpec["plugins"][number] {
  return {
    name,
    vmId: name,
    code: scriptedGuest(() => callbacks, { fields, memory: MEMORY }),
    more: RELOAD,
  };
}

/** Traps on requests with more headers than usual. */
const FRAGILE = {
  proxy_on_request_headers: [
    `(if (i32.gt_u (local.get $a) (i32.const 14)) (then ${TRAP}))`,
    CONTINUE,
  ],
};
const MANY = Array.from({ length: 12 }, (_, i) => `x-${i}: 1\r\n`).join("");

const EAT = `(loop $more (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then ${TRAP})) (br $more))`;
const DEEPER = "(func $deeper (param i32) (call $deeper (local.get 0)) (drop (memory.size)))";
const villain = (name: string, what: string): ListenerSpec => ({
  name,
  plugins: [plugin(name, { proxy_on_request_headers: [what, CONTINUE] }, DEEPER)],
});
const VILLAINS = [
  villain("loops", "(loop $again (br $again))"),
  villain("eats", EAT),
  villain("recurses", "(call $deeper (i32.const 0))"),
  villain("traps", TRAP),
];

const never = { crashes_max: 1_000_000 };
const LISTENERS: readonly ListenerSpec[] = [
  { name: "standby", plugins: [plugin("standby", FRAGILE)], limits: never },
  { name: "alone", plugins: [plugin("alone", FRAGILE)], limits: { ...never, warm_standby: false } },
  { name: "good", plugins: [plugin("good", { proxy_on_request_headers: [CONTINUE] })] },
  ...VILLAINS,
];

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

function summary(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  const ms = (value: number): string => value.toFixed(2);
  return `median ${ms(at(sorted, 0.5))} ms, p99 ${ms(at(sorted, 0.99))} ms, max ${ms(at(sorted, 1))} ms`;
}

/** One request on an open connection; its status and milliseconds. */
async function timed(client: RawClient, path: string): Promise<number> {
  const before = client.received.length;
  const start = performance.now();
  client.send(`GET ${path} HTTP/1.1\r\nhost: a.example\r\n\r\n`);
  await client.until((text) => text.length > before && text.endsWith("hello"));
  return performance.now() - start;
}

/** From the answer to the request that trapped to the first good one. */
async function trapToGood(rig: FilterRig, name: string): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < TRAPS; i++) {
    await wait(STANDBY_MS);
    const bad = await rig.send(name, { headers: MANY });
    if (bad.status !== 503) throw new Error(`the filter did not trap: ${bad.status}`);
    const start = performance.now();
    for (;;) {
      const { status } = await rig.send(name);
      if (status === 200) break;
    }
    times.push(performance.now() - start);
  }
  say(`trap to good answer, ${name}: ${summary(times)} (a new connection included)`);
}

/** The same on the silo's thread alone: from the trap to the end of the next stream's callback. */
function replacement(hasStandby: boolean): void {
  const bytes = scriptedGuest(() => FRAGILE, { memory: MEMORY });
  const isolation = { ...ISOLATION_DEFAULTS, crashesMax: 1_000_000, hasStandby };
  const config = pluginConfig({ failurePolicy: "reload", reloadBaseIntervalMs: 1, isolation });
  const roles = new FakeThread();
  roles.level = 6;
  const modules = new Map([[CODE_SHA, new WebAssembly.Module(bytes)]]);
  const host = createPluginHost({
    config: configWith([config]),
    modules,
    roles,
    singletons: "here",
  });
  host.start();
  const headers = (count: number): readonly string[] => {
    const stream = new FakeStream();
    host.plugin(config).createStream(stream)?.onRequestHeaders(count, true);
    return stream.calls;
  };
  const times: number[] = [];
  for (let i = 0; i < VM_STARTS; i++) {
    // Past every backoff, and the standby is made.
    roles.timers.advance(100_000);
    headers(20);
    const start = performance.now();
    if (headers(1).length > 0) throw new Error("there was no next VM");
    times.push(performance.now() - start);
  }
  say(
    `next VM on the thread, ${hasStandby ? "from the one that waits" : "made"}: ${summary(times)}`,
  );
}

function p99(times: readonly number[]): number {
  return at(
    [...times].sort((a, b) => a - b),
    0.99,
  );
}

async function latency(rig: FilterRig): Promise<readonly number[]> {
  const client = await rig.open("good");
  const times: number[] = [];
  for (let i = 0; i < REQUESTS; i++) times.push(await timed(client, `/${i}`));
  client.close();
  return times;
}

async function besideVillains(rig: FilterRig): Promise<void> {
  await latency(rig);
  const alone = await latency(rig);
  say(`a good filter alone: ${summary(alone)}`);
  let busy = true;
  let attacks = 0;
  const attackers = VILLAINS.map(async ({ name }) => {
    while (busy) {
      await rig.send(name);
      attacks++;
      await wait(5);
    }
  });
  const times = await latency(rig);
  const what = `beside four that fail, default budgets (${attacks} requests to them)`;
  say(`${what}: ${summary(times)}`);
  say(`beside four that are kept out: ${summary(await latency(rig))}`);
  busy = false;
  await Promise.all(attackers);
  const again = await latency(rig);
  say(`alone again: ${summary(again)}`);
  // Before and behind, because the machine's other work comes and goes.
  const ratio = p99(times) / p99([...alone, ...again]);
  say(`p99 beside them: ${ratio.toFixed(2)} times that alone`);
}

/** A VM with its plugin: compiled and started, and started from a compiled module. */
function vmStarts(path: string): void {
  const bytes = readFileSync(join(REPOSITORY_ROOT, path));
  const options = {
    pagesMax: 2_048,
    tableElementsMax: LIMITS.tableElements,
    growth: "free",
  } as const;
  const prepared = (): WebAssembly.Module => {
    const made = rewriteModule(bytes, { ...options, budget: "metered" });
    if (made.kind === "refused") throw new Error(made.reason);
    return new WebAssembly.Module(made.bytes);
  };
  const start = (module: WebAssembly.Module): unknown => {
    const config = pluginConfig({ configuration: Buffer.from("{}") });
    const roles = new FakeThread();
    const modules = new Map([[CODE_SHA, module]]);
    const host = createPluginHost({
      config: configWith([config]),
      modules,
      roles,
      singletons: "here",
    });
    if (host.start().length > 0) throw new Error("the plugin did not start");
    return host;
  };
  const time = (count: number, run: () => unknown): string => {
    const times = Array.from({ length: count }, () => {
      const begin = performance.now();
      run();
      return performance.now() - begin;
    });
    return summary(times);
  };
  say(`${path}: rewritten, compiled and started: ${time(10, () => start(prepared()))}`);
  const shared = prepared();
  say(`${path}: started from a compiled module: ${time(VM_STARTS, () => start(shared))}`);
  const kept: unknown[] = [];
  const before = process.memoryUsage().rss;
  for (let i = 0; i < VM_STARTS; i++) kept.push(start(shared));
  const kib = (process.memoryUsage().rss - before) / 1_024 / kept.length;
  say(`${path}: resident memory of an idle VM: ${kib.toFixed(0)} KiB`);
}

const only = process.argv[2] ?? "";
if (only !== "rig") {
  vmStarts("examples/filters/rust/add-header/add-header.wasm");
  vmStarts("examples/filters/go/toolbox/toolbox.wasm");
}
setLogLevel("off");
replacement(true);
replacement(false);
const rig = await FilterRig.start(LISTENERS);
try {
  await trapToGood(rig, "standby");
  await trapToGood(rig, "alone");
  await besideVillains(rig);
} finally {
  await rig.stop();
}
