/** Filters that trap, under each failure policy: the stream, other streams, the next VM. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { FilterRig, type ListenerSpec, type PluginSpec } from "../harness/filter-rig.ts";
import type { RawResponse } from "../harness/raw-responses.ts";
import { valuesOf } from "../harness/raw-responses.ts";
import {
  type Callbacks,
  CONTINUE,
  type Script,
  STOP,
  scriptedGuest,
  TRAP,
} from "../harness/scripted-guest.ts";

const CALLBACKS = [
  "proxy_on_request_headers",
  "proxy_on_request_body",
  "proxy_on_request_trailers",
  "proxy_on_response_headers",
  "proxy_on_response_body",
  "proxy_on_response_trailers",
  "proxy_on_log",
  "proxy_on_done",
  "proxy_on_delete",
] as const;
type TrapIn = (typeof CALLBACKS)[number];
type Policy = "FAIL_CLOSED" | "FAIL_OPEN" | "FAIL_RELOAD";
const POLICIES: readonly Policy[] = ["FAIL_CLOSED", "FAIL_OPEN", "FAIL_RELOAD"];

const limits = { timeout: 6_000 };
let rig: FilterRig;

/** Traps in one callback when the request says so; a VM for itself by its name. */
function trapper(name: string, where: TrapIn, policy: Policy): PluginSpec {
  const write = (s: Script): Callbacks => ({
    proxy_on_request_headers: [
      `(if (i32.eqz (call $proxy_get_header_map_value (i32.const 0) ${s.slice("x-trap")}
        (i32.const 3040) (i32.const 3044)))
        (then (if (i32.load (i32.const 3044)) (then (global.set $count (i32.const 1))))))`,
      where === "proxy_on_request_headers" ? `(if (global.get $count) (then ${TRAP}))` : "",
      s.add(0, "x-filter", name),
      CONTINUE,
    ],
    ...(where === "proxy_on_request_headers"
      ? {}
      : {
          [where]: [
            `(if (global.get $count) (then ${TRAP}))`,
            ...(where === "proxy_on_log" || where === "proxy_on_delete" ? [] : [CONTINUE]),
          ],
        }),
  });
  const reload = { backoff: { base_interval: "0.001s" } };
  const more = {
    failure_policy: policy,
    ...(policy === "FAIL_RELOAD" ? { reload_config: reload } : {}),
  };
  return { name, code: scriptedGuest(write), vmId: name, more };
}

const nameOf = (where: TrapIn, policy: Policy): string => `${where}-${policy}`;

const LISTENERS: readonly ListenerSpec[] = [
  ...POLICIES.flatMap((policy) =>
    CALLBACKS.map((where) => {
      const name = nameOf(where, policy);
      return { name, plugins: [trapper(name, where, policy)] };
    }),
  ),
  ...(["FAIL_CLOSED", "FAIL_OPEN"] as const).map((policy) => {
    const name = `waiting-${policy}`;
    const write = (s: Script): Callbacks => ({
      proxy_on_vm_start: ["(i32.const 1)"],
      proxy_on_request_headers: [s.note("waits"), s.setTick(50), STOP],
      proxy_on_tick: [TRAP],
    });
    const code = scriptedGuest(write);
    return { name, plugins: [{ name, code, vmId: name, more: { failure_policy: policy } }] };
  }),
];

before(async () => {
  rig = await FilterRig.start(LISTENERS);
});

after(async () => {
  assert.equal(await rig.stop(), 0);
});

const TRAILERS = "transfer-encoding: chunked\r\n";

async function post(name: string, more = ""): Promise<RawResponse> {
  rig.answer = () =>
    `HTTP/1.1 200 OK\r\n${TRAILERS}x-upstream: yes\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n`;
  const body = "4\r\nsome\r\n0\r\nx-t: 1\r\n\r\n";
  const headers = `${TRAILERS}${more}`;
  return await rig.send(name, { method: "POST", headers: `${headers}\r\n${body}` });
}

/** Sends until a new VM serves: it may be made only after its backoff. */
async function untilServed(name: string): Promise<void> {
  for (;;) {
    const answer = await post(name);
    const last = rig.requests.at(-1);
    const isFiltered = valuesOf(last?.headers ?? [], "x-filter").includes(name);
    if (answer.status === 200 && isFiltered) return;
    await wait(20);
  }
}

async function untilIdle(name: string): Promise<void> {
  while ((await rig.proxy.stat(`http.${name}.downstream_rq_active`)) !== 0) await wait(5);
}

/** What the client gets when the plugin traps and fails closed. */
function checkClosed(where: TrapIn, answer: RawResponse): void {
  const isEnd =
    where === "proxy_on_log" || where === "proxy_on_done" || where === "proxy_on_delete";
  if (isEnd) {
    assert.deepEqual([answer.status, answer.body, answer.isComplete], [200, "ok", true]);
  } else if (where === "proxy_on_response_body" || where === "proxy_on_response_trailers") {
    assert.equal(answer.isComplete, false);
  } else {
    assert.deepEqual([answer.status, answer.body], [503, ""]);
  }
}

for (const policy of POLICIES) {
  describe(`a trap under ${policy}`, () => {
    for (const where of CALLBACKS) {
      it(`in ${where}`, limits, async () => {
        const name = nameOf(where, policy);
        assert.equal((await post(name)).status, 200);
        const answer = await post(name, "x-trap: yes\r\n");
        if (policy === "FAIL_OPEN") {
          assert.deepEqual([answer.status, answer.body, answer.isComplete], [200, "ok", true]);
        } else checkClosed(where, answer);
        await untilIdle(name);
        if (policy === "FAIL_RELOAD") await untilServed(name);
      });
    }
  });
}

it("a VM that trapped is made anew for later requests under every policy", limits, async () => {
  await untilServed(nameOf("proxy_on_request_headers", "FAIL_CLOSED"));
  await untilServed(nameOf("proxy_on_request_headers", "FAIL_OPEN"));
});

it("streams that wait for a VM that dies are answered 503 or go on", limits, async () => {
  const closed = await Promise.all([post("waiting-FAIL_CLOSED"), post("waiting-FAIL_CLOSED")]);
  assert.deepEqual(
    closed.map((answer) => answer.status),
    [503, 503],
  );
  const open = await post("waiting-FAIL_OPEN");
  assert.deepEqual([open.status, open.body], [200, "ok"]);
  await untilIdle("waiting-FAIL_CLOSED");
  await untilIdle("waiting-FAIL_OPEN");
});
