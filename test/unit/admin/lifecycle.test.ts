import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeSource } from "./fake-source.ts";
import { ask } from "./harness.ts";

test("server_info tells version, state, uptime, options and node", async () => {
  const { body } = await ask(new FakeSource(), "/server_info");
  assert.deepEqual(JSON.parse(body), {
    version: "granary/0.1.0",
    state: "LIVE",
    uptime_current_epoch: "12s",
    uptime_all_epochs: "12s",
    hot_restart_version: "disabled",
    command_line_options: { concurrency: 2, config_path: "envoy.yaml" },
    node: { id: "n1", cluster: "c1", user_agent_name: "granary" },
  });
  assert.match(body, /^\{\n "version": "granary\/0\.1\.0",\n/);
});

test("memory prints bytes as protobuf prints 64-bit numbers", async () => {
  const { body } = await ask(new FakeSource(), "/memory");
  assert.deepEqual(JSON.parse(body), {
    allocated: "15",
    heap_size: "35",
    pageheap_unmapped: "0",
    pageheap_free: "20",
    total_thread_cache: "0",
    total_physical_bytes: "100",
  });
});

test("there is no hot restart", async () => {
  assert.equal((await ask(new FakeSource(), "/hot_restart_version")).body, "disabled");
});

test("a reload tells what became of it", async () => {
  const source = new FakeSource();
  const reload = async () => {
    const { status, body } = await ask(source, "/reload", "POST");
    return [status, body];
  };
  assert.deepEqual(await reload(), [200, "OK: version 1, no change\n"]);
  source.report = { kind: "applied", version: 2, summary: "clusters: 1 added" };
  assert.deepEqual(await reload(), [200, "OK: version 2 (clusters: 1 added)\n"]);
  source.report = { kind: "refused", text: "a: b\n" };
  assert.deepEqual(await reload(), [400, "a: b\n"]);
  assert.deepEqual(source.calls, ["reload", "reload", "reload"]);
});

test("quitting waits for the answer to leave", async () => {
  const source = new FakeSource();
  const response = await ask(source, "/quitquitquit", "POST");
  assert.equal(response.body, "OK\n");
  assert.deepEqual(source.calls, []);
  response.afterwards?.();
  assert.deepEqual(source.calls, ["quit"]);
});
