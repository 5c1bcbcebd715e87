/** `/wasm`: what people and programs see of plugins and their VMs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatch } from "../../../src/admin/routes.ts";
import type { VmReport } from "../../../src/silo/messages.ts";
import { FakeSource } from "./fake-source.ts";

const VM: VmReport = {
  vmId: "v<1>",
  mode: "live",
  codeSha256: "0123456789abcdef",
  state: "failed",
  memoryBytes: 3_145_728,
  memoryBytesMax: 134_217_728,
  pool: { index: 1, vmsMax: 8, isSuspended: true, waiting: 3 },
  memoryTotalBytes: 3_145_728,
  memoryTotalBytesMax: 67_108_864,
  hasStandby: true,
  created: 3,
  failures: 2,
  lastFailure: {
    wallMs: 1_700_000_000_000,
    kind: "cpuBudget",
    plugin: "bad & worse",
    callback: "proxy_on_tick",
    reason: "over its CPU budget of 5 ms",
    backtrace: ["at <spin> (wasm://x)"],
  },
  plugins: [
    {
      name: "bad & worse",
      rootId: "r",
      failurePolicy: "reload",
      isServing: false,
      streams: 4,
      calls: 1_000,
      callbacks: [{ callback: "proxy_on_log", calls: 1_000, timeUs: 2.5 }],
      hostcalls: [{ hostcall: "proxy_log", calls: 7 }],
      timeMs: 2,
    },
  ],
};

async function get(query: string) {
  const source = new FakeSource();
  source.vms = [{ silo: 1, vms: [VM] }];
  const request = { method: "GET", path: "/wasm", query: new URLSearchParams(query) };
  return await dispatch(request, source);
}

test("/wasm as JSON has plugins, VMs, state, memory, time, failures and versions", async () => {
  const { contentType, body } = await get("format=json");
  assert.equal(contentType, "application/json");
  assert.deepEqual(JSON.parse(body), {
    silos: [
      {
        silo: 1,
        vms: [
          {
            vm_id: "v<1>",
            mode: "live",
            code_sha256: "0123456789abcdef",
            state: "failed",
            memory_bytes: 3_145_728,
            memory_bytes_max: 134_217_728,
            memory_total_bytes: 3_145_728,
            memory_total_bytes_max: 67_108_864,
            standby: true,
            pool: { index: 1, vms_max: 8, suspended: true, waiting: 3 },
            created: 3,
            failures: 2,
            last_failure: {
              time: "2023-11-14T22:13:20.000Z",
              kind: "cpuBudget",
              plugin: "bad & worse",
              callback: "proxy_on_tick",
              reason: "over its CPU budget of 5 ms",
              backtrace: ["at <spin> (wasm://x)"],
            },
            plugins: [
              {
                name: "bad & worse",
                root_id: "r",
                failure_policy: "reload",
                serving: false,
                streams: 4,
                callbacks: [{ callback: "proxy_on_log", calls: 1_000, time_us: 2.5 }],
                hostcalls: [{ hostcall: "proxy_log", calls: 7 }],
                calls: 1_000,
                time_ms: 2,
              },
            ],
          },
        ],
      },
    ],
  });
});

test("/wasm is a page in which names are text", async () => {
  const { contentType, body, status } = await get("");
  assert.equal(status, 200);
  assert.match(contentType, /^text\/html/);
  for (const part of [
    "<td>bad &amp; worse</td>",
    "<td>v&lt;1&gt;</td>",
    "<td>0123456789ab</td>",
    "<td class='bad'>failed</td>",
    "<td>3.0 of 128.0 MiB; in all 3.0 of 64.0 MiB</td>",
    "<td class='number'>2.00</td>",
    "<td>3 (+1 waiting)</td>",
    "<td>2 of 8, suspended, 3 wait</td>",
    "over its CPU budget of 5 ms\n  at &lt;spin&gt; (wasm://x)",
  ]) {
    assert.ok(body.includes(part), part);
  }
});

test("/wasm knows no other format", async () => {
  assert.equal((await get("format=xml")).status, 400);
});
