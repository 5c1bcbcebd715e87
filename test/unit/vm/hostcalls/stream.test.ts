import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { STATUS } from "../../../../src/abi/enums.ts";
import { pairsBlock } from "../../../../src/abi/pairs.ts";
import { DIRECTION } from "../../../../src/vm/current-call.ts";
import { BAD_RANGE, HostcallFixture, OUT, OUT_LEN } from "../../../harness/hostcall-fixture.ts";

/** Calls from the root with the stream as effective context, as callout callbacks do. */
function asEffective(): HostcallFixture {
  const fixture = new HostcallFixture();
  fixture.enterRoot();
  const status = fixture.call("proxy_set_effective_context", fixture.context.id);
  assert.equal(status, STATUS.ok);
  return fixture;
}

describe("proxy_continue_stream and proxy_close_stream", () => {
  it("take effect in order, after the callback has returned", () => {
    const fixture = asEffective();
    assert.equal(fixture.call("proxy_continue_stream", 0), STATUS.ok);
    assert.equal(fixture.call("proxy_continue_stream", 1), STATUS.ok);
    assert.equal(fixture.call("proxy_close_stream", 1), STATUS.ok);
    assert.deepEqual(fixture.stream.calls, []);
    fixture.leave();
    const effects = ["continueRequest", "continueResponse", "closeStream"];
    assert.deepEqual(fixture.stream.calls, effects);
  });

  it("have forms of ABI 0.1.0", () => {
    const fixture = asEffective();
    assert.equal(fixture.call("proxy_continue_request"), STATUS.ok);
    assert.equal(fixture.call("proxy_continue_response"), STATUS.ok);
    assert.equal(fixture.call("proxy_clear_route_cache"), STATUS.ok);
    fixture.leave();
    assert.deepEqual(fixture.stream.calls, [
      "continueRequest",
      "continueResponse",
      "clearRouteCache",
    ]);
  });

  it("do nothing for TCP types, on roots and in proxy_on_log", () => {
    const fixture = asEffective();
    for (const name of ["proxy_continue_stream", "proxy_close_stream"] as const) {
      assert.equal(fixture.call(name, 2), STATUS.ok);
      assert.equal(fixture.call(name, 3), STATUS.ok);
      fixture.enterRoot();
      assert.equal(fixture.call(name, 0), STATUS.ok);
      fixture.enterVm();
      assert.equal(fixture.call(name, 0), STATUS.ok);
    }
    fixture.enterLog();
    assert.equal(fixture.call("proxy_continue_stream", 0), STATUS.ok);
    assert.equal(fixture.call("proxy_close_stream", 0), STATUS.ok);
    fixture.leave();
    assert.deepEqual(fixture.stream.calls, []);
  });

  it("refuse unknown types", () => {
    const fixture = asEffective();
    assert.equal(fixture.call("proxy_continue_stream", 4), STATUS.badArgument);
    assert.equal(fixture.call("proxy_close_stream", -1), STATUS.badArgument);
  });

  it("are dropped for a stream that ends before they run", () => {
    const fixture = asEffective();
    fixture.call("proxy_continue_stream", 0);
    fixture.vm.call.end();
    fixture.context.onDestroy();
    fixture.vm.actions.run();
    assert.deepEqual(fixture.stream.calls, []);
  });
});

describe("proxy_send_local_response", () => {
  function send(
    fixture: HostcallFixture,
    status: number,
    options: { details?: string; body?: string; headers?: Uint8Array; grpc?: number } = {},
  ): number {
    return fixture.call(
      "proxy_send_local_response",
      status,
      ...fixture.text(options.details ?? ""),
      ...fixture.text(options.body ?? ""),
      ...fixture.bytes(options.headers ?? new Uint8Array(0)),
      options.grpc ?? -1,
    );
  }

  it("carries status, details as one word, body, headers and gRPC status", () => {
    const fixture = new HostcallFixture();
    const headers = pairsBlock([
      [":status", "1"],
      ["X-A", "1"],
      ["bad\n", "1"],
      ["x-a", "2"],
    ]);
    assert.equal(
      send(fixture, 403, { details: "not\tso fast\n", body: "no", headers, grpc: 7 }),
      STATUS.ok,
    );
    assert.equal(fixture.vm.call.stopped, true);
    assert.equal(fixture.stream.replies.length, 0);
    fixture.leave();
    assert.deepEqual(fixture.stream.replies, [
      {
        status: 403,
        details: "not_so_fast_",
        body: new Uint8Array(Buffer.from("no")),
        headers: [
          ["x-a", "1"],
          ["x-a", "2"],
        ],
        grpcStatus: 7,
      },
    ]);
  });

  it("stands in for statuses that are none, and for gRPC statuses out of range", () => {
    for (const [status, expected] of [
      [0, 500],
      [100, 500],
      [600, 500],
      [-1, 500],
      [200, 200],
    ]) {
      const fixture = new HostcallFixture();
      send(fixture, status ?? 0, { grpc: 17 });
      fixture.leave();
      assert.equal(fixture.stream.replies[0]?.status, expected);
      assert.equal(fixture.stream.replies[0]?.grpcStatus, -1);
    }
  });

  it("treats malformed headers as none, with a log line", () => {
    const fixture = new HostcallFixture();
    send(fixture, 200, { headers: Uint8Array.of(1) });
    fixture.leave();
    assert.deepEqual(fixture.stream.replies[0]?.headers, []);
    assert.match(fixture.thread.lines.at(-1) ?? "", /malformed/);
  });

  it("for another stream does not stop the callback that sends it", () => {
    const fixture = asEffective();
    assert.equal(send(fixture, 200), STATUS.ok);
    assert.equal(fixture.vm.call.stopped, false);
    fixture.leave();
    assert.equal(fixture.stream.replies.length, 1);
  });

  it("has no effect on roots, in proxy_on_log and the second time", () => {
    const fixture = new HostcallFixture();
    fixture.enterRoot();
    assert.equal(send(fixture, 200), STATUS.ok);
    fixture.enterStream();
    send(fixture, 201);
    send(fixture, 202);
    fixture.leave();
    fixture.enterLog();
    assert.equal(send(fixture, 203), STATUS.ok);
    fixture.leave();
    assert.deepEqual(
      fixture.stream.replies.map((reply) => reply.status),
      [201],
    );
  });

  it("refuses ranges outside the memory", () => {
    const fixture = new HostcallFixture();
    const name = "proxy_send_local_response";
    const bad = BAD_RANGE;
    for (const wire of [
      [...bad, 0, 0, 0, 0],
      [0, 0, ...bad, 0, 0],
      [0, 0, 0, 0, ...bad],
    ]) {
      assert.equal(fixture.call(name, 200, ...wire, -1), STATUS.invalidMemoryAccess);
    }
    fixture.leave();
    assert.equal(fixture.stream.replies.length, 0);
  });
});

describe("proxy_call_foreign_function", () => {
  const call = (fixture: HostcallFixture, name: string, out: readonly [number, number]): number =>
    fixture.call("proxy_call_foreign_function", ...fixture.text(name), 0, 0, ...out);

  it("clears the route cache, with or without interest in the result", () => {
    const fixture = new HostcallFixture();
    assert.equal(call(fixture, "clear_route_cache", [OUT, OUT_LEN]), STATUS.ok);
    assert.equal(call(fixture, "clear_route_cache", [0, 0]), STATUS.ok);
    fixture.leave();
    assert.deepEqual(fixture.stream.calls, ["clearRouteCache", "clearRouteCache"]);
  });

  it("knows no other name, and refuses bad ranges", () => {
    const fixture = new HostcallFixture();
    assert.equal(call(fixture, "no_such_function", [OUT, OUT_LEN]), STATUS.notFound);
    assert.equal(call(fixture, "clear_route_cache", [-1, OUT_LEN]), STATUS.invalidMemoryAccess);
    const name = "proxy_call_foreign_function";
    const bad = fixture.call(name, ...BAD_RANGE, 0, 0, OUT, OUT_LEN);
    assert.equal(bad, STATUS.invalidMemoryAccess);
  });
});

describe("proxy_set_effective_context", () => {
  it("refuses unknown ids and takes a choice back with 0", () => {
    const fixture = new HostcallFixture();
    assert.equal(fixture.call("proxy_set_effective_context", 999), STATUS.badArgument);
    assert.equal(fixture.call("proxy_set_effective_context", -1), STATUS.badArgument);
    assert.equal(fixture.call("proxy_set_effective_context", fixture.root.id), STATUS.ok);
    assert.equal(fixture.call("proxy_get_header_map_size", 0, OUT), STATUS.badArgument);
    assert.equal(fixture.call("proxy_set_effective_context", 0), STATUS.ok);
    assert.equal(fixture.call("proxy_get_header_map_size", 0, OUT), STATUS.ok);
  });

  it("does not outlive the callback", () => {
    const fixture = asEffective();
    fixture.leave();
    fixture.enterRoot();
    assert.equal(fixture.call("proxy_get_header_map_size", 0, OUT), STATUS.badArgument);
  });

  it("no longer knows a stream that is gone", () => {
    const fixture = new HostcallFixture();
    const id = fixture.context.id;
    fixture.leave();
    fixture.context.onDestroy();
    fixture.enterRoot();
    assert.equal(fixture.call("proxy_set_effective_context", id), STATUS.badArgument);
  });

  it("leaves a continue for the running callback's own half to that callback", () => {
    const fixture = new HostcallFixture();
    fixture.enterStream(DIRECTION.response);
    fixture.call("proxy_continue_stream", 1);
    assert.equal(fixture.vm.call.resumed, true);
    fixture.leave();
    assert.deepEqual(fixture.stream.calls, []);
  });
});
