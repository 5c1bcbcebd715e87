/**
 * Nanoseconds of each hostcall, from inside a guest: a filter's request callback calls it 10,000 times
 * in a loop, in a real silo; the same loop without the call is subtracted. Best of 40 rounds of CPU
 * time. Code is metered as by default.
 *
 * `node dist/bench/micro/hostcalls.bench.js [PART OF A NAME]`
 */
import { systemClock } from "../../src/base/clock.ts";
import { CpuPool } from "../../src/main/cpu-pool.ts";
import { wasmFilter } from "../../test/harness/config.ts";
import { guestText } from "../../test/harness/guest-source.ts";
import { compileWat } from "../../test/harness/wat.ts";
import { loadFilters, SiloRig } from "./silo-rig.ts";

const CALLS = 10_000;
const TURNS = 2;
const ROUNDS = 40;
const WARM_UP_TURNS = 60;

/** Static texts of the guest by offset, and (pointer length) of them as WAT. */
const DATA = {
  1024: "user-agent",
  1040: "x-bench",
  1056: "a-value-of-22-bytes---",
  1088: "request.path",
  1104: "x-absent",
  1120: "bench_metric",
  1136: "shared-key",
  1152: "request\\00path",
  1168: "bench-queue",
  1184: "my_property",
} as const;
const at = (offset: keyof typeof DATA, length: number): string =>
  `(i32.const ${offset}) (i32.const ${length})`;
const OUT = "(i32.const 64) (i32.const 68)";
const REQUEST_HEADERS = "(i32.const 0)";

/** Done once, before the loop. */
const SETUP = `
  (drop (call $proxy_define_metric (i32.const 0) ${at(1120, 12)} (i32.const 80)))
  (drop (call $proxy_set_shared_data ${at(1136, 10)} ${at(1056, 22)} (i32.const 0)))
  (drop (call $proxy_register_shared_queue ${at(1168, 11)} (i32.const 84)))
  (drop (call $proxy_set_property ${at(1184, 11)} ${at(1056, 22)}))`;
const METRIC = "(i32.load (i32.const 80))";
const QUEUE = "(i32.load (i32.const 84))";

/** The body of the loop by what it measures; each statement leaves one i32. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  "an empty loop": [],
  "get_header_map_value, present": [
    `(call $proxy_get_header_map_value ${REQUEST_HEADERS} ${at(1024, 10)} ${OUT})`,
  ],
  "get_header_map_value, absent": [
    `(call $proxy_get_header_map_value ${REQUEST_HEADERS} ${at(1104, 8)} ${OUT})`,
  ],
  "add_header_map_value and remove_header_map_value": [
    `(call $proxy_add_header_map_value ${REQUEST_HEADERS} ${at(1040, 7)} ${at(1056, 22)})`,
    `(call $proxy_remove_header_map_value ${REQUEST_HEADERS} ${at(1040, 7)})`,
  ],
  replace_header_map_value: [
    `(call $proxy_replace_header_map_value ${REQUEST_HEADERS} ${at(1040, 7)} ${at(1056, 22)})`,
  ],
  "remove_header_map_value, absent": [
    `(call $proxy_remove_header_map_value ${REQUEST_HEADERS} ${at(1104, 8)})`,
  ],
  get_header_map_pairs: [`(call $proxy_get_header_map_pairs ${REQUEST_HEADERS} ${OUT})`],
  get_header_map_size: [`(call $proxy_get_header_map_size ${REQUEST_HEADERS} (i32.const 64))`],
  "get_property request.path": [`(call $proxy_get_property ${at(1152, 12)} ${OUT})`],
  "get_property, own": [`(call $proxy_get_property ${at(1184, 11)} ${OUT})`],
  set_property: [`(call $proxy_set_property ${at(1184, 11)} ${at(1056, 22)})`],
  "log, below the level": [`(call $proxy_log (i32.const 0) ${at(1056, 22)})`],
  get_log_level: ["(call $proxy_get_log_level (i32.const 64))"],
  get_current_time_nanoseconds: ["(call $proxy_get_current_time_nanoseconds (i32.const 64))"],
  "define_metric, known": [
    `(call $proxy_define_metric (i32.const 0) ${at(1120, 12)} (i32.const 80))`,
  ],
  increment_metric: [`(call $proxy_increment_metric ${METRIC} (i64.const 1))`],
  get_metric: [`(call $proxy_get_metric ${METRIC} (i32.const 72))`],
  get_shared_data: [`(call $proxy_get_shared_data ${at(1136, 10)} ${OUT} (i32.const 72))`],
  set_shared_data: [`(call $proxy_set_shared_data ${at(1136, 10)} ${at(1056, 22)} (i32.const 0))`],
  "enqueue_shared_queue and dequeue_shared_queue": [
    `(call $proxy_enqueue_shared_queue ${QUEUE} ${at(1056, 22)})`,
    `(call $proxy_dequeue_shared_queue ${QUEUE} ${OUT})`,
  ],
  set_effective_context: ["(call $proxy_set_effective_context (local.get $ctx))"],
};

/** The guest traps on any status but ok and notFound. */
function loopOf(statements: readonly string[]): string {
  const checked = statements.map(
    (call) => `(if (i32.gt_u ${call} (i32.const 1)) (then unreachable))`,
  );
  return `(local $i i32) ${SETUP}
    (local.set $i (i32.const ${CALLS}))
    (loop $again ${checked.join(" ")}
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br_if $again (local.get $i)))
    (i32.const 0)`;
}

/** Results overwrite each other: the loop allocates thousands. */
const ALLOCATOR = `(func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
  (i32.const 8192))`;

async function measure(statements: readonly string[], pool: CpuPool): Promise<number> {
  const code = compileWat(
    guestText({
      callbacks: { proxy_on_request_headers: loopOf(statements) },
      data: DATA,
      allocator: ALLOCATOR,
    }),
  );
  const inline = `{inline_bytes: ${Buffer.from(code).toString("base64")}}`;
  const filter = wasmFilter({ name: "bench", code: inline });
  const rig = new SiloRig(await loadFilters([filter], pool), 1);
  await rig.start();
  const run = async (turns: number): Promise<void> => {
    for (let i = 0; i < turns; i++) {
      rig.turn();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await run(WARM_UP_TURNS);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await run(TURNS);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1_000) / TURNS / CALLS);
  }
  return best;
}

const pool = new CpuPool(systemClock);
const wanted = process.argv[2] ?? "";
const empty = await measure(CASES["an empty loop"] ?? [], pool);
for (const [name, statements] of Object.entries(CASES)) {
  if (statements.length === 0 || !name.includes(wanted)) continue;
  const ns = (await measure(statements, pool)) - empty;
  process.stdout.write(`${name.padEnd(50)} ${ns.toFixed(0).padStart(6)} ns\n`);
}
process.exit(0);
