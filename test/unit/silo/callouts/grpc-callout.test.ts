import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../../../src/base/limits.ts";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import type { GrpcEvents } from "../../../../src/vm/roles.ts";
import { CalloutRig } from "../../../harness/callout-rig.ts";

const REQUEST = {
  kind: "stream",
  cluster: "c",
  authority: "",
  service: "s",
  method: "m",
  metadata: new HeaderMap(),
  timeoutMs: 0,
} as const;

function open(rig: CalloutRig, heard: string[]) {
  const events: GrpcEvents = {
    onGrpcInitialMetadata: () => heard.push("initial"),
    onGrpcMessage: () => heard.push("message"),
    onGrpcTrailingMetadata: () => heard.push("trailing"),
    onGrpcClose: (status, message) => heard.push(`close ${status} ${message}`),
  };
  const stream = rig.callouts.grpcCall(REQUEST, events);
  assert.ok(stream !== null);
  return stream;
}

describe("a gRPC callout", () => {
  it("ends when the guest sends far more than the upstream takes", () => {
    const rig = new CalloutRig();
    const heard: string[] = [];
    const stream = open(rig, heard);
    rig.upstream?.onRequestHighWatermark();
    const message = new Uint8Array(LIMITS.grpcPendingBytes / 4);
    for (let i = 0; i < 5; i++) stream.send(message, false);
    assert.deepEqual(heard, []);
    rig.clock.advance(20);
    assert.deepEqual(heard, ["trailing", "close 8 too much to send"]);
    assert.equal(rig.active(), 0);
  });

  it("goes on when the upstream takes it in the end", () => {
    const rig = new CalloutRig();
    const heard: string[] = [];
    const stream = open(rig, heard);
    const message = new Uint8Array(LIMITS.grpcPendingBytes / 4);
    for (let i = 0; i < 8; i++) {
      rig.upstream?.onRequestHighWatermark();
      stream.send(message, false);
      rig.upstream?.onRequestLowWatermark();
    }
    rig.clock.advance(1_000);
    assert.deepEqual(heard, []);
  });

  it("ends its own side once", () => {
    const rig = new CalloutRig();
    const stream = open(rig, []);
    stream.send(new Uint8Array(1), false);
    stream.closeLocal();
    stream.closeLocal();
    stream.send(new Uint8Array(1), false);
    assert.deepEqual(rig.sent.slice(1), ["data 6 false", "data 0 true"]);
  });

  it("says nothing once it was cancelled", () => {
    const rig = new CalloutRig();
    const heard: string[] = [];
    open(rig, heard).cancel();
    rig.upstream?.onResponseHeaders(HeaderMap.of([[":status", "200"]]), true);
    rig.upstream?.onUpstreamReset("remoteReset", "");
    assert.deepEqual(heard, []);
    assert.equal(rig.active(), 0);
  });
});
