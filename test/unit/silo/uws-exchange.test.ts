import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Turn } from "../../../src/base/turn.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { BodyChunk } from "../../../src/shm/body-chunk.ts";
import { BodySlab } from "../../../src/shm/body-slab.ts";
import { createBodySlab } from "../../../src/shm/body-slab-layout.ts";
import type { RequestDecoder } from "../../../src/silo/downstream/types.ts";
import { UwsExchange } from "../../../src/silo/downstream/uws-exchange.ts";
import type { HttpManager } from "../../../src/silo/http-manager.ts";
import { TimerWheel } from "../../../src/silo/timer-wheel.ts";
import { FakeUwsHandle } from "../../harness/fake-uws.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

class Recorder implements RequestDecoder {
  readonly events: string[] = [];
  onRequestHeaders(): void {}
  onRequestData(chunk: BodyChunk, endStream: boolean): void {
    this.events.push(`data ${Buffer.from(chunk.bytes).toString("latin1")}${endStream ? "." : ""}`);
  }
  onRequestTrailers(): void {}
  onProtocolError(): void {}
  onDownstreamReset(flag: string): void {
    this.events.push(`reset ${flag}`);
  }
  onResponseHighWatermark(): void {
    this.events.push("high");
  }
  onResponseLowWatermark(): void {
    this.events.push("low");
  }
}

function rig(body = false, isUnknown = false) {
  const clock = new ManualClock();
  const manager = {
    hcm: { delayedCloseTimeoutMs: 1_000 },
    stats: { downstream_cx_destroy_remote_active_rq: { inc: () => {} } },
    listener: { perConnectionBufferBytes: 4 },
    silo: {
      emptyChunk: BodyChunk.ofHeap(new Uint8Array(0)),
      wheel: new TimerWheel(clock),
      turn: new Turn(clock),
    },
  } as unknown as HttpManager;
  const handle = new FakeUwsHandle();
  const slab = new BodySlab(createBodySlab(4_194_304));
  const ends: string[] = [];
  const exchange = new UwsExchange({
    manager,
    slab,
    isUnknown,
    responseEnding: () => {},
    responseEnded: () => ends.push("ended"),
    responseDone: (close, linger) => {
      ends.push(close ? "close" : "keep");
      if (linger) ends.push("linger");
    },
  });
  exchange.start(handle);
  handle
    .onAborted(() => exchange.aborted())
    .onData((bytes, isLast) => exchange.data(bytes, isLast));
  const stream = new Recorder();
  exchange.open(stream, body);
  return { handle, exchange, stream, ends, clock, slab };
}

const headers = (...more: [string, string][]) => HeaderMap.of([[":status", "200"], ...more]);
const chunk = (text: string) => BodyChunk.ofHeap(Buffer.from(text, "latin1"));

describe("uws exchange", () => {
  test("copies request bytes before uWS takes them back", () => {
    const { handle, stream } = rig(true);
    handle.receive("ab", false);
    handle.receive("c", true);
    assert.deepEqual(stream.events, ["data ab", "data c", "data ."]);
  });

  test("takes long parts of a request's body into the slab, chunk by chunk, and gives them back", () => {
    const { handle, exchange, slab } = rig(true);
    const slots: number[] = [];
    let text = "";
    const taker = {
      onRequestData: (part: BodyChunk) => {
        slots.push(part.slot);
        text += part.latin1();
      },
    };
    exchange.open(taker as unknown as RequestDecoder, true);
    const leased = slab.leasedCount;
    const sent = "0123456789".repeat(15_000);
    handle.receive(sent, true);
    assert.equal(text, sent);
    assert.equal(slots.filter((slot) => slot >= 0).length, 3);
    assert.equal(slab.leasedCount, leased);
  });

  test("never touches uWS's object after an abort", () => {
    const { handle, exchange, stream, ends } = rig(true);
    exchange.encodeHeaders(headers(["content-length", "9"]), false, false);
    exchange.encodeData(chunk("abc"), false);
    handle.abort();
    exchange.encodeData(chunk("def"), true);
    exchange.pauseRequest();
    exchange.resumeRequest();
    exchange.resetStream();
    assert.deepEqual([stream.events, ends], [["reset DC"], []]);
  });

  test("a whole response is one piece, without our framing and date", () => {
    const { handle, exchange, ends } = rig(false, true);
    const map = headers(
      ["content-length", "3"],
      ["date", "now"],
      ["connection", "x"],
      ["x-a", "1"],
    );
    exchange.encodeHeaders(map, false, true);
    exchange.encodeData(chunk("abc"), true);
    assert.deepEqual(handle.head, ["200 OK", "x-a: 1"]);
    assert.deepEqual([handle.sent, handle.closed, ends], ["abc", true, ["ended", "close"]]);
  });

  test("leaves out header fields that could end a line", () => {
    const { handle, exchange } = rig();
    exchange.encodeHeaders(headers(["x-bad", "a\r\nset-cookie: b"], ["x y", "1"]), true, false);
    assert.deepEqual(handle.head, ["200 OK"]);
  });

  test("tells the stream when too much waits and when it has left", () => {
    const { handle, exchange, stream } = rig();
    exchange.encodeHeaders(headers(["content-length", "9"]), false, false);
    handle.room = 2;
    exchange.encodeData(chunk("abcdefgh"), false);
    assert.deepEqual([exchange.pendingBytes, stream.events], [6, ["high"]]);
    assert.equal(handle.takes(3), false);
    assert.equal(handle.takes(9), true);
    assert.deepEqual([exchange.pendingBytes, stream.events], [0, ["high", "low"]]);
    exchange.encodeData(chunk("i"), true);
    assert.equal(handle.sent, "abcdefghi");
  });

  test("ends chunks only after everything before has left", () => {
    const { handle, exchange, ends } = rig();
    exchange.encodeHeaders(headers(), false, false);
    handle.room = 1;
    exchange.encodeData(chunk("ab"), false);
    exchange.encodeData(chunk("cd"), true);
    assert.equal(handle.ended, false);
    handle.takes(9);
    assert.deepEqual(
      [handle.sent, handle.ended, ends],
      ["abcd", true, ["ended", "keep", "linger"]],
    );
  });

  test("closes the connection when the body is shorter or longer than announced", () => {
    for (const text of ["ab", "abcd"]) {
      const { handle, exchange, stream, ends } = rig();
      exchange.encodeHeaders(headers(["content-length", "3"]), false, false);
      exchange.encodeData(chunk(text), true);
      assert.deepEqual([handle.closed, handle.ended, stream.events, ends], [true, false, [], []]);
    }
  });

  test("reads on when the answer is complete before the request was resumed", () => {
    const { handle, exchange } = rig(true);
    exchange.pauseRequest();
    exchange.pauseRequest();
    exchange.resumeRequest();
    assert.equal(handle.paused, true);
    exchange.encodeHeaders(headers(), true, false);
    assert.equal(handle.paused, false);
  });

  test("says close where the connection may serve no more", () => {
    for (const uwsCloses of [true, false]) {
      const { handle, exchange, ends } = rig();
      exchange.keepAlive = false;
      exchange.uwsCloses = uwsCloses;
      exchange.encodeHeaders(headers(), true, false);
      assert.deepEqual(handle.head, ["200 OK", "connection: close"]);
      assert.deepEqual([handle.closed, ends], [false, ["ended", "close"]]);
    }
    const parts = rig();
    parts.exchange.keepAlive = false;
    parts.exchange.encodeHeaders(headers(), false, false);
    parts.exchange.encodeData(chunk("a"), false);
    parts.exchange.encodeData(chunk("b"), true);
    assert.deepEqual(parts.handle.head, ["200 OK", "connection: close"]);
    assert.deepEqual(parts.ends, ["ended", "close"]);
  });

  test("leaves it to uWS to say and do so where nobody knows the connection", () => {
    const { handle, exchange } = rig(false, true);
    exchange.keepAlive = false;
    exchange.encodeHeaders(headers(), true, false);
    assert.deepEqual([handle.head, handle.closed], [["200 OK"], true]);
  });

  test("lets the connection linger when the answer is there before the end of the request", () => {
    const { exchange, ends } = rig(true);
    exchange.encodeHeaders(headers(), true, true);
    assert.deepEqual(ends, ["ended", "close", "linger"]);
  });

  test("holds an early answer where uWS would close behind it, until the request has ended", () => {
    const early = rig(true);
    early.exchange.uwsCloses = true;
    early.exchange.encodeHeaders(headers(), true, true);
    assert.equal(early.handle.ended, false);
    early.handle.receive("abc", false);
    assert.equal(early.handle.ended, false);
    early.handle.receive("", true);
    assert.deepEqual([early.handle.ended, early.stream.events], [true, []]);
    const late = rig(true);
    late.exchange.uwsCloses = true;
    late.exchange.encodeHeaders(headers(), true, true);
    late.clock.advance(1_100);
    assert.deepEqual([late.handle.ended, late.ends], [true, ["ended", "close"]]);
  });

  test("serves one request after the other, each with a state of its own", () => {
    const { handle, exchange, ends } = rig();
    handle.room = 0;
    exchange.encodeHeaders(headers(["content-length", "2"]), false, true);
    exchange.encodeData(chunk("a"), false);
    exchange.encodeData(chunk("b"), true);
    handle.takes(9);
    assert.deepEqual(ends.splice(0), ["ended", "close", "linger"]);
    const next = new FakeUwsHandle();
    exchange.start(next);
    exchange.encodeHeaders(headers(), false, false);
    exchange.encodeData(chunk("xy"), true);
    assert.deepEqual([next.head, next.sent], [["200 OK"], "xy"]);
    assert.deepEqual(ends, ["ended", "keep"]);
  });
});
