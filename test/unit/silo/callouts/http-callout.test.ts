import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../../../src/base/limits.ts";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { BodyChunk } from "../../../../src/shm/body-chunk.ts";
import { ReplyBody } from "../../../../src/silo/callouts/reply-body.ts";
import type { HttpCallReply } from "../../../../src/vm/roles.ts";
import { CalloutRig } from "../../../harness/callout-rig.ts";

class Rig extends CalloutRig {
  readonly heard: (HttpCallReply | "failure")[] = [];

  start(timeoutMs: number, parts: { body?: string; trailers?: HeaderMap } = {}) {
    const headers = HeaderMap.of([[":path", "/a"]]);
    const body = Buffer.from(parts.body ?? "");
    const request = { cluster: "c", headers, body, trailers: parts.trailers ?? null, timeoutMs };
    return this.callouts.httpCall(request, {
      onHttpReply: (reply) => this.heard.push(reply),
      onHttpFailure: () => this.heard.push("failure"),
    });
  }

  statuses(): readonly (string | null)[] {
    return this.heard.map((it) => (it === "failure" ? it : it.headers.get(":status")));
  }
}

describe("an HTTP callout", () => {
  it("ends with the part of the request that is last", () => {
    const rig = new Rig();
    rig.start(10);
    rig.start(10, { body: "b" });
    rig.start(10, { trailers: HeaderMap.of([["t", "1"]]) });
    rig.start(10, { body: "b", trailers: HeaderMap.of([["t", "1"]]) });
    assert.deepEqual(rig.sent, [
      "headers /a true",
      "headers /a false",
      "data 1 true",
      "headers /a false",
      "trailers",
      "headers /a false",
      "data 1 false",
      "trailers",
    ]);
  });

  it("ends after an hour when the guest set no timeout", () => {
    const rig = new Rig();
    rig.start(0);
    rig.clock.advance(LIMITS.calloutTimeoutMs - 1);
    assert.deepEqual(rig.heard, []);
    rig.clock.advance(20);
    assert.deepEqual(rig.statuses(), ["504"]);
    assert.equal(rig.sent.at(-1), "reset timeout");
    assert.equal(rig.active(), 0);
  });

  it("says nothing once it was cancelled", () => {
    const rig = new Rig();
    const callout = rig.start(10);
    assert.equal(rig.active(), 1);
    callout?.cancel();
    callout?.cancel();
    rig.upstream?.onUpstreamReset("connectFailure", "");
    rig.clock.advance(100);
    assert.deepEqual(rig.heard, []);
    assert.equal(rig.active(), 0);
    assert.equal(rig.metrics.valueOf("granary.callouts.cancelled"), 1);
    assert.equal(rig.wheel.count, 0);
  });

  it("gives up an answer whose body is too large", () => {
    const rig = new Rig();
    rig.start(10);
    rig.upstream?.onResponseHeaders(HeaderMap.of([[":status", "200"]]), false);
    const half = BodyChunk.ofHeap(new Uint8Array(LIMITS.calloutBodyBytes / 2));
    rig.upstream?.onResponseData(half, false);
    rig.upstream?.onResponseData(half, false);
    assert.deepEqual(rig.heard, []);
    rig.upstream?.onResponseData(BodyChunk.ofHeap(Uint8Array.of(1)), true);
    assert.deepEqual(rig.heard, ["failure"]);
    assert.equal(rig.sent.at(-1), "reset ");
  });
});

describe("the body of an answer", () => {
  it("is what was appended, in order", () => {
    const body = new ReplyBody();
    let expected = "";
    for (let i = 0; i < 5_000; i++) {
      const part = String(i);
      body.append(Buffer.from(part));
      expected += part;
    }
    assert.equal(Buffer.from(body.take()).toString(), expected);
  });

  it("is empty when nothing came", () => {
    assert.equal(new ReplyBody().take().byteLength, 0);
  });
});
