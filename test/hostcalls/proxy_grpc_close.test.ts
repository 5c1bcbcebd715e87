import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Caller } from "./callout-args.ts";
import { inPhase } from "./guest.ts";

describe("proxy_grpc_close works", () => {
  it("ends the guest's side of a stream; the upstream's goes on", () => {
    const caller = new Caller();
    const id = caller.stream();
    caller.inTick((guest) => assert.equal(guest.call("proxy_grpc_close", id), 0));
    const { closed, cancelled, events } = caller.grpcStarted();
    assert.deepEqual([closed, cancelled], [true, false]);
    events.onGrpcMessage(Buffer.from("late"));
    events.onGrpcClose(0, "");
    assert.deepEqual(caller.grpcHeard, [`receive ${id} 4`, `close ${id} 0`]);
  });

  it("gives a call up", () => {
    const caller = new Caller();
    const id = caller.grpc();
    caller.inTick((guest) => assert.equal(guest.call("proxy_grpc_close", id), 0));
    assert.ok(caller.grpcStarted().cancelled);
    assert.equal(caller.guest.vm.callouts.count, 0);
  });
});

describe("proxy_grpc_close misuse", () => {
  it("answers BadArgument for ids of other kinds, NotFound for those never given out", () => {
    const caller = new Caller();
    const id = caller.call();
    caller.inTick((guest) => {
      const statuses = [id, 3, 401, 402].map((one) => guest.call("proxy_grpc_close", one));
      assert.deepEqual(statuses, [2, 2, 1, 1]);
    });
  });
});

describe("proxy_grpc_close in the wrong phase", () => {
  it("finds nothing at start-up", () => {
    assert.equal(
      inPhase("startUp", (guest) => guest.call("proxy_grpc_close", 6)),
      1,
    );
  });
});
