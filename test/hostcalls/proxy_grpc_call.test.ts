import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../src/base/limits.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { Caller, grpcCall, streamWire } from "./callout-args.ts";
import { ENDED_PHASES, type Guest, inPhase, OUTSIDE_PTR } from "./guest.ts";

/** A GrpcService message: `envoy_grpc {cluster_name, authority}`, one `initial_metadata`. */
function serviceMessage(cluster: string): Uint8Array {
  const field = (number: number, value: Uint8Array): Buffer =>
    Buffer.concat([Buffer.of(number * 8 + 2, value.byteLength), value]);
  const text = (number: number, value: string): Buffer => field(number, Buffer.from(value));
  const envoy = Buffer.concat([text(1, cluster), text(2, "auth.example")]);
  const header = Buffer.concat([text(1, "X-From"), text(2, "service")]);
  // Field 3, timeout, is a message that is skipped.
  return Buffer.concat([field(1, envoy), field(3, Buffer.of(8, 1)), field(5, header)]);
}

const refused = (parts: Parameters<typeof grpcCall>[1]): number =>
  inPhase("proxy_on_request_headers", (guest) => grpcCall(guest, parts)[0]);

describe("proxy_grpc_call works", () => {
  it("sends one message, and gives the answer's to the root context", () => {
    const caller = new Caller();
    const metadata = [
      ["X-Meta", "1"],
      ["x-b-bin", "AAEC"],
    ] as const;
    const id = caller.grpc({ message: "question", metadata, timeoutMs: 70 });
    assert.equal(id % 4, 1);
    const { request, sent, events } = caller.grpcStarted();
    assert.deepEqual(sent, ["question end"]);
    const { cluster, service, method, timeoutMs } = request;
    assert.deepEqual([cluster, service, method, timeoutMs], ["known", "pkg.Service", "Method", 70]);
    assert.deepEqual(request.metadata.entries(), [
      ["x-meta", "1"],
      ["x-b-bin", "AAEC"],
    ]);
    events.onGrpcInitialMetadata(HeaderMap.of([["a", "1"]]));
    events.onGrpcMessage(Buffer.from("answer"));
    events.onGrpcTrailingMetadata(HeaderMap.of([["b", "2"]]));
    assert.deepEqual(caller.grpcHeard, []);
    events.onGrpcClose(0, "");
    assert.deepEqual(caller.grpcHeard, [`receive ${id} 6`]);
    assert.equal(caller.guest.vm.callouts.count, 0);
  });

  it("shows the message in the callback, and no metadata", () => {
    const caller = new Caller();
    caller.grpc();
    const seen: unknown[] = [];
    caller.guest.on("proxy_on_grpc_receive", (guest) => {
      seen.push(guest.fetch("proxy_get_buffer_bytes", 5, 0, 100).text);
      for (const map of [4, 5]) seen.push(guest.fetch("proxy_get_header_map_pairs", map).text);
      return undefined;
    });
    const { events } = caller.grpcStarted();
    events.onGrpcInitialMetadata(HeaderMap.of([["a", "1"]]));
    events.onGrpcMessage(Buffer.from("answer"));
    events.onGrpcTrailingMetadata(HeaderMap.of([["b", "2"]]));
    events.onGrpcClose(0, "");
    assert.deepEqual(seen, ["answer", "", ""]);
  });

  it("tells a failure by close alone, with status and message", () => {
    const caller = new Caller();
    const id = caller.grpc();
    const seen: unknown[] = [];
    caller.guest.on("proxy_on_grpc_close", (guest, wire) => {
      const code = guest.out();
      seen.push(...wire.slice(1, 3), guest.fetch("proxy_get_status", code).text, guest.u32(code));
      return undefined;
    });
    const { events } = caller.grpcStarted();
    events.onGrpcMessage(Buffer.from("too early"));
    events.onGrpcClose(7, "not you");
    assert.deepEqual(seen, [id, 7, "not you", 7]);
    assert.deepEqual(caller.grpcHeard, []);
  });

  it("takes success without a message for an internal error", () => {
    const caller = new Caller();
    const id = caller.grpc();
    caller.grpcStarted().events.onGrpcClose(0, "");
    assert.deepEqual(caller.grpcHeard, [`close ${id} 13`]);
  });

  it("takes a GrpcService message for the upstream", () => {
    const caller = new Caller();
    caller.grpc({ upstream: serviceMessage("known") });
    const { request } = caller.grpcStarted();
    assert.equal(request.cluster, "known");
    assert.equal(request.authority, "auth.example");
    assert.deepEqual(request.metadata.entries(), [["x-from", "service"]]);
  });
});

describe("proxy_grpc_call misuse", () => {
  it("answers ParseFailure for what neither is a cluster nor names one", () => {
    assert.equal(refused({ upstream: "unknown" }), 4);
    assert.equal(refused({ upstream: "" }), 4);
    assert.equal(refused({ upstream: serviceMessage("known").subarray(0, 9) }), 4);
  });

  it("answers InternalFailure for a message that names an unknown cluster", () => {
    assert.equal(refused({ upstream: serviceMessage("unknown") }), 10);
  });

  it("answers BadArgument for names that are no part of a path, and negative timeouts", () => {
    assert.equal(refused({ service: "" }), 2);
    assert.equal(refused({ service: "a b" }), 2);
    assert.equal(refused({ method: "M?x=1" }), 2);
    assert.equal(refused({ method: "M\r\nx: y" }), 2);
    assert.equal(refused({ timeoutMs: -1 }), 2);
  });

  it("answers InternalFailure when the call cannot be started", () => {
    const caller = new Caller();
    caller.inTick((guest) => assert.equal(grpcCall(guest, { upstream: "down" })[0], 10));
    assert.equal(caller.guest.root.calloutCount, 0);
  });

  it("answers InvalidMemoryAccess when the id cannot be written, and starts nothing", () => {
    const call = (guest: Guest): number => {
      const wire = [...streamWire(guest), ...guest.put("m"), 0, OUTSIDE_PTR];
      const status = guest.call("proxy_grpc_call", ...wire);
      assert.equal(guest.thread.callouts.grpcCalls.length, 0);
      return status;
    };
    assert.equal(inPhase("proxy_on_request_headers", call), 6);
  });

  it("counts towards the same limit as HTTP calls", () => {
    const caller = new Caller();
    caller.guest.root.calloutCount = LIMITS.calloutsCount;
    assert.equal(caller.grpc(), 0);
    assert.equal(caller.guest.thread.callouts.refusedCount, 1);
    caller.guest.root.calloutCount = 0;
  });
});

describe("proxy_grpc_call in the wrong phase", () => {
  it("answers BadArgument at start-up, where no root exists", () => {
    assert.equal(
      inPhase("startUp", (guest) => grpcCall(guest)[0]),
      2,
    );
  });

  it("works from configure, and after a stream has ended", () => {
    for (const phase of ["proxy_on_configure", ...ENDED_PHASES] as const) {
      assert.equal(
        inPhase(phase, (guest) => grpcCall(guest)[0]),
        0,
        phase,
      );
    }
  });
});

describe("proxy_grpc_call edges", () => {
  it("gives the last message when the upstream sends several", () => {
    const caller = new Caller();
    const id = caller.grpc();
    const { events } = caller.grpcStarted();
    events.onGrpcMessage(Buffer.from("1"));
    events.onGrpcMessage(Buffer.from("22"));
    events.onGrpcClose(0, "");
    assert.deepEqual(caller.grpcHeard, [`receive ${id} 2`]);
  });

  it("is cancelled when the plugin ends", () => {
    const caller = new Caller();
    caller.grpc();
    caller.guest.root.finish(() => undefined);
    assert.ok(caller.grpcStarted().cancelled);
    caller.grpcStarted().events.onGrpcClose(2, "");
    assert.deepEqual(caller.grpcHeard, []);
  });
});
