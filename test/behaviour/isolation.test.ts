/**
 * Filters that do their worst, all at once in one silo beside a good one: the good one never notices,
 * and what happened is told in the log, in /stats and at /wasm.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FilterRig, type ListenerSpec, untilLogged } from "../harness/filter-rig.ts";
import { valuesOf } from "../harness/raw-responses.ts";
import {
  type Callbacks,
  CONTINUE,
  type Script,
  STOP,
  scriptedGuest,
  TRAP,
} from "../harness/scripted-guest.ts";

const LOOP = "(loop $again (br $again))";
/** Takes 16 pages at a time and fills them, until there is nothing left to take. */
const EAT = `(loop $more
  (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then ${TRAP}))
  (memory.fill (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1048576))
    (i32.const 7) (i32.const 1048576))
  (br $more))`;
const RECURSE = "(call $deeper (i32.const 0))";
const DEEPER = `(func $deeper (param i32)
  (call $deeper (i32.add (local.get 0) (i32.const 1))) (drop (memory.size)))`;

const STREAM_CALLBACKS = [
  "proxy_on_request_headers",
  "proxy_on_request_body",
  "proxy_on_response_headers",
  "proxy_on_response_body",
  "proxy_on_log",
  "proxy_on_done",
  "proxy_on_delete",
] as const;
const WITHOUT_RESULT = ["proxy_on_log", "proxy_on_delete"];

const RELOAD = {
  failure_policy: "FAIL_RELOAD",
  reload_config: { backoff: { base_interval: "0.001s" } },
};

/** Does `what` in the callback `where`, on every request. */
function villain(
  name: string,
  where: (typeof STREAM_CALLBACKS)[number],
  what: string,
): ListenerSpec {
  const write = (): Callbacks => ({
    [where]: WITHOUT_RESULT.includes(where) ? [what] : [what, CONTINUE],
  });
  const code = scriptedGuest(write, {
    fields: DEEPER,
    memory: '(memory (export "memory") 1)',
  });
  return {
    name,
    plugins: [{ name, code, vmId: name, more: RELOAD }],
    limits: {
      // The others must not be stopped for their time, however busy the machine is.
      cpu_budget: what === LOOP ? "0.02s" : "20s",
      memory_max_mib: 8,
      crashes_max: 8,
      crash_window: "3600s",
    },
  };
}

const good: ListenerSpec = {
  name: "good",
  plugins: [
    {
      name: "good",
      vmId: "good",
      code: scriptedGuest((s: Script) => ({
        proxy_on_request_headers: [s.add(0, "x-good", "request"), CONTINUE],
        proxy_on_response_headers: [s.add(2, "x-good", "response"), CONTINUE],
      })),
    },
  ],
};

const VILLAINS: readonly ListenerSpec[] = [
  villain("loops", "proxy_on_request_headers", LOOP),
  villain("loops-in-log", "proxy_on_log", LOOP),
  villain("eats", "proxy_on_request_headers", EAT),
  villain("recurses", "proxy_on_request_headers", RECURSE),
  ...STREAM_CALLBACKS.map((where) => villain(`traps-${where}`, where, TRAP)),
];

/** Holds its requests, and traps in a tick: everybody who waits must hear of it. */
const holder: ListenerSpec = {
  name: "holds",
  plugins: [
    {
      name: "holds",
      vmId: "holds",
      code: scriptedGuest((s: Script) => ({
        proxy_on_request_headers: [s.setTick(30), STOP],
        proxy_on_tick: [LOOP],
      })),
    },
  ],
  limits: { cpu_budget: "10s", callback_cpu_budgets: { proxy_on_tick: "0.02s" } },
};

/** Requests to each villain; the good one is asked until all are over. */
const ATTACKS = 12;
const GOOD_MIN = 20;

const limits = { timeout: 100_000 };
let rig: FilterRig;

before(async () => {
  rig = await FilterRig.start([good, holder, ...VILLAINS]);
});

after(async () => {
  assert.equal(await rig.stop(), 0);
});

describe("a good filter beside the worst ones", () => {
  it("answers every request right while all of them do their worst", limits, async () => {
    const attack = async (name: string): Promise<void> => {
      for (let i = 0; i < ATTACKS; i++) {
        const answer = await rig.send(name, { method: "POST", body: "some" });
        // A callback of the response fails after its head is out, those of the end unseen.
        assert.ok([200, 503].includes(answer.status), `${name}: ${answer.status}`);
      }
    };
    let busy = true;
    const attacks = Promise.all(VILLAINS.map(({ name }) => attack(name))).finally(() => {
      busy = false;
    });
    for (let i = 0; busy || i < GOOD_MIN; i++) {
      const answer = await rig.send("good", { path: `/${i}` });
      assert.deepEqual(
        [answer.status, answer.body, valuesOf(answer.headers, "x-good")],
        [200, "hello", ["response"]],
      );
      const arrived = rig.requests.find(({ head }) => head.includes(` /${i} `));
      assert.deepEqual(valuesOf(arrived?.headers ?? [], "x-good"), ["request"]);
    }
    await attacks;
    assert.equal(await rig.proxy.stat("http.good.downstream_rq_5xx"), 0);
    assert.doesNotMatch(rig.proxy.log, /silo \d (failed|ended)/);
  });

  it(
    "has no failure at /wasm; the others have all, with reason and backtrace",
    limits,
    async () => {
      const { body } = await rig.proxy.admin("/wasm?format=json");
      const vms = JSON.parse(body).silos.flatMap((silo: { vms: object[] }) => silo.vms);
      const of = (id: string) => vms.find((vm: { vm_id: string }) => vm.vm_id === id);
      assert.deepEqual([of("good").state, of("good").failures], ["running", 0]);
      for (const [id, kind, reason] of [
        ["loops", "cpuBudget", /^over its CPU budget of (20|10) ms$/],
        ["loops-in-log", "cpuBudget", /^over its CPU budget of (20|10) ms$/],
        ["eats", "trap", /^unreachable$/],
        ["recurses", "stackOverflow", /^Maximum call stack size exceeded$/],
        ["traps-proxy_on_request_headers", "trap", /^unreachable$/],
      ] as const) {
        const vm = of(id);
        const { last_failure: last } = vm;
        assert.deepEqual([last.kind, last.plugin], [kind, id]);
        assert.match(last.reason, reason);
        assert.match(last.backtrace[0], /wasm:/);
        assert.ok(vm.failures >= 1 && vm.failures <= 8, `${id}: ${vm.failures} failures`);
        assert.ok(vm.memory_bytes <= 8 * 1_048_576);
        if (vm.failures === 8) assert.equal(vm.state, "cut off");
      }
      assert.match(of("recurses").last_failure.backtrace[0], /at deeper \(wasm:/);
    },
  );

  it("shares the silo's statistics with failures counted by plugin and kind", limits, async () => {
    const failures = await rig.proxy.stat("wasm.loops.vm_failed");
    assert.ok((failures ?? 0) >= 1);
    assert.equal(await rig.proxy.stat("wasm.loops.vm_failed_cpu_budget"), failures);
    assert.ok(((await rig.proxy.stat("wasm.recurses.vm_failed_stack_overflow")) ?? 0) >= 1);
    assert.equal(await rig.proxy.stat("wasm.good.vm_failed"), null);
    const { body } = await rig.proxy.admin("/stats/prometheus?filter=vm_failed_cpu");
    assert.match(body, /envoy_wasm_vm_failed_cpu_budget\{envoy_wasm_plugin="loops"\} \d/);
    assert.match(
      rig.proxy.log,
      /plugin "loops", vm "loops": failure 1, in proxy_on_request_headers/,
    );
  });

  it("does not wait with those whose VM died in a tick", limits, async () => {
    const answers = await Promise.all([1, 2, 3].map(() => rig.send("holds")));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [503, 503, 503],
    );
    const told = /in proxy_on_tick: over its CPU budget of 20 ms/;
    await untilLogged(rig.proxy, (line) => told.test(line));
  });
});
