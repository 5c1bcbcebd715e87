import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Caller } from "./callout-args.ts";
import { type Guest, inPhase, OUTSIDE } from "./guest.ts";

const send = (guest: Guest, id: number, text: string, end = 0): number =>
  guest.call("proxy_grpc_send", id, ...guest.put(text), end);

describe("proxy_grpc_send works", () => {
  it("sends messages, empty ones too, until the guest ends its side", () => {
    const caller = new Caller();
    const id = caller.stream();
    caller.inTick((guest) => {
      assert.deepEqual(
        [send(guest, id, "a"), send(guest, id, ""), send(guest, id, "c", 1)],
        [0, 0, 0],
      );
    });
    assert.deepEqual(caller.grpcStarted().sent, ["a", "", "c end"]);
  });

  it("works from the callbacks of the stream", () => {
    const caller = new Caller();
    const id = caller.stream();
    caller.guest.on("proxy_on_grpc_receive", (guest) => {
      assert.equal(send(guest, id, "again"), 0);
      return undefined;
    });
    caller.grpcStarted().events.onGrpcMessage(Buffer.from("1"));
    assert.deepEqual(caller.grpcStarted().sent, ["again"]);
  });
});

describe("proxy_grpc_send misuse", () => {
  it("answers BadArgument for ids of other kinds", () => {
    const caller = new Caller();
    const ids = [caller.call(), caller.grpc(), 0, 3];
    caller.inTick((guest) => {
      assert.deepEqual(
        ids.map((id) => send(guest, id, "x")),
        [2, 2, 2, 2],
      );
    });
  });

  it("answers NotFound for ids never given out, and for streams that are over", () => {
    const caller = new Caller();
    const id = caller.stream();
    caller.grpcStarted().events.onGrpcClose(0, "");
    caller.inTick((guest) => {
      assert.deepEqual([send(guest, id, "x"), send(guest, 0xffff_fffe, "x")], [1, 1]);
    });
  });

  it("answers Ok and sends nothing after the end of the guest's own side", () => {
    const caller = new Caller();
    const id = caller.stream();
    caller.inTick((guest) => {
      assert.deepEqual([send(guest, id, "x", 1), send(guest, id, "y")], [0, 0]);
    });
    assert.deepEqual(caller.grpcStarted().sent, ["x end"]);
  });

  it("answers InvalidMemoryAccess for a message outside the memory", () => {
    const call = (guest: Guest): number => guest.call("proxy_grpc_send", 6, ...OUTSIDE, 0);
    assert.equal(inPhase("proxy_on_request_headers", call), 6);
  });
});

describe("proxy_grpc_send in the wrong phase", () => {
  it("finds no stream at start-up", () => {
    assert.equal(
      inPhase("startUp", (guest) => send(guest, 6, "x")),
      1,
    );
  });
});
