/** What plugins share over silos, VMs and their failures. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { FilterRig, type ListenerSpec } from "../harness/filter-rig.ts";
import { A, CONTINUE, type Script, scriptedGuest, TRAP } from "../harness/scripted-guest.ts";
import { turn } from "../harness/threads.ts";

let rig: FilterRig;
const limits = { timeout: 20_000 };

/** Adds `delta` to a counter by the foreign function; `$sum` is then its low word. */
function add(s: Script, key: string, delta: number): string {
  const name = s.slice("granary.shared_data_add");
  const args = s.slice(`${String.fromCharCode(delta)}\0\0\0\0\0\0\0${key}`);
  return `(drop (call $proxy_call_foreign_function ${name} ${args}
      (i32.const 3040) (i32.const 3044)))
    (local.set $sum (i32.load (i32.load (i32.const 3040))))`;
}

const COUNTER = scriptedGuest((s) => ({
  proxy_on_request_headers: [
    "(local $sum i32)",
    add(s, "requests", 1),
    s.note("sum", "(local.get $sum)"),
    // Each fifth request kills its VM.
    `(if (i32.eqz (i32.rem_u (local.get $sum) (i32.const 5))) (then ${TRAP}))`,
    CONTINUE,
  ],
}));

const READER = scriptedGuest((s) => ({
  proxy_on_request_headers: [
    "(local $sum i32)",
    add(s, "requests", 0),
    s.note("seen", "(local.get $sum)"),
    CONTINUE,
  ],
}));

/** Registers a queue that tells all silos in turn, fills it, and takes out what it is told of. */
const QUEUE = scriptedGuest((s) => ({
  proxy_on_configure: [
    `(drop (call $proxy_register_shared_queue ${s.slice("work")} (i32.const 3040)))`,
    `(drop (call $proxy_call_foreign_function ${s.slice("granary.queue_options")}
      ${s.slice("\u0001\0\0\0\u0001\0\0\0\0\0\0\0")} (i32.const 0) (i32.const 0)))`,
    "(i32.const 1)",
  ],
  proxy_on_request_headers: [
    `(drop (call $proxy_enqueue_shared_queue (i32.const 1) ${s.slice("an item")}))`,
    CONTINUE,
  ],
  proxy_on_queue_ready: [
    `(call $out ${s.slice("took")} (call $proxy_dequeue_shared_queue ${A}
      (i32.const 3040) (i32.const 3044)))`,
  ],
}));

const reload = {
  failure_policy: "FAIL_RELOAD",
  reload_config: { backoff: { base_interval: "0.001s" } },
};

before(async () => {
  const spec = (name: string, code: Uint8Array, vmId: string): ListenerSpec => ({
    name,
    plugins: [{ name, code, vmId, more: reload }],
  });
  rig = await FilterRig.start(
    [
      spec("counter", COUNTER, "one"),
      spec("same", READER, "one"),
      spec("other", READER, "two"),
      spec("queue", QUEUE, "one"),
    ],
    "",
    { concurrency: 2 },
  );
});
after(async () => {
  assert.equal(await rig.stop(), 0);
});

it(
  "a counter is one for all silos, plugins and VMs of a vm_id, and outlives them",
  limits,
  async () => {
    const requests = 23;
    let failed = 0;
    for (let i = 0; i < requests; i++) {
      const { status } = await rig.send("counter");
      if (status !== 200) failed++;
    }
    const sums = rig.lines("counter").flatMap((line) => /^sum (\d+)/.exec(line)?.[1] ?? []);
    // Requests refused while a VM waits for its restart reach no plugin; every other one counts once.
    assert.deepEqual(
      sums.map(Number),
      sums.map((_, index) => index + 1),
    );
    assert.ok(sums.length >= requests - failed && sums.length > 10, `${sums.length} sums`);
    await rig.send("same");
    await rig.send("other");
    const seen = (name: string): string | undefined =>
      rig.lines(name).find((line) => line.startsWith("seen"));
    assert.equal(seen("same"), `seen ${sums.length} 0`);
    assert.equal(seen("other"), "seen 0 0");
    assert.equal(await rig.proxy.stat("granary.shared_data.refused"), 0);
    assert.ok(((await rig.proxy.stat("granary.shared_data.entries")) ?? 0) >= 2);
  },
);

it("silos share the work of a queue that tells them in turn", limits, async () => {
  const requests = 12;
  for (let i = 0; i < requests; i++) assert.equal((await rig.send("queue")).status, 200);
  while (rig.lines("queue").length < requests) await turn();
  assert.deepEqual(
    rig.lines("queue"),
    Array.from({ length: requests }, () => "took 0 an item"),
  );
  // The second field of a line is the thread.
  const threads = rig.proxy.log
    .split("\n")
    .flatMap((line) => /^\[[^\]]*\]\[([^\]]*)\].* took 0/.exec(line)?.[1] ?? []);
  assert.equal(new Set(threads).size, 2);
  for (const thread of new Set(threads)) {
    assert.equal(threads.filter((each) => each === thread).length, requests / 2);
  }
  assert.equal(await rig.proxy.stat("granary.shared_queues.items"), 0);
});
