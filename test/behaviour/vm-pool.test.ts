/** The VMs of a filter that awaits, in a real proxy: they come with streams that wait and go after them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { coroutineGuest, slept } from "../harness/coroutine-guest.ts";
import { FilterRig, untilLogged } from "../harness/filter-rig.ts";
import { CONTINUE, type Script } from "../harness/scripted-guest.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const MAX = 2;

/** Stats are brought up to date every half second. */
async function until(rig: FilterRig, row: string, value: number): Promise<void> {
  while ((await rig.proxy.stat(`granary.vm_pool.${row}`)) !== value) await wait(50);
}

test("VMs of a pool come with streams that wait and go after them", {
  timeout: 60_000,
}, async () => {
  // Asyncified by the proxy, where its engine cannot suspend.
  const code = await coroutineGuest("JSPI", (script: Script) => ({
    proxy_on_request_headers: [script.note("begun"), `(drop ${slept(600_000)})`, CONTINUE],
    proxy_on_log: [script.note("log")],
  }));
  const limits = { vm_pool_max: MAX, vm_pool_idle_time: "0.5s", suspension_time_max: "600s" };
  const args = ["--concurrency", "1"];
  const rig = await FilterRig.start([{ name: "l", plugins: [{ name: "p", code }], limits }], "", {
    args,
  });
  const begun = (): number => rig.lines("p").filter((line) => line.startsWith("begun")).length;
  const clients = [];
  for (let i = 1; i <= MAX; i++) {
    const client = await rig.open("l");
    client.send(GET);
    clients.push(client);
    while (begun() < i) await wait(20);
  }
  await until(rig, "busy", MAX);
  assert.equal(await rig.proxy.stat("granary.vm_pool.vms"), MAX);
  assert.equal(await rig.proxy.stat("granary.vm_pool.exhausted"), 0);

  const late = await rig.open("l");
  late.send(GET);
  await until(rig, "exhausted", 1);
  await until(rig, "waiting", 1);
  assert.equal(begun(), MAX);
  const { body } = await rig.proxy.admin("/wasm");
  assert.match(body, /<td>1 of 2, suspended, 1 wait<\/td>/);
  assert.match(body, /<td>2 of 2, suspended<\/td>/);

  for (const client of clients) client.close();
  await untilLogged(rig.proxy, () => begun() === MAX + 1);
  late.close();
  await until(rig, "retired", 1);
  await until(rig, "vms", 1);
  await until(rig, "busy", 0);
  await rig.stop();
});
