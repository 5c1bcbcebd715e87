/**
 * Filters of the null engine in a real proxy: handlers that wait, and what becomes of them when
 * their stream, their VM, their configuration or the server ends meanwhile.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { cluster } from "../harness/config.ts";
import {
  FakeUpstream,
  type FakeUpstreamConnection,
  plainResponse,
} from "../harness/fake-upstream.ts";
import { FilterRig, untilLogged } from "../harness/filter-rig.ts";
import { RawClient } from "../harness/raw-client.ts";

const limits = { timeout: 20_000 };
const folder = mkdtempSync(join(tmpdir(), "granary-null-"));

/** Waits for the service named in `x-ask`, then does what `x-do` says. */
const ASKING = `import type { HttpContext } from "granary";
import { mark } from "./mark.ts";

export async function onRequestHeaders(ctx: HttpContext): Promise<void> {
  const path = ctx.request.headers.get("x-ask");
  if (ctx.request.headers.has("x-body")) ctx.request.headers.delete("content-length");
  if (path === null) return;
  ctx.log.info("asks " + path);
  try {
    const reply = await ctx.httpCall("service", { path, timeoutMs: 10_000 });
    ctx.request.headers.set("x-answer", mark + " " + reply.status + " " + reply.text());
  } finally {
    ctx.root.log.info("left " + path);
  }
  const what = ctx.request.headers.get("x-do");
  if (what === "throw") throw new Error("told to throw");
  if (what === "float") void Promise.reject(new Error("nobody looks"));
  if (what === "float-call") void ctx.httpCall("no such cluster");
  if (what === "deny") ctx.sendLocalResponse(403, { body: "denied" });
}

export async function onRequestBody(ctx: HttpContext): Promise<void> {
  if (ctx.request.headers.get("x-body") === null) return;
  const { body } = ctx.request;
  const reply = await ctx.httpCall("service", { path: "/body" });
  body.replace(body.text().toUpperCase() + reply.text());
}

export async function onResponseHeaders(ctx: HttpContext): Promise<void> {
  ctx.response.headers.set("x-mark", mark);
  if (ctx.request.headers.get("x-late") === null) return;
  await ctx.sleep(1);
  ctx.response.headers.set("x-late", "yes");
}
`;

function writeFilter(mark: string): void {
  writeFileSync(join(folder, "mark.ts"), `export const mark: string = ${JSON.stringify(mark)};\n`);
}

let rig: FilterRig;
let service: FakeUpstream;
/** Requests that the asked service has not answered. */
let held: FakeUpstreamConnection[] = [];

before(async () => {
  writeFilter("one");
  writeFileSync(join(folder, "asking.ts"), ASKING);
  service = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      if (request.target === "/hold") held.push(connection);
      else connection.write(plainResponse(200, "ok"));
    },
  });
  const code = join(folder, "asking.ts");
  rig = await FilterRig.start(
    [
      { name: "main", plugins: [{ name: "asking", code }] },
      {
        name: "open",
        plugins: [{ name: "asking-open", code, vmId: "open", more: { fail_open: true } }],
      },
      {
        name: "impatient",
        plugins: [{ name: "asking-impatient", code, vmId: "impatient" }],
        limits: { handler_wait_max: "1s" },
      },
      {
        name: "idle",
        plugins: [{ name: "asking", code }],
        manager: { stream_idle_timeout: "0.2s" },
      },
    ],
    cluster("service", service.port),
    { args: ["--watch"] },
  );
});

beforeEach(() => {
  held = [];
});

after(async () => {
  await rig.stop();
  await service.close();
  rmSync(folder, { recursive: true });
});

async function untilHeld(count: number): Promise<void> {
  while (held.length < count) await wait(5);
}

const send = (headers: string, more = {}) => rig.send("main", { headers, ...more });

test("a handler asks a service, and the request goes on with the answer", limits, async () => {
  const answer = await send("x-ask: /now\r\nx-late: 1\r\n");
  assert.equal(answer.status, 200);
  assert.deepEqual(
    answer.headers.filter(([name]) => name.startsWith("x-late")),
    [["x-late", "yes"]],
  );
  const headers = rig.requests.at(-1)?.headers ?? [];
  assert.deepEqual(
    headers.filter(([name]) => name === "x-answer"),
    [["x-answer", "one 200 ok"]],
  );
});

test("a handler that waited answers the client itself", limits, async () => {
  const answer = await send("x-ask: /now\r\nx-do: deny\r\n");
  assert.deepEqual([answer.status, answer.body], [403, "denied"]);
});

test("a body waits with its handler and goes on changed", limits, async () => {
  for (const body of ["some body", "x".repeat(300_000)]) {
    const answer = await send(`x-body: 1\r\n`, {
      method: "POST",
      body,
    });
    assert.equal(answer.status, 200);
    const got = rig.requests.at(-1)?.body ?? "";
    assert.equal(got.replaceAll("ok", ""), body.toUpperCase());
    assert.ok(got.endsWith("ok"));
  }
});

test(
  "an error after waiting: 503 where the plugin fails closed, onwards where open",
  limits,
  async () => {
    const closed = await send("x-ask: /now\r\nx-do: throw\r\n");
    assert.equal(closed.status, 503);
    await untilLogged(rig.proxy, (line) => /asking\.ts:16:\d+/.test(line));
    const headers = "x-ask: /now\r\nx-do: throw\r\n";
    const open = await rig.send("open", { headers });
    assert.equal(open.status, 200);
    assert.equal((await send("x-ask: /now\r\n")).status, 200, "the next VM serves");
  },
);

test("a rejected promise that nobody waits for is told and ends nothing", limits, async () => {
  assert.equal((await send("x-ask: /now\r\nx-do: float\r\n")).status, 200);
  await untilLogged(rig.proxy, (line) => line.includes("nobody looked: Error: nobody looks"));
  assert.equal((await send("x-ask: /now\r\nx-do: float-call\r\n")).status, 200);
  assert.equal((await send("")).status, 200);
  assert.doesNotMatch(rig.proxy.log, /silo 0 is replaced/);
});

test("a client that leaves ends the wait of its handler, and nothing fails", limits, async () => {
  const failures = (): number => rig.proxy.log.split("the VM failed").length;
  const before = failures();
  const client = await RawClient.open(rig.proxy.port("main"));
  client.send("GET / HTTP/1.1\r\nhost: a\r\nx-ask: /hold\r\n\r\n");
  await untilHeld(1);
  client.close();
  await untilLogged(rig.proxy, (line) => line.endsWith("left /hold"));
  held[0]?.write(plainResponse(200, "too late"));
  assert.equal((await send("x-ask: /now\r\n")).status, 200);
  assert.equal(failures(), before);
});

test(
  "a handler that waits too long gives its stream up, and the filter serves on",
  limits,
  async () => {
    const name = "asking-impatient";
    const answer = await rig.send("impatient", { headers: "x-ask: /hold\r\n" });
    assert.equal(answer.status, 503);
    const line = "onRequestHeaders has waited for 1 s (handler_wait_max): its stream is failed";
    await untilLogged(rig.proxy, (text) => text.includes(name) && text.endsWith(line));
    await untilLogged(rig.proxy, (text) => text.includes(name) && text.endsWith("left /hold"));
    assert.equal(await rig.proxy.stat(`wasm.${name}.handlers_given_up`), 1);
    assert.equal(await rig.proxy.stat(`wasm.${name}.vm_failed`), 0);
    assert.equal((await rig.send("impatient", { headers: "x-ask: /now\r\n" })).status, 200);
  },
);

test("a stream that times out while its handler waits ends the wait", limits, async () => {
  const left = (): number => rig.proxy.log.split("left /hold").length;
  const before = left();
  const answer = await rig.send("idle", { headers: "x-ask: /hold\r\n" });
  assert.equal(answer.status, 504);
  while (left() === before) await wait(5);
  assert.equal((await send("x-ask: /now\r\n")).status, 200);
});

test(
  "a live update lets a handler that waits finish on the script it began with",
  limits,
  async () => {
    const waiting = send("x-ask: /hold\r\n");
    await untilHeld(1);
    writeFilter("two");
    await untilLogged(rig.proxy, (line) => line.includes("configuration 2 is in use"));
    const answer = await send("x-ask: /now\r\n");
    assert.deepEqual(
      answer.headers.filter(([name]) => name === "x-mark"),
      [["x-mark", "two"]],
    );
    held[0]?.write(plainResponse(200, "held"));
    const first = await waiting;
    assert.deepEqual(
      first.headers.filter(([name]) => name === "x-mark"),
      [["x-mark", "one"]],
    );
    const headers = rig.requests.at(-1)?.headers ?? [];
    assert.deepEqual(
      headers.filter(([name]) => name === "x-answer"),
      [["x-answer", "one 200 held"]],
    );
  },
);

test("a syntax error keeps the old script running and says where it is", limits, async () => {
  writeFileSync(join(folder, "mark.ts"), "export const mark = 'three'\nexport const = 4;\n");
  await untilLogged(rig.proxy, (line) => line.includes("mark.ts:2:14: Expected identifier"));
  const answer = await send("");
  assert.deepEqual(
    answer.headers.filter(([name]) => name === "x-mark"),
    [["x-mark", "two"]],
  );
  writeFilter("three");
  await untilLogged(rig.proxy, (line) => line.includes("configuration 3 is in use"));
  const next = await send("");
  assert.deepEqual(
    next.headers.filter(([name]) => name === "x-mark"),
    [["x-mark", "three"]],
  );
});

test("a drain lets a handler that waits finish", limits, async () => {
  const waiting = send("x-ask: /hold\r\n");
  await untilHeld(1);
  const stopped = rig.proxy.stop();
  await untilLogged(rig.proxy, (line) => line.includes("shutting down"));
  held[0]?.write(plainResponse(200, "at last"));
  assert.equal((await waiting).status, 200);
  assert.equal(await stopped, 0);
});
