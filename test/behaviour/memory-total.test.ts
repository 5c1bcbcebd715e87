/** `memory_total_mib`: what all VMs of a plugin have in all silos together. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { FilterRig } from "../harness/filter-rig.ts";
import { valuesOf } from "../harness/raw-responses.ts";
import { CONTINUE, type Script, scriptedGuest } from "../harness/scripted-guest.ts";

const MIB = 1_048_576;

/** Each request takes a MiB more, and says when it cannot. */
const hungry = {
  name: "hungry",
  plugins: [
    {
      name: "hungry",
      vmId: "hungry",
      code: scriptedGuest((s: Script) => ({
        proxy_on_response_headers: [
          `(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1))
            (then ${s.add(2, "x-full", "yes")}))`,
          CONTINUE,
        ],
      })),
    },
  ],
  limits: { memory_total_mib: 8 },
};

interface Vm {
  readonly memory_bytes: number;
  readonly memory_total_bytes: number;
  readonly memory_total_bytes_max: number;
}

const limits = { timeout: 60_000 };
let rig: FilterRig;

before(async () => {
  rig = await FilterRig.start([hungry], "", { concurrency: 2 });
});

after(async () => {
  assert.equal(await rig.stop(), 0);
});

it("VMs of a plugin grow up to its total, on whichever silo, and no further", limits, async () => {
  let full = 0;
  for (let request = 0; request < 16; request++) {
    const answer = await rig.send("hungry");
    assert.deepEqual([answer.status, answer.body], [200, "hello"]);
    full += valuesOf(answer.headers, "x-full").length;
  }
  assert.ok(full >= 8, `${full} of 16 could not grow`);
  const { body } = await rig.proxy.admin("/wasm?format=json");
  const vms = JSON.parse(body).silos.flatMap((silo: { vms: Vm[] }) => silo.vms) as Vm[];
  assert.equal(vms.length, 2);
  const sum = vms.reduce((bytes, vm) => bytes + vm.memory_bytes, 0);
  for (const vm of vms) {
    assert.equal(vm.memory_total_bytes_max, 8 * MIB);
    // The VMs that wait have some of it, too.
    assert.ok(vm.memory_total_bytes >= sum && vm.memory_total_bytes <= 8 * MIB);
  }
  assert.equal(await rig.proxy.stat("wasm.hungry.memory_refused"), full);
});
