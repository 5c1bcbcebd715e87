/**
 * Life and death of the process and its silos: signals, drain, replacement, ports in use.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadNative, NATIVE_SWITCH } from "../../src/base/native.ts";
import { canReusePort } from "../../src/main/dispatch.ts";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { REPOSITORY_ROOT } from "../harness/filter-rig.ts";
import { guestText } from "../harness/guest-source.ts";
import { type ProxyProcess, runGranary, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";
import { compileWat } from "../harness/wat.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/** Loops for ever on a request with six headers more than an ordinary one has. */
const LOOPS = `(if (i32.gt_u (local.get $a) (i32.const 14)) (then (loop $again (br $again))))
  (i32.const 0)`;

/** With a CPU budget the loop would trap: only the watchdog is left. */
const UNMETERED =
  "metadata: {filter_metadata: {granary.wasm: {cpu_budget: 0s, start_cpu_budget: 0s}}}";

/** Without the addon main cannot hand connections to chosen silos. */
const NO_ADDON = loadNative().kind === "loaded" ? false : "needs the native addon";
/** Node has it from 22.12 on. */
const NO_REUSE_PORT = (await canReusePort()) ? false : "this Node has no reusePort";
const CLOSING = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

let directory: string;
let upstream: FakeUpstream;
let onHeld: () => void = () => {};

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "granary-life-"));
  const guest = guestText({ callbacks: { proxy_on_request_headers: LOOPS } });
  writeFileSync(join(directory, "loop.wasm"), compileWat(guest));
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      if (request.head.includes(" /hold")) onHeld();
      else connection.write(plainResponse(200, "ok"));
    },
  });
});

after(async () => {
  await upstream.close();
  rmSync(directory, { recursive: true });
});

function start(concurrency: number, filters: readonly string[] = []): Promise<ProxyProcess> {
  const parts = { filters, listener: UNMETERED };
  const yaml = bootstrap([listener(parts)], [cluster("upstream", upstream.port)]);
  return startProxy({ yaml, concurrency });
}

test("the quickstart's AssemblyScript filter ends without an error", async () => {
  const wasm = join(REPOSITORY_ROOT, "examples/filters/assemblyscript/greeting/greeting.wasm");
  const code = `{filename: ${JSON.stringify(wasm)}}`;
  const greeting = wasmFilter({
    name: "greeting",
    code,
    more: "root_id: greeting",
    configuration: "hi",
  });
  const proxy = await start(1, [greeting]);
  const answer = await exchange(
    proxy.port("main"),
    GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"),
  );
  assert.match(answer, /\r\nx-greeting: hi\r\n/);
  assert.equal(await proxy.stop(), 0);
  assert.doesNotMatch(proxy.log, /\[error\]|\[critical\]/);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} lets a request in flight finish, closes its connection and exits 0`, async () => {
    const proxy = await start(1);
    const held = new Promise<void>((resolve) => {
      onHeld = resolve;
    });
    const idle = await RawClient.open(proxy.port("main"));
    idle.send(GET);
    await idle.until((text) => text.endsWith("ok"));
    const busy = await RawClient.open(proxy.port("main"));
    busy.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n");
    await held;
    const exit = proxy.stop(signal);
    await idle.untilClosed();
    upstream.connections
      .findLast((each) => each.requests.at(-1)?.head.includes(" /hold"))
      ?.write(plainResponse(200, "late"));
    const answer = await busy.untilClosed();
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nconnection: close\r\n[\s\S]*late$/);
    idle.close();
    busy.close();
    assert.equal(await exit, 0);
  });
}

test("connections are shared evenly by two silos", { skip: NO_ADDON }, async () => {
  const proxy = await start(2);
  const clients = [];
  for (let i = 0; i < 8; i++) {
    const client = await RawClient.open(proxy.port("main"));
    client.send(GET);
    await client.until((text) => text.endsWith("ok"));
    clients.push(client);
  }
  // Every silo has an upstream connection of its own for what it serves one after another.
  assert.equal(await proxy.stat("cluster.upstream.upstream_cx_total"), 2);
  for (const client of clients) client.close();
  assert.equal(await proxy.stop(), 0);
});

test("without the addon the kernel shares connections between silos that listen themselves", {
  skip: NO_REUSE_PORT,
}, async () => {
  const listeners = [listener()];
  const yaml = bootstrap(listeners, [cluster("upstream", upstream.port)]);
  const proxy = await startProxy({ yaml, concurrency: 2, env: { [NATIVE_SWITCH]: "off" } });
  assert.match(proxy.log, /no native addon .* the kernel spreads connections/);
  // That all of them go to one silo has a chance of one in 2^63.
  for (let i = 0; i < 64; i++) {
    const whole = await exchange(proxy.port("main"), CLOSING);
    assert.match(whole, /^HTTP\/1\.1 200 OK\r\n/);
  }
  assert.equal(await proxy.stat("cluster.upstream.upstream_cx_total"), 2);
  assert.equal(await proxy.stop(), 0);
});

const REPLACED =
  "a silo that a filter blocks for ever is replaced; the other's connections lose nothing";
test(REPLACED, { skip: NO_ADDON }, async () => {
  const code = `{filename: ${JSON.stringify(join(directory, "loop.wasm"))}}`;
  const proxy = await start(2, [wasmFilter({ name: "loop", code })]);
  const clients = await Promise.all([
    RawClient.open(proxy.port("main")),
    RawClient.open(proxy.port("main")),
  ]);
  for (const client of clients) {
    client.send(GET);
    await client.until((text) => text.endsWith("ok"));
  }
  const [victim, other] = clients as [RawClient, RawClient];
  const more = Array.from({ length: 20 }, (_, i) => `x-${i}: 1\r\n`).join("");
  victim.send(`GET / HTTP/1.1\r\nhost: a\r\n${more}\r\n`);
  const gone = victim.untilClosed();
  let over = false;
  void gone.then(() => {
    over = true;
  });
  let answered = 1;
  while (!over) {
    other.send(GET);
    answered++;
    const count = answered;
    await other.until((text) => text.split("HTTP/1.1 200 OK").length - 1 === count);
  }
  assert.ok(answered > 100, `${answered} answers`);
  // Both seats are filled again: connections go to two silos and are answered.
  for (let i = 0; i < 4; i++) {
    const closing = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert.match(await exchange(proxy.port("main"), closing), /^HTTP\/1\.1 200 OK\r\n/);
  }
  assert.match(proxy.log, /silo \d failed: no heartbeat/);
  victim.close();
  other.close();
  assert.equal(await proxy.stop(), 0);
});

test("a port in use is told and the exit code is 1", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const path = join(directory, "taken.yaml");
  const yaml = bootstrap([listener()], [cluster("upstream", upstream.port)]);
  writeFileSync(path, yaml.replace("port_value: 0", `port_value: ${port}`));
  const result = await runGranary(["-c", path, "--concurrency", "1"]);
  taken.close();
  assert.equal(result.code, 1, result.err);
  assert.match(result.err, new RegExp(`127\\.0\\.0\\.1:${port}.*(in use|EADDRINUSE)`, "i"));
});
