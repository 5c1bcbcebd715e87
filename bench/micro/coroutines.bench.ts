/**
 * What coroutines cost in Wasm: asyncify in size and in the time of a filter that never waits; one
 * wait by asyncify and, where the engine has it, by its own stack switching, against pausing and
 * continuing; memory of a VM with a suspended call. Without sockets, on roles that do nothing.
 *
 * `node dist/bench/micro/coroutines.bench.js`, on Node 20 and on Node 24
 *
 * 2026-11-29, 2 vCPU with much other load, best of 200 rounds, microseconds of a stream's whole life:
 * | what                            | Node 20 (three runs) | Node 24 (two) |
 * |---------------------------------|----------------------|---------------|
 * | without a wait                  | 1.4 - 1.6            | 1.8 - 2.4     |
 * | pauses, asks, is continued      | 5.7 - 6.2            | 6.5 - 8.3     |
 * | awaits by asyncify              | 9.3 - 10.8           | 11.4 - 12.9   |
 * | awaits by JSPI                  | -                    | 21.3 - 26.5   |
 *
 * Conclusions: awaiting by asyncify costs 4 us more than pausing, by the engine's stack switching 15 to 18;
 * asyncify of a filter that does not wait costs no more than the noise.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { HeaderMap } from "../../src/http/header-map.ts";
import { asyncify } from "../../src/main/asyncify.ts";
import { coroutineGuest, WAYS, type Way } from "../../test/harness/coroutine-guest.ts";
import { REPOSITORY_ROOT } from "../../test/harness/filter-rig.ts";
import {
  type PluginFixture,
  pluginConfig,
  startModule,
} from "../../test/harness/plugin-fixture.ts";
import { A, CONTINUE, type Script, STOP } from "../../test/harness/scripted-guest.ts";
import { headerStream } from "./header-stream.ts";

const HEADER_FILTER = "examples/filters/rust/add-header/add-header.wasm";
const AWAITING_FILTER = "examples/coroutines/rust/coroutines.wasm";
const VMS = 64;
const ROUNDS = 200;
const WARM_UP_ROUNDS = 100;
const STREAMS = 250;
const MEMORY_VMS = 256;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function asyncified(bytes: Uint8Array): Promise<Uint8Array> {
  const result = await asyncify(bytes);
  if (result.kind === "refused") throw new Error(result.reason);
  return result.bytes;
}

const fileOf = (path: string): Uint8Array => readFileSync(join(REPOSITORY_ROOT, path));

function line(name: string, text: string): void {
  process.stdout.write(`${name.padEnd(56)} ${text}\n`);
}

async function sizes(): Promise<void> {
  for (const path of [
    HEADER_FILTER,
    AWAITING_FILTER,
    "examples/filters/assemblyscript/coroutines/coroutines.wasm",
  ]) {
    const bytes = fileOf(path);
    const start = process.cpuUsage();
    const made = await asyncified(bytes);
    const cpuMs = process.cpuUsage(start).user / 1_000;
    const ratio = made.byteLength / bytes.byteLength;
    const text = `${bytes.byteLength} -> ${made.byteLength} bytes, ${ratio.toFixed(2)} times`;
    line(path, `${text}, ${cpuMs.toFixed(0)} ms of CPU`);
  }
}

/** Best times of all bodies, which run in turns. */
async function race(names: readonly string[], bodies: readonly (() => unknown)[]): Promise<void> {
  const times = bodies.map((): number[] => []);
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    for (const [index, body] of bodies.entries()) {
      const start = process.hrtime.bigint();
      await body();
      if (round < WARM_UP_ROUNDS) continue;
      times[index]?.push(Number(process.hrtime.bigint() - start) / 1_000);
    }
  }
  for (const [index, name] of names.entries()) {
    const sorted = (times[index] ?? []).sort((a, b) => a - b);
    const [best, median] = [sorted[0] ?? 0, sorted[sorted.length >> 1] ?? 0];
    line(name, `best ${best.toFixed(2)}  median ${median.toFixed(2)} us`);
  }
}

/** Whole streams through the header filter, each 250th of a body. */
function headerStreams(bytes: Uint8Array): () => void {
  const fixture = startModule(bytes);
  fixture.thread.level = 6;
  return () => {
    for (let i = 0; i < STREAMS; i++) {
      headerStream(fixture.plugin);
    }
  };
}

const CALL = "(call $http)";
const GUESTS: Readonly<Record<"awaits" | "pauses" | "passes", (script: Script) => object>> = {
  awaits: () => ({ proxy_on_request_headers: [`(drop (call $await ${CALL}))`, CONTINUE] }),
  pauses: (script) => ({
    proxy_on_request_headers: [`(drop ${CALL})`, script.save(), STOP],
    proxy_on_http_call_response: [script.effective(), script.resume(0)],
  }),
  passes: () => ({ proxy_on_request_headers: [`(drop ${A})`, CONTINUE] }),
};

/** One plugin with VMs that wait one stream each: a stream in each VM, all answered in one turn. */
async function waiting(kind: keyof typeof GUESTS, way: Way): Promise<() => Promise<void>> {
  const base = pluginConfig();
  const bytes = await coroutineGuest(way, GUESTS[kind]);
  const fixtures: PluginFixture[] = [];
  for (let vm = 0; vm < VMS; vm++) {
    const fixture = startModule(bytes, {
      vm: { ...base.vm, coroutines: kind === "awaits" },
      isolation: { ...base.isolation, vmPoolMax: 1 },
    });
    fixture.thread.level = 6;
    fixtures.push(fixture);
  }
  return async () => {
    const opened = fixtures.map((fixture) => fixture.open());
    let ended = 0;
    for (const { stream, context } of opened) {
      stream.onEffect = () => ended++;
      context.onRequestHeaders(1, true);
    }
    for (const { thread } of fixtures) {
      for (const call of thread.callouts.calls.splice(0)) call.reply("200");
    }
    await nextTurn();
    for (const { context } of opened) context.onDestroy();
    if (kind !== "passes" && ended < VMS) throw new Error(`${kind} ${way}: ${ended} went on`);
  };
}

/** Resident memory of VMs of the code in `file`, and what a suspended call of each adds to it. */
function memory(way: string, file: string): void {
  const bytes = readFileSync(file);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = (): { readonly rss: number; readonly heap: number } => {
    collect();
    const { rss, heapUsed } = process.memoryUsage();
    return { rss: rss / 1_024, heap: heapUsed / 1_024 };
  };
  const base = pluginConfig();
  const before = used();
  const isolation = { ...base.isolation, vmPoolMin: MEMORY_VMS, vmPoolMax: MEMORY_VMS };
  const vm = { ...base.vm, coroutines: true };
  const start = process.hrtime.bigint();
  const { thread, open, host } = startModule(bytes, { vm, isolation });
  const startMs = Number(process.hrtime.bigint() - start) / 1e6;
  thread.level = 6;
  thread.callouts.hasCluster = () => true;
  const started = used();
  const opened = Array.from({ length: MEMORY_VMS }, () => {
    const made = open();
    made.stream.maps[0] = HeaderMap.of([
      [":path", "/"],
      ["authorization", "Bearer x"],
    ]);
    made.context.onRequestHeaders(2, true);
    return made;
  });
  const suspended = host.report().filter(({ pool }) => pool?.isSuspended === true).length;
  if (suspended !== MEMORY_VMS) throw new Error(`${suspended} of ${opened.length} wait`);
  const waits = used();
  const each = (kib: number): string => `${(kib / MEMORY_VMS).toFixed(1)} KiB`;
  const vmText = `${each(started.rss - before.rss)}, ${(startMs / MEMORY_VMS).toFixed(2)} ms to start`;
  line(`${way}: a VM of the Rust filter that awaits`, vmText);
  const more = `${each(waits.rss - started.rss)} resident, ${each(waits.heap - started.heap)} heap`;
  line(`${way}: a suspended call, its stream and callout, beside it`, more);
}

async function main(): Promise<void> {
  await sizes();
  const plain = fileOf(HEADER_FILTER);
  const bodies = [plain, plain, await asyncified(plain)].map(headerStreams);
  await race(
    ["as it is", "the same again", "asyncified"].map(
      (name) => `${STREAMS} streams through the header filter, ${name}`,
    ),
    bodies,
  );
  const awaits = await Promise.all(WAYS.map((way) => waiting("awaits", way)));
  await race(
    [
      `${VMS} streams that do not wait`,
      `${VMS} streams that pause, ask and continue`,
      ...WAYS.map((way) => `${VMS} streams that await by ${way}`),
    ],
    [await waiting("passes", "JSPI"), await waiting("pauses", "JSPI"), ...awaits],
  );
  const directory = mkdtempSync(join(tmpdir(), "granary-bench-"));
  for (const way of WAYS) {
    const file = join(directory, `${way}.wasm`);
    const original = fileOf(AWAITING_FILTER);
    writeFileSync(file, way === "asyncify" ? await asyncified(original) : original);
    // A process of its own: Binaryen's memory comes and goes.
    execFileSync(process.execPath, [fileURLToPath(import.meta.url), way, file], {
      stdio: "inherit",
    });
  }
  rmSync(directory, { recursive: true });
}

const [, , way, file] = process.argv;
if (way !== undefined && file !== undefined) memory(way, file);
else await main();
process.exit(0);
