/** Answers that filters give themselves, and streams that end early, on real sockets. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { FilterRig, type ListenerSpec, type PluginSpec } from "../harness/filter-rig.ts";
import { valuesOf } from "../harness/raw-responses.ts";
import {
  B,
  type Callbacks,
  CONTINUE,
  type Script,
  STOP,
  scriptedGuest,
} from "../harness/scripted-guest.ts";

let rig: FilterRig;
const limits = { timeout: 5_000 };

const STOPS_HEADERS_ALONE = { allow_on_headers_stop_iteration: true };

function plugin(name: string, write: (s: Script) => Callbacks): PluginSpec {
  return { name, code: scriptedGuest(write) };
}

/** Notes the stream's last callbacks without context ids. */
function ending(s: Script): Callbacks {
  const zero = "(i32.const 0)";
  return {
    proxy_on_log: [s.note("log", zero), s.getProperty("details", ["response", "code_details"])],
    proxy_on_done: [s.note("done", zero), "(i32.const 1)"],
    proxy_on_delete: [s.note("delete", zero)],
  };
}

/** Replies in one callback, and signs whatever passes its response callbacks. */
function replier(name: keyof Callbacks & string, write: (s: Script) => Callbacks): ListenerSpec {
  const plugins = [
    plugin(name, (s) => ({
      proxy_on_response_headers: [s.add(2, "x-own", "seen"), CONTINUE],
      ...ending(s),
      ...write(s),
    })),
  ];
  return { name, plugins: plugins.map((one) => ({ ...one, more: STOPS_HEADERS_ALONE })) };
}

const LISTENERS: readonly ListenerSpec[] = [
  replier("proxy_on_request_headers", (s) => ({
    proxy_on_request_headers: [s.reply(418, "from headers"), CONTINUE],
    proxy_on_request_body: [s.note("no body"), CONTINUE],
  })),
  replier("proxy_on_request_body", (s) => ({
    proxy_on_request_headers: [STOP],
    proxy_on_request_body: [s.reply(418, "from body"), CONTINUE],
  })),
  replier("proxy_on_request_trailers", (s) => ({
    proxy_on_request_body: [`(if ${B} (then ${s.reply(418, "from body")}))`, CONTINUE],
  })),
  replier("proxy_on_response_headers", (s) => ({
    proxy_on_response_headers: [s.reply(418, "from response"), CONTINUE],
  })),
  replier("proxy_on_response_body", (s) => ({
    proxy_on_response_body: [s.reply(418, "from response body"), CONTINUE],
  })),
  {
    name: "held-response",
    plugins: [
      {
        name: "held-response",
        code: scriptedGuest((s) => ({
          proxy_on_response_headers: [STOP],
          proxy_on_response_body: [s.reply(418, "from held response"), CONTINUE],
        })),
        more: STOPS_HEADERS_ALONE,
      },
    ],
  },
  {
    name: "twice",
    plugins: [
      plugin("twice", (s) => ({
        proxy_on_request_headers: [s.reply(418, "one"), s.reply(419, "two"), CONTINUE],
        proxy_on_response_headers: [s.reply(420, "three"), CONTINUE],
      })),
    ],
  },
  {
    name: "grpc-given",
    plugins: [
      plugin("grpc-given", (s) => ({
        proxy_on_request_headers: [s.reply(403, "not 100% you", 5), CONTINUE],
      })),
    ],
  },
  {
    name: "paused",
    plugins: [
      plugin("paused", (s) => ({
        proxy_on_request_headers: [s.note("paused", "(i32.const 0)"), STOP],
        ...ending(s),
      })),
    ],
  },
  {
    name: "chain",
    plugins: [
      plugin("outer", (s) => ({
        proxy_on_response_headers: [s.add(2, "x-outer", "seen"), CONTINUE],
      })),
      plugin("middle", (s) => ({
        proxy_on_request_headers: [s.reply(418, "middle"), CONTINUE],
      })),
      plugin("inner", (s) => ({
        proxy_on_request_headers: [s.note("never"), CONTINUE],
        proxy_on_response_headers: [s.add(2, "x-inner", "seen"), CONTINUE],
        ...ending(s),
      })),
    ],
  },
];

before(async () => {
  rig = await FilterRig.start(LISTENERS);
});

after(async () => {
  assert.equal(await rig.stop(), 0);
});

async function untilIdle(listener: string): Promise<void> {
  while ((await rig.proxy.stat(`http.${listener}.downstream_rq_active`)) !== 0) await wait(5);
}

it("a reply from request headers passes the filter's own response callbacks", limits, async () => {
  const count = rig.requests.length;
  const name = "proxy_on_request_headers";
  const answer = await rig.send(name, { method: "POST", body: "some" });
  assert.deepEqual([answer.status, answer.body], [418, "from headers"]);
  assert.deepEqual(valuesOf(answer.headers, "x-own"), ["seen"]);
  assert.deepEqual(valuesOf(answer.headers, "content-type"), ["text/plain"]);
  assert.deepEqual(valuesOf(answer.headers, "content-length"), ["12"]);
  assert.equal(rig.requests.length, count);
  const lines = await rig.linesUntil(name, "delete 0 0");
  assert.deepEqual(lines, ["log 0 0", "details 0 by_the_test", "done 0 0", "delete 0 0"]);
  await untilIdle(name);
});

it("a reply from the request body, its headers held or already sent", limits, async () => {
  const held = await rig.send("proxy_on_request_body", { method: "POST", body: "some" });
  assert.deepEqual([held.status, held.body], [418, "from body"]);
  const sent = await rig.send("proxy_on_request_trailers", { method: "POST", body: "some" });
  assert.deepEqual([sent.status, sent.body], [418, "from body"]);
  assert.deepEqual(valuesOf(sent.headers, "x-own"), ["seen"]);
});

it("a reply from response headers replaces the upstream's answer", limits, async () => {
  const answer = await rig.send("proxy_on_response_headers");
  assert.deepEqual([answer.status, answer.body], [418, "from response"]);
  assert.deepEqual(valuesOf(answer.headers, "x-upstream"), []);
  await untilIdle("proxy_on_response_headers");
});

it("a reply from the response body resets the stream when headers have gone", limits, async () => {
  const answer = await rig.send("proxy_on_response_body");
  assert.equal(answer.isComplete, false);
  await rig.linesUntil("proxy_on_response_body", "delete 0 0");
  await untilIdle("proxy_on_response_body");
});

it("a reply from the response body replaces an answer whose headers are held", limits, async () => {
  const answer = await rig.send("held-response");
  assert.deepEqual([answer.status, answer.body], [418, "from held response"]);
});

it("a reply to HEAD has the length but no body", limits, async () => {
  const answer = await rig.send("proxy_on_request_headers", { method: "HEAD" });
  assert.deepEqual([answer.status, answer.body], [418, ""]);
  assert.deepEqual(valuesOf(answer.headers, "content-length"), ["12"]);
});

it(
  "a reply to gRPC is a trailers-only answer with the status given or mapped",
  limits,
  async () => {
    const headers = "content-type: application/grpc\r\n";
    const given = await rig.send("grpc-given", { method: "POST", headers, body: "x" });
    assert.deepEqual([given.status, given.body], [200, ""]);
    assert.deepEqual(valuesOf(given.headers, "grpc-status"), ["5"]);
    assert.deepEqual(valuesOf(given.headers, "grpc-message"), ["not 100%25 you"]);
    assert.deepEqual(valuesOf(given.headers, "content-type"), ["application/grpc"]);
    const mapped = await rig.send("chain", { method: "POST", headers, body: "x" });
    assert.deepEqual(valuesOf(mapped.headers, "grpc-status"), ["2"]);
  },
);

it(
  "of two replies the first counts, but its own response callbacks replace it",
  limits,
  async () => {
    const answer = await rig.send("twice");
    assert.deepEqual([answer.status, answer.body], [420, "three"]);
    await untilIdle("twice");
  },
);

it("filters that the request did not reach do not see the reply, but log it", limits, async () => {
  const answer = await rig.send("chain");
  assert.deepEqual([answer.status, answer.body], [418, "middle"]);
  assert.deepEqual(valuesOf(answer.headers, "x-outer"), ["seen"]);
  assert.deepEqual(valuesOf(answer.headers, "x-inner"), []);
  const lines = await rig.linesUntil("inner", "delete 0 0");
  assert.ok(!lines.some((line) => line.startsWith("never")));
  assert.ok(lines.includes("log 0 0"));
});

it("a client that leaves while a filter pauses ends the stream whole", limits, async () => {
  const client = await rig.open("paused");
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await rig.linesUntil("paused", "paused 0 0");
  assert.equal(await rig.proxy.stat("http.paused.downstream_rq_active"), 1);
  client.close();
  const lines = await rig.linesUntil("paused", "delete 0 0");
  assert.deepEqual(
    lines.filter((line) => !line.startsWith("details")),
    ["paused 0 0", "log 0 0", "done 0 0", "delete 0 0"],
  );
  await untilIdle("paused");
});
