import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import type { PluginConfig } from "../../../src/config/types.ts";
import type { StreamContext } from "../../../src/vm/types.ts";
import { type PluginFixture, startPlugin } from "../../harness/plugin-fixture.ts";

/** The guest returns the count or size it is called with: the test chooses the raw value. */
const ECHO = "(local.get $a)";
const CALLBACKS = {
  proxy_on_request_headers: ECHO,
  proxy_on_request_body: ECHO,
  proxy_on_request_trailers: ECHO,
  proxy_on_response_headers: ECHO,
  proxy_on_response_body: ECHO,
  proxy_on_response_trailers: ECHO,
};

function echo(abi: string, overrides: Partial<PluginConfig> = {}): StreamContext {
  const { context } = startPlugin({ abi, callbacks: CALLBACKS }, overrides).open();
  context.onRequestHeaders(0, false);
  return context;
}

const RAW = [0, 1, 2, 3, 4, 5, 77, 0xffffffff];

describe("result of a callback", () => {
  it("for headers follows the conversion table, StopIteration meaning stop-all by default", () => {
    const context = echo("0_2_1");
    const expected = [0, 4, 0, 3, 4, 4, 4, 4];
    assert.deepEqual(
      RAW.map((raw) => context.onRequestHeaders(raw, false)),
      expected,
    );
    assert.deepEqual(
      RAW.map((raw) => context.onResponseHeaders(raw, false)),
      expected,
    );
  });

  it("for headers keeps StopIteration where the plugin or ABI 0.2.100 allows it", () => {
    const allowed = echo("0_2_1", { allowOnHeadersStopIteration: true });
    assert.equal(allowed.onRequestHeaders(1, false), 1);
    assert.equal(echo("0_2_100").onResponseHeaders(1, false), 1);
  });

  it("for data is cut at StopIterationNoBuffer", () => {
    const context = echo("0_2_0");
    const expected = [0, 1, 2, 3, 3, 3, 3, 3];
    assert.deepEqual(
      RAW.map((raw) => context.onRequestBody(raw, false)),
      expected,
    );
    assert.deepEqual(
      RAW.map((raw) => context.onResponseBody(raw, false)),
      expected,
    );
  });

  it("for trailers is continue or stop", () => {
    const context = echo("0_1_0");
    const expected = [0, 1, 1, 1, 1, 1, 1, 1];
    assert.deepEqual(
      RAW.map((raw) => context.onRequestTrailers(raw)),
      expected,
    );
    assert.deepEqual(
      RAW.map((raw) => context.onResponseTrailers(raw)),
      expected,
    );
  });

  it("is continue when the callback is absent or gives no number", () => {
    const { context } = startPlugin({
      fields: '(func (export "proxy_on_request_headers") (param i32 i32))',
    }).open();
    assert.equal(context.onRequestHeaders(3, false), 0);
    assert.equal(context.onRequestBody(3, false), 0);
    assert.equal(context.onResponseHeaders(3, false), 0);
  });
});

const REPLY = `(drop (call $proxy_send_local_response (i32.const 418) (i32.const 0) (i32.const 6)
  (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0) (i32.const -1)))`;

describe("local reply in a callback", () => {
  const cases: [CallbackName, (context: StreamContext) => number, number][] = [
    ["proxy_on_request_headers", (c) => c.onRequestHeaders(1, false), 4],
    ["proxy_on_request_body", (c) => c.onRequestBody(1, false), 3],
    ["proxy_on_request_trailers", (c) => c.onRequestTrailers(1), 1],
    ["proxy_on_response_headers", (c) => c.onResponseHeaders(1, false), 4],
    ["proxy_on_response_body", (c) => c.onResponseBody(1, false), 3],
    ["proxy_on_response_trailers", (c) => c.onResponseTrailers(1), 1],
  ];
  for (const [name, run, stopped] of cases) {
    it(`stops ${name} whatever it returns, and is sent once it has returned`, () => {
      const fixture = startPlugin({
        data: { 0: "teapot" },
        callbacks: { [name]: `${REPLY} (i32.const 0)` },
      });
      const { stream, context } = fixture.open();
      if (!name.includes("request")) context.onRequestHeaders(1, false);
      assert.equal(run(context), stopped);
      assert.equal(stream.replies.length, 1);
      assert.equal(stream.replies[0]?.status, 418);
    });
  }

  it("is the only one of its callback, and may be replaced once from its own response", () => {
    const fixture = startPlugin({
      callbacks: {
        proxy_on_request_headers: `${REPLY} ${REPLY} (i32.const 0)`,
        proxy_on_response_headers: `${REPLY} (i32.const 0)`,
        proxy_on_response_body: `${REPLY} (i32.const 0)`,
      },
    });
    const { stream, context } = fixture.open();
    context.onRequestHeaders(1, false);
    assert.equal(context.onRequestBody(5, true), 3, "no further request callbacks");
    assert.equal(stream.replies.length, 1);
    assert.equal(context.onResponseHeaders(1, false), 4);
    assert.equal(context.onResponseBody(5, true), 0);
    assert.equal(stream.replies.length, 2);
  });
});

describe("continue in the callback that pauses", () => {
  const resume = (type: number): string =>
    `(drop (call $proxy_continue_stream (i32.const ${type})))`;

  function run(callbacks: Partial<Record<CallbackName, string>>): PluginFixture {
    return startPlugin({ callbacks });
  }

  it("turns the pause into continue, without a second effect", () => {
    const { stream, context } = run({
      proxy_on_request_headers: `${resume(0)} (i32.const 1)`,
      proxy_on_response_body: `${resume(1)} (i32.const 1)`,
    }).open();
    assert.equal(context.onRequestHeaders(1, false), 0);
    assert.equal(context.onResponseBody(1, false), 0);
    assert.deepEqual(stream.calls, []);
  });

  it("of the other half is an effect of its own", () => {
    const { stream, context } = run({
      proxy_on_request_body: `${resume(1)} (i32.const 1)`,
    }).open();
    context.onRequestHeaders(1, false);
    assert.equal(context.onRequestBody(1, false), 1);
    assert.deepEqual(stream.calls, ["continueResponse"]);
  });
});
