/** Filters in a chain: order, pauses, bodies and trailers, on real sockets. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { plainResponse } from "../harness/fake-upstream.ts";
import { FilterRig, type ListenerSpec, type PluginSpec } from "../harness/filter-rig.ts";
import { valuesOf } from "../harness/raw-responses.ts";
import {
  A,
  B,
  type Callbacks,
  CONTINUE,
  CTX,
  type Script,
  STOP,
  STOP_ALL_BUFFER,
  STOP_NO_BUFFER,
  scriptedGuest,
} from "../harness/scripted-guest.ts";

let rig: FilterRig;
const chunked = "transfer-encoding: chunked\r\n";

function plugin(name: string, write: (s: Script) => Callbacks, more: object = {}): PluginSpec {
  return { name, code: scriptedGuest(write), more };
}

/** Signs headers of both directions. */
function signer(name: string): PluginSpec {
  return plugin(name, (s) => ({
    proxy_on_request_headers: [s.add(0, "x-order", name), CONTINUE],
    proxy_on_response_headers: [s.add(2, "x-order", name), CONTINUE],
  }));
}

/** Notes every event, holds the request (0) or response (1) headers and resumes from the tick. */
function pauser(name: string, direction: 0 | 1, more: object = {}): PluginSpec {
  const [request, response] = direction === 0 ? [STOP, CONTINUE] : [CONTINUE, STOP];
  return plugin(
    name,
    (s) => ({
      proxy_on_vm_start: ["(i32.const 1)"],
      // The tick is asked for where the filter pauses: one that came before would resume nothing.
      proxy_on_request_headers: [
        s.save(),
        s.note("headers", A, B),
        ...(direction === 0 ? [s.setTick(10)] : []),
        request,
      ],
      proxy_on_request_body: [s.note("body", A, B), CONTINUE],
      proxy_on_response_headers: [
        s.note("response", A, B),
        ...(direction === 1 ? [s.setTick(10)] : []),
        response,
      ],
      proxy_on_response_body: [s.note("response body", A, B), CONTINUE],
      proxy_on_tick: [
        s.setTick(0),
        s.effective(),
        s.add(direction === 0 ? 0 : 2, "x-tick", "yes"),
        s.note("tick", "(i32.const 0)"),
        s.resume(direction),
      ],
    }),
    more,
  );
}

/** Holds a body to its end, notes sizes and contents, then replaces it. */
function rewriter(name: string): PluginSpec {
  const body = (s: Script, buffer: number): string[] => [
    s.note("size", A, B),
    s.getBuffer("bytes", buffer),
    `(if (i32.eqz ${B}) (then (return (i32.const 1))))`,
    s.setBuffer(buffer, "rewritten and longer than before"),
    CONTINUE,
  ];
  return plugin(name, (s) => ({
    proxy_on_request_headers: [s.remove(0, "content-length"), CONTINUE],
    proxy_on_request_body: body(s, 0),
    proxy_on_response_headers: [s.remove(2, "content-length"), CONTINUE],
    proxy_on_response_body: body(s, 1),
  }));
}

const LISTENERS: readonly ListenerSpec[] = [
  { name: "order", plugins: [signer("first"), signer("second"), signer("third")] },
  { name: "pause", plugins: [pauser("pause", 0), signer("behind")] },
  { name: "pause-response", plugins: [signer("before"), pauser("pause-response", 1)] },
  { name: "rewrite", plugins: [rewriter("rewrite")] },
  {
    name: "stop",
    plugins: [
      plugin(
        "stop",
        (s) => ({
          proxy_on_request_headers: [s.note("headers", A, B), STOP],
          proxy_on_request_body: [
            s.note("body", A, B),
            `(if (i32.eqz ${B}) (then (return (i32.const 1))))`,
            s.add(0, "x-late", "yes"),
            CONTINUE,
          ],
        }),
        { allow_on_headers_stop_iteration: true },
      ),
      signer("after-stop"),
    ],
  },
  {
    name: "consume",
    plugins: [
      plugin("consume", (s) => ({
        proxy_on_request_body: [
          s.note("body", A, B),
          `(if (i32.eqz ${B}) (then (return ${STOP_NO_BUFFER})))`,
          s.setBuffer(0, "instead"),
          CONTINUE,
        ],
      })),
    ],
  },
  {
    name: "trailers",
    plugins: [
      plugin("trailers", (s) => ({
        proxy_on_request_body: [`(if ${B} (then ${s.add(1, "x-made", "request")}))`, CONTINUE],
        proxy_on_response_headers: [s.remove(2, "content-length"), CONTINUE],
        proxy_on_response_body: [`(if ${B} (then ${s.add(3, "x-made", "response")}))`, CONTINUE],
      })),
      plugin("sees-trailers", (s) => ({
        proxy_on_request_body: [s.note("body", A, B), CONTINUE],
        proxy_on_request_trailers: [s.note("trailers", A), s.getHeader(1, "x-made"), CONTINUE],
      })),
    ],
  },
  {
    name: "limit",
    bufferBytes: 1024,
    plugins: [plugin("limit", (s) => ({ proxy_on_request_body: [s.note("request", A, B), STOP] }))],
  },
  {
    name: "limit-response",
    bufferBytes: 1024,
    plugins: [
      plugin(
        "limit-response",
        (s) => ({
          proxy_on_response_headers: [s.note("headers", A, B), STOP],
          proxy_on_response_body: [s.note("response", A, B), STOP],
        }),
        { allow_on_headers_stop_iteration: true },
      ),
    ],
  },
  {
    name: "stop-all",
    bufferBytes: 1024,
    plugins: [plugin("stop-all", () => ({ proxy_on_request_headers: [STOP_ALL_BUFFER] }))],
  },
  {
    name: "phases",
    plugins: [
      plugin("phases", (s) => ({
        proxy_on_response_headers: [s.getHeader(0, ":path"), CONTINUE],
        proxy_on_response_body: [
          `(if ${B} (then ${s.getHeader(0, ":method")} ${s.getHeader(2, ":status")}))`,
          CONTINUE,
        ],
        proxy_on_log: [s.getHeader(0, ":authority"), s.note("log", CTX)],
        proxy_on_done: [s.note("done", CTX), "(i32.const 1)"],
        proxy_on_delete: [s.note("delete", CTX)],
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

const limits = { timeout: 5_000 };

it("filters see requests in their order and responses in reverse", limits, async () => {
  const answer = await rig.send("order");
  const order = valuesOf(rig.requests.at(-1)?.headers ?? [], "x-order");
  assert.deepEqual(order, ["first", "second", "third"]);
  assert.deepEqual(valuesOf(answer.headers, "x-order"), ["third", "second", "first"]);
});

it("paused request headers wait for the tick, the body behind them", limits, async () => {
  const answer = await rig.send("pause", { method: "POST", body: "late" });
  assert.equal(answer.body, "hello");
  const request = rig.requests.at(-1);
  assert.deepEqual(valuesOf(request?.headers ?? [], "x-tick"), ["yes"]);
  assert.deepEqual(valuesOf(request?.headers ?? [], "x-order"), ["behind"]);
  assert.equal(request?.body, "late");
  const lines = await rig.linesUntil("pause", "response body 0 1");
  assert.ok(lines.indexOf("tick 0 0") < lines.indexOf("body 4 1"), lines.join("; "));
});

it("paused response headers wait for the tick", limits, async () => {
  const answer = await rig.send("pause-response");
  assert.equal(answer.body, "hello");
  assert.deepEqual(valuesOf(answer.headers, "x-tick"), ["yes"]);
  assert.deepEqual(valuesOf(answer.headers, "x-order"), ["before"]);
});

it("held bodies grow from callback to callback and are rewritten whole", limits, async () => {
  const client = await rig.open("rewrite");
  client.send(`POST / HTTP/1.1\r\nhost: a\r\n${chunked}connection: close\r\n\r\n3\r\nabc\r\n`);
  await rig.linesUntil("rewrite", "bytes 0 abc");
  client.send("2\r\nde\r\n");
  await rig.linesUntil("rewrite", "bytes 0 abcde");
  client.send("0\r\n\r\n");
  const text = await client.untilClosed();
  assert.equal(rig.requests.at(-1)?.body, "rewritten and longer than before");
  assert.match(text, /\r\n20\r\nrewritten and longer than before\r\n0\r\n\r\n$/);
  const lines = await rig.linesUntil("rewrite", "bytes 0 hello");
  assert.deepEqual(lines.slice(0, 3), ["size 3 0", "bytes 0 abc", "size 5 0"]);
  assert.ok(lines.includes("size 5 1"), "the end comes with everything");
});

it("StopIteration holds headers alone where that is allowed", limits, async () => {
  await rig.send("stop", { method: "POST", body: "whole" });
  const request = rig.requests.at(-1);
  assert.equal(request?.body, "whole");
  assert.deepEqual(valuesOf(request?.headers ?? [], "x-late"), ["yes"]);
  assert.deepEqual(valuesOf(request?.headers ?? [], "x-order"), ["after-stop"]);
});

it("a consumed body is gone; what the filter puts in its place goes on", limits, async () => {
  const client = await rig.open("consume");
  client.send(`POST / HTTP/1.1\r\nhost: a\r\n${chunked}connection: close\r\n\r\n3\r\nabc\r\n`);
  await rig.linesUntil("consume", "body 3 0");
  client.send("2\r\nde\r\n0\r\n\r\n");
  await client.untilClosed();
  assert.equal(rig.requests.at(-1)?.body, "instead");
});

it("trailers made in the last body callback end both messages", limits, async () => {
  const client = await rig.open("trailers");
  client.send(`POST / HTTP/1.1\r\nhost: a\r\n${chunked}connection: close\r\n\r\n`);
  client.send("3\r\nabc\r\n0\r\n\r\n");
  const text = await client.untilClosed();
  assert.match(text, /\r\n5\r\nhello\r\n0\r\nx-made: response\r\n\r\n$/);
  const request = rig.requests.at(-1);
  assert.equal(request?.body, "abc");
  assert.deepEqual(request?.trailers, [["x-made", "request"]]);
  const lines = await rig.linesUntil("sees-trailers", "x-made 0 request");
  assert.deepEqual(lines.slice(-2), ["trailers 1 0", "x-made 0 request"]);
  assert.ok(
    lines.slice(0, -2).every((line) => line.endsWith(" 0")),
    lines.join("; "),
  );
});

it("a held body over the limit is answered 413 or 500", limits, async () => {
  const request = await rig.send("limit", { method: "POST", body: "x".repeat(3000) });
  assert.equal(request.status, 413);
  assert.equal(request.body, "Payload Too Large");
  rig.answer = () => plainResponse(200, "x".repeat(3000));
  const response = await rig.send("limit-response");
  rig.answer = () => plainResponse(200, "hello", "x-upstream: yes\r\n");
  assert.equal(response.status, 500);
  assert.equal(response.body, "Internal Server Error");
  const all = await rig.send("stop-all", { method: "POST", body: "x".repeat(3000) });
  assert.equal(all.status, 413);
});

it(
  "request headers are readable in every later phase; the end is log, done, delete",
  limits,
  async () => {
    await rig.send("phases", { path: "/p" });
    const lines = await rig.linesUntil("phases", "delete 2 0");
    assert.deepEqual(lines, [
      ":path 0 /p",
      ":method 0 GET",
      ":status 0 200",
      ":authority 0 a.example",
      "log 2 0",
      "done 2 0",
      "delete 2 0",
    ]);
  },
);
