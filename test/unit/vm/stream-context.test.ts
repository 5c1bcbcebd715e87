import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CALLBACKS, type CallbackName } from "../../../src/abi/callback-table.ts";
import { startPlugin } from "../../harness/plugin-fixture.ts";

/** Every stream callback logs one letter and the id it was called with. */
const LETTERS: Readonly<Partial<Record<CallbackName, string>>> = {
  proxy_on_context_create: "c",
  proxy_on_request_headers: "h",
  proxy_on_request_body: "b",
  proxy_on_response_headers: "H",
  proxy_on_response_body: "B",
  proxy_on_response_trailers: "T",
  proxy_on_log: "l",
  proxy_on_done: "d",
  proxy_on_delete: "x",
};

function tracer() {
  const callbacks = Object.fromEntries(
    Object.entries(LETTERS).map(([name, letter]) => {
      const isVoid = CALLBACKS[name as CallbackName].result === "none";
      const note = `(call $note (i32.const ${letter.charCodeAt(0)}) (local.get $ctx))`;
      return [name, isVoid ? note : `${note} (i32.const 0)`];
    }),
  );
  const fields = `(func $note (param i32 i32)
    (i32.store8 (i32.const 16) (local.get 0))
    (i32.store8 (i32.const 17) (i32.add (i32.const 48) (local.get 1)))
    (drop (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 2))))`;
  const fixture = startPlugin({ callbacks, fields });
  fixture.thread.lines.length = 0;
  const trace = (): string => fixture.thread.lines.map((line) => line.slice(-2)).join(" ");
  return { ...fixture, trace };
}

describe("stream context", () => {
  it("is created at its first callback and goes log, done, delete", () => {
    const { open, trace } = tracer();
    const { context } = open();
    assert.equal(trace(), "");
    context.onRequestHeaders(1, true);
    context.onResponseHeaders(1, false);
    context.onResponseBody(1, true);
    context.onLog();
    context.onLog();
    context.onDestroy();
    context.onDestroy();
    assert.equal(trace(), "c2 h2 H2 B2 l2 d2 x2");
  });

  it("that never saw a request is created for the log alone", () => {
    const { open, trace } = tracer();
    const { context } = open();
    assert.equal(context.onResponseHeaders(1, false), 0);
    assert.equal(context.onResponseBody(1, true), 0);
    assert.equal(context.onResponseTrailers(1), 0);
    context.onLog();
    context.onDestroy();
    assert.equal(trace(), "c2 l2 d2 x2");
  });

  it("that nobody used is unknown to the guest", () => {
    const { open, trace } = tracer();
    open().context.onDestroy();
    assert.equal(trace(), "");
  });

  it("makes no callbacks after the log", () => {
    const { open, trace } = tracer();
    const { context } = open();
    context.onRequestHeaders(1, false);
    context.onLog();
    context.onResponseHeaders(1, true);
    assert.equal(trace(), "c2 h2 l2");
  });

  it("has an id of its own while it lives", () => {
    const { open, trace } = tracer();
    const first = open().context;
    const second = open().context;
    first.onRequestHeaders(1, true);
    second.onRequestHeaders(1, true);
    first.onDestroy();
    open().context.onRequestHeaders(1, true);
    assert.equal(trace(), "c2 h2 c3 h3 d2 x2 c4 h4");
  });
});

describe("deferred actions", () => {
  const resume = `(drop (call $proxy_set_effective_context (i32.const 2)))
    (drop (call $proxy_continue_stream (i32.const 0)))
    (drop (call $proxy_clear_route_cache)) (i32.const 0)`;

  it("run before the callback returns to the stream, in order, with an empty stack", () => {
    const fixture = startPlugin({
      callbacks: {
        proxy_on_request_headers: "(i32.const 1)",
        proxy_on_request_body: resume,
      },
    });
    const paused = fixture.open();
    const other = fixture.open();
    paused.context.onRequestHeaders(1, false);
    paused.stream.onEffect = (name) => {
      // The resumed stream goes on into the same VM at once.
      if (name === "continueRequest") paused.context.onResponseHeaders(1, true);
      if (name === "continueRequest") paused.stream.calls.push("entered");
    };
    other.context.onRequestHeaders(1, false);
    assert.equal(other.context.onRequestBody(1, true), 0);
    assert.deepEqual(paused.stream.calls, ["continueRequest", "entered", "clearRouteCache"]);
  });

  it("of a nested callback that traps are dropped, those before it stay", () => {
    const fixture = startPlugin({
      callbacks: {
        proxy_on_request_headers: "(i32.const 1)",
        proxy_on_request_body: resume,
        proxy_on_response_headers: `(drop (call $proxy_close_stream (i32.const 0))) unreachable`,
      },
    });
    const paused = fixture.open();
    const other = fixture.open();
    const bystander = fixture.open();
    paused.context.onRequestHeaders(1, false);
    other.context.onRequestHeaders(1, false);
    bystander.context.onRequestHeaders(1, false);
    paused.stream.onEffect = (name) => {
      if (name === "continueRequest") bystander.context.onResponseHeaders(1, true);
    };
    other.context.onRequestBody(1, true);
    assert.deepEqual(bystander.stream.calls, ["failStream"]);
    assert.deepEqual(paused.stream.calls, ["continueRequest", "clearRouteCache"]);
  });
});
