import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderMap } from "../../src/http/header-map.ts";
import { Caller, grpcStream, streamWire } from "./callout-args.ts";
import { type Guest, inPhase, OUTSIDE_PTR } from "./guest.ts";

const refused = (parts: Parameters<typeof grpcStream>[1]): number =>
  inPhase("proxy_on_request_headers", (guest) => grpcStream(guest, parts)[0]);

describe("proxy_grpc_stream works", () => {
  it("tells of metadata, messages and the end, in order", () => {
    const caller = new Caller();
    const id = caller.stream({ metadata: [["a", "1"]] });
    assert.equal(id % 4, 2);
    const { request, events, sent } = caller.grpcStarted();
    assert.equal(request.timeoutMs, 0);
    assert.deepEqual(request.metadata.entries(), [["a", "1"]]);
    assert.deepEqual(sent, []);
    events.onGrpcInitialMetadata(HeaderMap.of([["x", "1"]]));
    events.onGrpcMessage(Buffer.from("one"));
    events.onGrpcMessage(Buffer.from(""));
    events.onGrpcTrailingMetadata(
      HeaderMap.of([
        ["y", "2"],
        ["z", "3"],
      ]),
    );
    events.onGrpcClose(0, "");
    assert.deepEqual(caller.grpcHeard, [
      `receive_initial_metadata ${id} 1`,
      `receive ${id} 3`,
      `receive ${id} 0`,
      `receive_trailing_metadata ${id} 2`,
      `close ${id} 0`,
    ]);
    assert.equal(caller.guest.vm.callouts.count, 0);
  });

  it("shows each callback its own part", () => {
    const caller = new Caller();
    caller.stream();
    const seen: unknown[] = [];
    const look = (guest: Guest): undefined => {
      seen.push(guest.fetch("proxy_get_header_map_value", 4, ...guest.put("x")).text);
      seen.push(guest.fetch("proxy_get_buffer_bytes", 5, 0, 9).text);
      seen.push(guest.fetch("proxy_get_header_map_value", 5, ...guest.put("y")).text);
      return undefined;
    };
    caller.guest.on("proxy_on_grpc_receive_initial_metadata", look);
    caller.guest.on("proxy_on_grpc_receive", look);
    caller.guest.on("proxy_on_grpc_receive_trailing_metadata", look);
    const { events } = caller.grpcStarted();
    events.onGrpcInitialMetadata(HeaderMap.of([["x", "1"]]));
    events.onGrpcMessage(Buffer.from("one"));
    events.onGrpcTrailingMetadata(HeaderMap.of([["y", "2"]]));
    assert.deepEqual(seen, ["1", "", null, null, "one", null, null, "", "2"]);
  });
});

describe("proxy_grpc_stream misuse", () => {
  it("answers ParseFailure, BadArgument and InternalFailure as proxy_grpc_call does", () => {
    assert.equal(refused({ upstream: "unknown" }), 4);
    assert.equal(refused({ method: "" }), 2);
    assert.equal(refused({ upstream: "down" }), 10);
  });

  it("answers InvalidMemoryAccess when the id cannot be written", () => {
    const call = (guest: Guest): number =>
      guest.call("proxy_grpc_stream", ...streamWire(guest), OUTSIDE_PTR);
    assert.equal(inPhase("proxy_on_request_headers", call), 6);
  });
});

describe("proxy_grpc_stream in the wrong phase", () => {
  it("answers BadArgument at start-up, where no root exists", () => {
    assert.equal(
      inPhase("startUp", (guest) => grpcStream(guest)[0]),
      2,
    );
  });
});

describe("proxy_grpc_stream edges", () => {
  it("says nothing more once the guest has cancelled it from a callback", () => {
    const caller = new Caller();
    const id = caller.stream();
    caller.guest.on("proxy_on_grpc_receive", (guest) => {
      assert.equal(guest.call("proxy_grpc_cancel", id), 0);
      return undefined;
    });
    const { events } = caller.grpcStarted();
    events.onGrpcMessage(Buffer.from("1"));
    events.onGrpcMessage(Buffer.from("2"));
    events.onGrpcTrailingMetadata(new HeaderMap());
    events.onGrpcClose(0, "");
    assert.deepEqual(caller.grpcHeard, []);
    assert.ok(caller.grpcStarted().cancelled);
  });

  it("is cancelled when the VM traps", () => {
    const caller = new Caller();
    caller.stream();
    caller.guest.on("proxy_on_grpc_receive", () => {
      throw new Error("trap");
    });
    caller.grpcStarted().events.onGrpcMessage(Buffer.from("1"));
    assert.ok(caller.grpcStarted().cancelled);
    assert.equal(caller.guest.vm.callouts.count, 0);
  });
});
