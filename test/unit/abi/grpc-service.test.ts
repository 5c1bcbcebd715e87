import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeGrpcService } from "../../../src/abi/grpc-service.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("a GrpcService message", () => {
  it("names a cluster, an authority and metadata", () => {
    const message = hex("0a08 0a0363 6c31 12 0161 2a06 0a016b 120176");
    assert.deepEqual(decodeGrpcService(message), {
      cluster: "cl1",
      authority: "a",
      metadata: [["k", "v"]],
    });
  });

  it("may have fields of every other kind", () => {
    const others = "1801 21 0102030405060708 2d 01020304 3a00";
    assert.equal(decodeGrpcService(hex(`0a03 0a0163 ${others}`))?.cluster, "c");
  });

  it("is none when it is cut, has a group, field 0, or names no cluster", () => {
    const bad = [
      "0a03 0a01",
      "0a03 0a0563",
      "0b",
      "0001",
      "0a00",
      "",
      "0a03 0a0163 21 00",
      "ffffffffffffffffffffff",
    ];
    for (const text of bad) assert.equal(decodeGrpcService(hex(text)), null, text);
  });

  it("never throws on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = decodeGrpcService(bytes);
        assert.ok(found === null || found.cluster.length < bytes.byteLength);
      }),
    );
  });
});
