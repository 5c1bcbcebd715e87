/** Filters that await in the middle of a callback, in a real proxy. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { coroutineGuest, slept } from "../harness/coroutine-guest.ts";
import { FilterRig, untilLogged } from "../harness/filter-rig.ts";
import { valuesOf } from "../harness/raw-responses.ts";
import { A, CONTINUE, type Script } from "../harness/scripted-guest.ts";

const limits = { timeout: 60_000 };

/** Asyncified by the proxy, where its engine cannot suspend. */
const sleeper = (ms: number) =>
  coroutineGuest("JSPI", (script: Script) => ({
    proxy_on_request_headers: [
      script.note("begun"),
      script.status("slept", slept(ms)),
      script.add(0, "x-slept", "yes"),
      CONTINUE,
    ],
    proxy_on_request_body: [script.note("body", A), CONTINUE],
    proxy_on_response_headers: [
      script.status("slept", slept(1)),
      script.add(2, "x-slept", "too"),
      CONTINUE,
    ],
    proxy_on_log: [script.note("log")],
    proxy_on_delete: [script.note("delete")],
  }));

/** Answers the request that it has seen last, from a tick. */
const answersSoon = () =>
  coroutineGuest("JSPI", (script: Script) => ({
    proxy_on_configure: [script.setTick(20), "(i32.const 1)"],
    proxy_on_request_headers: [script.save(), "(global.set $count (i32.const 1))", CONTINUE],
    proxy_on_tick: [
      `(if (global.get $count) (then (global.set $count (i32.const 0))
        ${script.effective()} ${script.reply(408, "too late")}))`,
    ],
  }));

describe("filters that await", () => {
  let rig: FilterRig;

  before(async () => {
    const limitless = { suspension_time_max: "600s" };
    rig = await FilterRig.start([
      { name: "short", plugins: [{ name: "short", code: await sleeper(10) }] },
      {
        name: "long",
        plugins: [{ name: "long", code: await sleeper(600_000) }],
        limits: limitless,
      },
      {
        name: "answered",
        plugins: [
          { name: "answers", code: await answersSoon() },
          { name: "answered", code: await sleeper(600_000) },
        ],
        limits: limitless,
      },
      {
        name: "limited",
        plugins: [{ name: "limited", code: await sleeper(600_000) }],
        limits: { suspension_time_max: "0.05s" },
      },
    ]);
  });
  after(() => rig?.stop());
  const steps = (plugin: string): string[] =>
    rig
      .lines(plugin)
      .filter((line) => !line.startsWith("proxy_add"))
      .map((line) => line.replace(/ \d+ 0$/, ""));

  test("change request and response behind their waits", limits, async () => {
    const response = await rig.send("short", { method: "POST", body: "x".repeat(1_000) });
    assert.equal(response.status, 200);
    assert.equal(response.body, "hello");
    assert.deepEqual(valuesOf(response.headers, "x-slept"), ["too"]);
    const request = rig.requests.at(-1);
    assert.match(request?.head ?? "", /\r\nx-slept: yes\r\n/);
    assert.equal(request?.body.length, 1_000);
  });

  test("serve many streams at a time", limits, async () => {
    const sent = Array.from({ length: 50 }, () => rig.send("short"));
    const responses = await Promise.all(sent);
    assert.ok(responses.every(({ status }) => status === 200));
  });

  test("hear of a client that goes while they wait", limits, async () => {
    const client = await rig.open("long");
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await untilLogged(rig.proxy, (line) => /long.*: begun/.test(line));
    client.close();
    await untilLogged(rig.proxy, (line) => /long.*: delete/.test(line));
    assert.deepEqual(steps("long"), ["begun", "slept 10", "log", "delete"]);
  });

  test("do not hold up what another filter answers", limits, async () => {
    const response = await rig.send("answered");
    assert.equal(response.status, 408);
    assert.equal(response.body, "too late");
    await untilLogged(rig.proxy, (line) => /answered.*: delete/.test(line));
    assert.deepEqual(steps("answered"), ["begun", "slept 10", "slept 0", "log", "delete"]);
  });

  test("go on without an answer when the time is over", limits, async () => {
    const response = await rig.send("limited");
    assert.equal(response.status, 200);
    await rig.linesUntil("limited", "slept 10");
    const { body } = await rig.proxy.admin("/stats?filter=wasm.limited.susp");
    assert.match(body, /wasm\.limited\.suspension_timeouts: [1-9]/);
  });
});

test("a proxy that stops finishes what waits, and does not wait for ever", limits, async () => {
  const listeners = async (ms: number) => [
    { name: "l", plugins: [{ name: "p", code: await sleeper(ms) }] },
  ];
  const rig = await FilterRig.start(await listeners(300));
  const sent = rig.send("l");
  await untilLogged(rig.proxy, (line) => line.includes(": begun"));
  const stopped = rig.stop();
  assert.equal((await sent).status, 200);
  assert.equal(await stopped, 0);

  const endless = await FilterRig.start(await listeners(50_000), "", {
    args: ["--drain-time-s", "1"],
  });
  const client = await endless.open("l");
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await untilLogged(endless.proxy, (line) => line.includes(": begun"));
  await endless.stop();
  client.close();
});
