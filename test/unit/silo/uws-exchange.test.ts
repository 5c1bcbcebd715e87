import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { BodyChunk } from "../../../src/shm/body-chunk.ts";
import type { RequestDecoder } from "../../../src/silo/downstream/types.ts";
import { UwsExchange } from "../../../src/silo/downstream/uws-exchange.ts";
import type { HttpManager } from "../../../src/silo/http-manager.ts";
import { FakeUwsHandle } from "../../harness/fake-uws.ts";

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

function rig(body = false) {
  const manager = {
    stats: { downstream_cx_destroy_remote_active_rq: { inc: () => {} } },
    listener: { perConnectionBufferBytes: 4 },
    silo: { emptyChunk: BodyChunk.ofHeap(new Uint8Array(0)) },
  } as unknown as HttpManager;
  const handle = new FakeUwsHandle();
  let ended = 0;
  const exchange = new UwsExchange(handle, manager, { exchangeEnded: () => ended++ });
  const stream = new Recorder();
  exchange.open(stream, body);
  return { handle, exchange, stream, ends: () => ended };
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

  test("never touches uWS's object after an abort", () => {
    const { handle, exchange, stream, ends } = rig(true);
    exchange.encodeHeaders(headers(["content-length", "9"]), false, false);
    exchange.encodeData(chunk("abc"), false);
    handle.abort();
    exchange.encodeData(chunk("def"), true);
    exchange.pauseRequest();
    exchange.resumeRequest();
    exchange.resetStream();
    assert.deepEqual([stream.events, ends()], [["reset DC"], 1]);
  });

  test("a whole response is one piece, without our framing and date", () => {
    const { handle, exchange, ends } = rig();
    const map = headers(
      ["content-length", "3"],
      ["date", "now"],
      ["connection", "x"],
      ["x-a", "1"],
    );
    exchange.encodeHeaders(map, false, true);
    exchange.encodeData(chunk("abc"), true);
    assert.deepEqual(handle.head, ["200 OK", "x-a: 1"]);
    assert.deepEqual([handle.sent, handle.closed, ends()], ["abc", true, 1]);
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
    assert.deepEqual([handle.sent, handle.ended, ends()], ["abcd", true, 1]);
  });

  test("closes the connection when the body is shorter or longer than announced", () => {
    for (const text of ["ab", "abcd"]) {
      const { handle, exchange, stream, ends } = rig();
      exchange.encodeHeaders(headers(["content-length", "3"]), false, false);
      exchange.encodeData(chunk(text), true);
      assert.deepEqual([handle.closed, handle.ended, ends(), stream.events], [true, false, 1, []]);
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
});
