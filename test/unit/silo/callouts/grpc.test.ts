import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { FrameReader, framed } from "../../../../src/silo/callouts/grpc-frames.ts";
import { grpcRequestHeaders } from "../../../../src/silo/callouts/grpc-request.ts";
import { messageOf, statusOf } from "../../../../src/silo/callouts/grpc-status.ts";

function reader(): { readonly frames: FrameReader; readonly messages: string[] } {
  const messages: string[] = [];
  const frames = new FrameReader({
    onMessage: (message, compression) => {
      messages.push(`${compression} ${Buffer.from(message).toString("hex")}`);
      return true;
    },
  });
  return { frames, messages };
}

describe("gRPC messages", () => {
  it("come out as they went in, however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 })),
        fc.integer({ min: 1, max: 9 }),
        (sent, step) => {
          const { frames, messages } = reader();
          const bytes = Buffer.concat(sent.map(framed));
          for (let at = 0; at < bytes.length; at += step) {
            assert.equal(frames.read(bytes.subarray(at, at + step)), null);
          }
          assert.deepEqual(
            messages,
            sent.map((message) => `plain ${Buffer.from(message).toString("hex")}`),
          );
          assert.equal(frames.midMessage, false);
        },
      ),
    );
  });

  it("never fail on any bytes, and are never longer than what came", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (parts) => {
        const { frames, messages } = reader();
        let bytes = 0;
        for (const part of parts) {
          bytes += part.byteLength;
          if (frames.read(part) !== null) break;
        }
        assert.ok(messages.every((line) => line.length / 2 <= bytes + 10));
      }),
    );
  });

  it("stop when the reader's owner says so", () => {
    let count = 0;
    const frames = new FrameReader({
      onMessage: () => {
        count++;
        return false;
      },
    });
    frames.read(Buffer.concat([framed(Buffer.of(1)), framed(Buffer.of(2))]));
    assert.equal(count, 1);
  });
});

describe("the status of a gRPC call", () => {
  it("is a number from 0 to 16, else Unknown", () => {
    const of = (value: string): number => statusOf(HeaderMap.of([["grpc-status", value]]));
    assert.deepEqual(["0", "7", "16"].map(of), [0, 7, 16]);
    assert.deepEqual(["17", "-1", "", "1.5", "0x1", "1e0", "007"].map(of), [2, 2, 2, 2, 2, 2, 2]);
    assert.equal(statusOf(new HeaderMap()), 2);
  });

  it("has a message whose percent-encoding is undone where it is one", () => {
    const of = (value: string): string => messageOf(HeaderMap.of([["grpc-message", value]]));
    assert.equal(of("a%20b%C3%A9%"), "a b\u00c3\u00a9%");
    assert.equal(of("100%zz%4"), "100%zz%4");
    assert.equal(of("plain"), "plain");
    fc.assert(fc.property(fc.string(), (text) => of(text).length <= text.length));
  });
});

describe("the head of a gRPC request", () => {
  it("has the protocol's own fields, which metadata cannot replace", () => {
    const headers = grpcRequestHeaders({
      kind: "unary",
      cluster: "c",
      authority: "",
      service: "pkg.S",
      method: "M",
      metadata: HeaderMap.of([
        [":path", "/evil"],
        ["te", "gzip"],
        ["content-type", "text/html"],
        ["x-own", "1"],
        ["x-own-bin", "\x00\x01\xff"],
      ]),
      timeoutMs: 250,
    });
    assert.deepEqual(headers.entries(), [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/pkg.S/M"],
      [":authority", "c"],
      ["te", "trailers"],
      ["grpc-timeout", "250m"],
      ["content-type", "application/grpc"],
      ["grpc-accept-encoding", "identity,deflate,gzip"],
      ["x-own", "1"],
      ["x-own-bin", "AAH/"],
      ["x-envoy-expected-rq-timeout-ms", "250"],
      ["x-envoy-internal", "true"],
    ]);
  });

  it("tells long deadlines in seconds, none by silence", () => {
    const of = (timeoutMs: number): string | null => {
      const parts = {
        kind: "unary",
        cluster: "c",
        authority: "a",
        service: "s",
        method: "m",
      } as const;
      const headers = grpcRequestHeaders({ ...parts, metadata: new HeaderMap(), timeoutMs });
      return headers.get("grpc-timeout");
    };
    assert.equal(of(100_000_000), "100000S");
    assert.equal(of(0), null);
  });
});
