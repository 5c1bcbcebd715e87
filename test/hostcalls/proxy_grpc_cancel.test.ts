import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Caller } from "./callout-args.ts";
import { inPhase } from "./guest.ts";

describe("proxy_grpc_cancel works", () => {
  it("gives calls and streams up, and nothing is heard of them", () => {
    const caller = new Caller();
    const ids = [caller.grpc(), caller.stream()];
    caller.inTick((guest) => {
      for (const id of ids) assert.equal(guest.call("proxy_grpc_cancel", id), 0);
    });
    for (const index of [0, 1]) {
      assert.ok(caller.grpcStarted(index).cancelled);
      caller.grpcStarted(index).events.onGrpcClose(1, "");
    }
    assert.deepEqual(caller.grpcHeard, []);
    assert.equal(caller.guest.root.calloutCount, 0);
  });
});

describe("proxy_grpc_cancel misuse", () => {
  it("answers BadArgument for ids that are no gRPC callout's", () => {
    const caller = new Caller();
    const id = caller.call();
    caller.inTick((guest) => {
      assert.equal(guest.call("proxy_grpc_cancel", id), 2);
      assert.equal(guest.call("proxy_grpc_cancel", 3), 2);
    });
    assert.ok(!caller.started().cancelled);
  });

  it("answers NotFound for ids never given out, and the second time", () => {
    const caller = new Caller();
    const id = caller.stream();
    caller.inTick((guest) => {
      const statuses = [id, id, 5, 6].map((one) => guest.call("proxy_grpc_cancel", one));
      assert.deepEqual(statuses, [0, 1, 1, 1]);
    });
  });
});

describe("proxy_grpc_cancel in the wrong phase", () => {
  it("finds nothing at start-up", () => {
    assert.equal(
      inPhase("startUp", (guest) => guest.call("proxy_grpc_cancel", 6)),
      1,
    );
  });
});
