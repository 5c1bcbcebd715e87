import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UwsGuard } from "../../../src/silo/downstream/uws-guard.ts";
import type { UwsRequest } from "../../../src/silo/downstream/uws-library.ts";

type Field = readonly [string, string];

function request(fields: readonly Field[], target = "/p", method = "GET"): UwsRequest {
  const [path = "", query] = target.split(/\?(.*)/s);
  return {
    getCaseSensitiveMethod: () => method,
    getUrl: () => path,
    getQuery: () => query,
    getHeader: (wanted) => fields.find(([name]) => name === wanted)?.[1] ?? "",
    forEach: (visit) => {
      for (const [name, value] of fields) visit(name, value);
    },
  };
}

function guard(headersCountMax = 10, headBytesMax = 1_000): UwsGuard {
  return new UwsGuard({ headersCountMax, headBytesMax }, "https");
}

const HOST: Field = ["host", "a:1"];
const fault = (...fields: Field[]) => guard().look(request([HOST, ...fields]));

describe("uws guard", () => {
  test("makes the header map of our own codec", () => {
    const eye = guard();
    assert.equal(eye.look(request([HOST, ["x-a", "1"], ["x-a", "2"]], "/p?q=1?2")), null);
    assert.deepEqual(eye.headers.entries(), [
      [":authority", "a:1"],
      [":path", "/p?q=1?2"],
      [":method", "GET"],
      [":scheme", "https"],
      ["x-a", "1"],
      ["x-a", "2"],
    ]);
    assert.equal(eye.bodyBytes, 0);
  });

  test("looks at every host, also after one that was valid", () => {
    const eye = guard();
    const names = ["a:1", "a:1", "a b", "a b", "a:1", "", "u@a", ""];
    const faults = names.map((name) => eye.look(request([["host", name]])));
    const bad = "hostInvalid";
    assert.deepEqual(faults, [null, null, bad, bad, null, null, bad, null]);
  });

  test("tells how long the body is and what the client wants", () => {
    const eye = guard();
    assert.equal(eye.look(request([HOST, ["content-length", "12"]])), null);
    assert.equal(eye.bodyBytes, 12);
    const fields: Field[] = [HOST, ["transfer-encoding", "Chunked"], ["expect", "100-Continue"]];
    assert.equal(eye.look(request(fields)), null);
    assert.deepEqual([eye.bodyBytes, eye.expectContinue, eye.upgrade], [-1, true, null]);
    const upgrade: Field[] = [HOST, ["connection", "close, upgrade"], ["upgrade", "websocket"]];
    assert.equal(eye.look(request(upgrade)), null);
    assert.deepEqual([eye.bodyBytes, eye.wantsClose, eye.upgrade], [0, true, "websocket"]);
    assert.equal(eye.uwsCloses, false);
    const h2c: Field[] = [HOST, ["connection", "upgrade"], ["upgrade", "h2c"]];
    assert.equal(eye.look(request(h2c)), null);
    assert.equal(eye.upgrade, null);
  });

  test("knows when uWS closes by itself: it takes any five letters for close", () => {
    const eye = guard();
    for (const value of ["close", "abcde"]) {
      assert.equal(eye.look(request([HOST, ["connection", value]])), null);
      assert.deepEqual([eye.wantsClose, eye.uwsCloses], [true, true]);
    }
    assert.equal(eye.look(request([HOST])), null);
    assert.deepEqual([eye.wantsClose, eye.uwsCloses], [false, false]);
    assert.equal(eye.look(request([["connection", "close"]])), "hostMissing");
    assert.equal(eye.uwsCloses, true);
  });

  const refused: readonly (readonly [string, string, readonly Field[]])[] = [
    [
      "contentLengthRepeated",
      "two lengths",
      [
        ["content-length", "1"],
        ["content-length", "1"],
      ],
    ],
    ["contentLengthInvalid", "an empty length", [["content-length", ""]]],
    ["contentLengthInvalid", "a signed length", [["content-length", "+1"]]],
    ["contentLengthInvalid", "a hexadecimal length", [["content-length", "0x1"]]],
    ["contentLengthInvalid", "a huge length", [["content-length", "99999999999999999999"]]],
    ["transferEncodingInvalid", "identity", [["transfer-encoding", "identity"]]],
    ["transferEncodingInvalid", "xchunked", [["transfer-encoding", "xchunked"]]],
    [
      "transferEncodingInvalid",
      "chunked twice",
      [
        ["transfer-encoding", "chunked"],
        ["transfer-encoding", "chunked"],
      ],
    ],
    ["transferEncodingUnsupported", "gzip", [["transfer-encoding", "gzip, chunked"]]],
    [
      "contentLengthWithTransferEncoding",
      "both framings",
      [
        ["content-length", "1"],
        ["transfer-encoding", "chunked"],
      ],
    ],
    ["hostRepeated", "two hosts", [["host", "b"]]],
    ["nameEmpty", "a field without a name", [["", "x"]]],
    ["nameInvalid", "a blank in a name", [["x y", "x"]]],
    ["valueInvalid", "a control byte", [["x", "a\u0001"]]],
    ["valueInvalid", "bytes that were no UTF-8", [["x", "a\ufffdb"]]],
  ];
  for (const [code, name, fields] of refused) {
    test(`refuses ${name}`, () => assert.equal(fault(...fields), code));
  }

  test("refuses no host, hosts that are none, and targets that are none", () => {
    assert.equal(guard().look(request([])), "hostMissing");
    assert.equal(guard().look(request([["host", "a b"]])), "hostInvalid");
    assert.equal(guard().look(request([HOST], "/a b")), "targetInvalid");
    assert.equal(guard().look(request([HOST], "/a#b")), "fragmentInTarget");
    assert.equal(guard().look(request([HOST], "/\u00e9")), "targetInvalid");
    assert.equal(guard().look(request([HOST], "/", "G T")), "methodInvalid");
  });

  test("gives bytes above 0x7f back as the latin1 they came as", () => {
    const eye = guard();
    assert.equal(eye.look(request([HOST, ["x", "a\u00e9"]])), null);
    assert.equal(eye.headers.get("x"), "a\u00c3\u00a9");
  });

  test("keeps the limits of count and size", () => {
    const many = [HOST, ["a", "1"], ["b", "2"]] as const;
    assert.equal(guard(3).look(request(many)), null);
    assert.equal(guard(2).look(request(many)), "headersTooMany");
    assert.equal(guard(9, 50).look(request([HOST, ["a", "x".repeat(50)]])), "headersTooLarge");
  });

  test("forgets the fault of the request before", () => {
    const eye = guard();
    assert.equal(eye.look(request([])), "hostMissing");
    assert.equal(eye.look(request([HOST])), null);
  });
});
