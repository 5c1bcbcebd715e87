/**
 * What the null engine costs: a request through a TypeScript filter against the same in Rust, with
 * all of a silo's own code but sockets; and what it costs to wait, against pausing and continuing in
 * Wasm, on a thread whose roles do nothing.
 *
 * `node dist/bench/micro/null-engine.bench.js`
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock } from "../../src/base/clock.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { CpuPool } from "../../src/main/cpu-pool.ts";
import { wasmFilter } from "../../test/harness/config.ts";
import { type PluginFixture, startModule, startScript } from "../../test/harness/plugin-fixture.ts";
import { A, CONTINUE, CTX, STOP, scriptedGuest } from "../../test/harness/scripted-guest.ts";
import { loadFilters, SiloRig } from "./silo-rig.ts";

const CONNECTIONS = 64;
const TURNS = 10;
const ROUNDS = 200;
const WARM_UP_TURNS = 1_000;
const STREAMS = 100;
const MEMORY_STREAMS = 10_000;

const FILTERS = {
  "no filter": [],
  "one Rust filter": [
    wasmFilter({
      name: "rust",
      code: '{filename: "examples/filters/rust/add-header/add-header.wasm"}',
    }),
  ],
  "one TypeScript filter": [
    wasmFilter({
      name: "script",
      code: '{filename: "examples/filters/typescript/add-header/add-header.ts"}',
    }).replace("runtime.v8", "runtime.null"),
  ],
} as const;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function report(name: string, times: number[], unit: string): void {
  times.sort((a, b) => a - b);
  const [best, median] = [times[0] ?? 0, times[times.length >> 1] ?? 0].map((t) => t.toFixed(2));
  process.stdout.write(`${name.padEnd(52)} best ${best} ${unit}  median ${median} ${unit}\n`);
}

async function turns(rig: SiloRig, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    rig.turn();
    await nextTurn();
  }
}

/** All variants in turn, round by round, so that load on the machine meets them alike. */
async function requests(): Promise<void> {
  const pool = new CpuPool(systemClock);
  const rigs: { name: string; rig: SiloRig; times: number[] }[] = [];
  for (const [name, filters] of Object.entries(FILTERS)) {
    const rig = new SiloRig(await loadFilters(filters, pool), CONNECTIONS);
    await rig.start();
    await turns(rig, WARM_UP_TURNS);
    rigs.push({ name, rig, times: [] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { rig, times } of rigs) {
      const before = process.cpuUsage();
      await turns(rig, TURNS);
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / TURNS / CONNECTIONS);
    }
  }
  for (const { name, times } of rigs) report(`a request through ${name}`, times, "us");
}

interface Wait {
  readonly name: string;
  readonly fixture: PluginFixture;
  /** Lets all streams that wait go on. */
  wake(fixture: PluginFixture): void;
}

const SCRIPTS = {
  "a sync handler": "onRequestHeaders(ctx) { ctx.state.x = 1; }",
  "a handler that returns a settled promise": "async onRequestHeaders(ctx) { ctx.state.x = 1; }",
  "a handler that awaits a callout":
    'async onRequestHeaders(ctx) { ctx.state.x = await ctx.httpCall("known"); }',
} as const;

function reply({ thread }: PluginFixture): void {
  for (const call of thread.callouts.calls) {
    const headers = HeaderMap.of([[":status", "200"]]);
    call.events.onHttpReply({ headers, body: new Uint8Array(0), trailers: null });
  }
  thread.callouts.calls.length = 0;
}

/** Streams pause in Wasm with a callout each and are continued by its answer. */
function wasmGuest(): Uint8Array {
  const map =
    "(i32.add (i32.const 65536) (i32.and (i32.mul (local.get $a) (i32.const 1)) (i32.const 65532)))";
  return scriptedGuest(
    (s) => {
      const pairs = Buffer.from(
        "0300000007000000030000000500000001000000" +
          "0a00000001000000" +
          Buffer.from(":method\0GET\0:path\0/\0:authority\0a\0").toString("hex"),
        "hex",
      ).toString("latin1");
      const call = `(drop (call $proxy_http_call ${s.slice("known")} ${s.slice(pairs)} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 3040)))`;
      const slot = map.replaceAll("(local.get $a)", "(i32.load (i32.const 3040))");
      return {
        proxy_on_request_headers: [call, `(i32.store ${slot} ${CTX})`, STOP],
        proxy_on_http_call_response: [
          `(drop (call $proxy_set_effective_context (i32.load ${map.replaceAll("(local.get $a)", A)})))`,
          s.resume(0),
        ],
        proxy_on_response_headers: [CONTINUE],
      };
    },
    { memory: '(memory (export "memory") 3)' },
  );
}

/** A stream's whole life with one wait, one hundred at a time. */
async function waits(): Promise<void> {
  const rows: Wait[] = Object.entries(SCRIPTS).map(([name, text]) => ({
    name,
    fixture: startScript(`module.exports = { ${text} };`),
    wake: reply,
  }));
  const wasm = startModule(wasmGuest());
  rows.push({ name: "Wasm: pause, a callout, continue", fixture: wasm, wake: reply });
  for (const { name, fixture, wake } of rows) {
    fixture.thread.level = 6;
    let continued = 0;
    const batch = async (): Promise<void> => {
      const open = [...Array(STREAMS).keys()].map(() => fixture.open());
      for (const { context, stream } of open) {
        stream.onEffect = () => continued++;
        context.onRequestHeaders(1, true);
      }
      wake(fixture);
      await nextTurn();
      for (const { context } of open) context.onDestroy();
    };
    for (let i = 0; i < 200; i++) await batch();
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const start = process.hrtime.bigint();
      await batch();
      times.push(Number(process.hrtime.bigint() - start) / STREAMS / 1_000);
    }
    const isWaiting = name !== "a sync handler";
    if (isWaiting && continued !== (200 + ROUNDS) * STREAMS)
      throw new Error(`${name}: ${continued}`);
    report(name, times, "us");
  }
}

/** Heap of a stream whose handler waits, over one that is paused by a sync handler. */
function memory(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heapOf = (text: string): number => {
    const fixture = startScript(`module.exports = { ${text} };`);
    fixture.thread.level = 6;
    collect();
    const before = process.memoryUsage().heapUsed;
    const open = [...Array(MEMORY_STREAMS).keys()].map(() => fixture.open());
    for (const { context } of open) context.onRequestHeaders(1, true);
    collect();
    const bytes = (process.memoryUsage().heapUsed - before) / open.length;
    for (const { context } of open) context.onDestroy();
    return bytes;
  };
  const paused = heapOf('onRequestHeaders() { return "pause"; }');
  const sleeping = heapOf("async onRequestHeaders(ctx) { await ctx.sleep(1e6); }");
  const called = heapOf('async onRequestHeaders(ctx) { await ctx.httpCall("known"); }');
  for (const [name, bytes] of [
    ["a handler that sleeps, with its timer", sleeping - paused],
    ["one that waits for a callout, with the callout", called - paused],
  ] as const) {
    process.stdout.write(`${name.padEnd(52)} ${bytes.toFixed(0)} bytes over a paused stream\n`);
  }
}

await requests();
await waits();
memory();
process.exit(0);
