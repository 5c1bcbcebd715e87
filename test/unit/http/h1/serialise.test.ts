import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestParser } from "../../../../src/http/h1/request-parser.ts";
import {
  chunkHead,
  contentLengthOf,
  isValidHeaderName,
  isValidHeaderValue,
  requestFraming,
  responseFraming,
  serialiseRequestHead,
  serialiseResponseHead,
  serialiseTrailers,
} from "../../../../src/http/h1/serialise.ts";
import type { RequestHead } from "../../../../src/http/h1/types.ts";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { EventLog, feed } from "../../../harness/h1-events.ts";

const REQUEST: [string, string][] = [
  [":authority", "a:80"],
  [":path", "/x?y"],
  [":method", "POST"],
  [":scheme", "http"],
];
const request = (...fields: [string, string][]): HeaderMap => HeaderMap.of([...REQUEST, ...fields]);
const response = (...fields: [string, string][]): HeaderMap =>
  HeaderMap.of([[":status", "200"], ...fields]);

test("a request head has the request line, host and the fields in order", () => {
  assert.equal(
    serialiseRequestHead(request(["accept", "*/*"], ["content-length", "3"]), "length"),
    "POST /x?y HTTP/1.1\r\nhost: a:80\r\naccept: */*\r\ncontent-length: 3\r\n\r\n",
  );
});

test("CONNECT names the authority as its target", () => {
  const headers = HeaderMap.of([
    [":authority", "b:443"],
    [":path", ""],
    [":method", "CONNECT"],
  ]);
  assert.equal(
    serialiseRequestHead(headers, "none"),
    "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n",
  );
});

test("chunked framing takes the place of a content-length", () => {
  assert.equal(
    serialiseRequestHead(request(["content-length", "3"]), "chunked"),
    "POST /x?y HTTP/1.1\r\nhost: a:80\r\ntransfer-encoding: chunked\r\n\r\n",
  );
});

test("a bad content-length goes out as 0, a repeated one once", () => {
  for (const bad of ["x", "", "-1", "1\r\nA: b"]) {
    assert.match(
      serialiseRequestHead(request(["content-length", bad]), "length"),
      /\r\ncontent-length: 0\r\n\r\n$/,
    );
  }
  assert.equal(
    serialiseRequestHead(request(["content-length", "1"], ["content-length", "2"]), "length"),
    "POST /x?y HTTP/1.1\r\nhost: a:80\r\ncontent-length: 1\r\n\r\n",
  );
});

test("fields about the connection and a second host stay behind", () => {
  const headers = request(
    ["connection", "x"],
    ["keep-alive", "1"],
    ["proxy-connection", "1"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "x"],
    ["host", "evil"],
    ["te", "trailers"],
  );
  assert.equal(
    serialiseRequestHead(headers, "none"),
    "POST /x?y HTTP/1.1\r\nhost: a:80\r\nte: trailers\r\n\r\n",
  );
});

test("no CR, LF or NUL of a name, value, path, method or authority goes out", () => {
  const evil = ["\r\n", "\n", "\r", "\0"];
  for (const mark of evil) {
    const headers = HeaderMap.of([
      [":authority", `a${mark}b`],
      [":path", `/${mark}`],
      [":method", `G${mark}T`],
      ["a", `b${mark}c: d`],
      [`e${mark}f`, "g"],
      ["ok", "1"],
    ]);
    const text = serialiseRequestHead(headers, "none");
    const wire = Buffer.from(text, "latin1").toString("latin1");
    assert.equal(wire.split("\r\n").length, 5, JSON.stringify(wire));
    assert.ok(!/[\0]|\r(?!\n)|(?<!\r)\n/.test(wire), JSON.stringify(wire));
    assert.match(wire, /\r\nok: 1\r\n/);
    const status = HeaderMap.of([
      [":status", `200${mark}`],
      ["a", `b${mark}`],
    ]);
    const options = { version10: false, connection: null, framing: "none" } as const;
    const answer = Buffer.from(serialiseResponseHead(status, options), "latin1").toString("latin1");
    assert.match(answer, /^HTTP\/1\.1 \d{3} [A-Za-z ]+\r\n\r\n$/);
  }
});

test("a response head has status, fields, framing and connection", () => {
  const headers = response(["server", "x"], ["content-length", "2"]);
  assert.equal(
    serialiseResponseHead(headers, { version10: false, connection: "close", framing: "length" }),
    "HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n",
  );
  assert.equal(
    serialiseResponseHead(response(), {
      version10: true,
      connection: "keep-alive",
      framing: "length",
    }),
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n",
  );
  assert.equal(
    serialiseResponseHead(HeaderMap.of([[":status", "598"]]), {
      version10: false,
      connection: null,
      framing: "chunked",
    }),
    "HTTP/1.1 598 Unknown\r\ntransfer-encoding: chunked\r\n\r\n",
  );
});

test("a response without a body keeps the length that tells about it, except 1xx and 204", () => {
  const options = { version10: false, connection: null, framing: "none" } as const;
  const text = (status: string): string =>
    serialiseResponseHead(
      HeaderMap.of([
        [":status", status],
        ["content-length", "5"],
      ]),
      options,
    );
  assert.match(text("304"), /content-length: 5/);
  assert.match(text("200"), /content-length: 5/);
  assert.doesNotMatch(text("204"), /content-length/);
  assert.doesNotMatch(text("103"), /content-length/);
});

test("framing of a request follows length, body and method", () => {
  assert.equal(requestFraming(request(["content-length", "0"]), true), "length");
  assert.equal(requestFraming(request(), false), "chunked");
  assert.equal(requestFraming(request(), true), "length");
  assert.equal(requestFraming(HeaderMap.of([[":method", "GET"]]), true), "none");
});

test("framing of a response follows status, method, version and length", () => {
  const facts = { requestMethodIsHead: false, version10: false, endStream: false };
  const none = response();
  assert.equal(responseFraming(200, none, facts), "chunked");
  assert.equal(responseFraming(200, none, { ...facts, version10: true }), "close");
  assert.equal(responseFraming(200, none, { ...facts, endStream: true }), "length");
  assert.equal(responseFraming(200, none, { ...facts, requestMethodIsHead: true }), "none");
  assert.equal(responseFraming(200, response(["content-length", "1"]), facts), "length");
  for (const status of [100, 103, 204, 304]) {
    assert.equal(responseFraming(status, none, facts), "none");
  }
});

test("content-length is a number, absent or invalid", () => {
  assert.equal(contentLengthOf(request()), -1);
  assert.equal(contentLengthOf(request(["content-length", "12"])), 12);
  assert.equal(contentLengthOf(request(["content-length", "+1"])), -2);
  assert.equal(contentLengthOf(request(["content-length", "1"], ["content-length", "1"])), -2);
});

test("chunks and trailers are framed in hexadecimal", () => {
  assert.equal(chunkHead(255), "ff\r\n");
  assert.equal(serialiseTrailers(HeaderMap.of([["x", "1"]])), "0\r\nx: 1\r\n\r\n");
  assert.equal(serialiseTrailers(new HeaderMap()), "0\r\n\r\n");
});

test("names and values are checked by RFC 9110", () => {
  for (const name of ["a", "x-1_~"]) assert.equal(isValidHeaderName(name), true);
  for (const name of ["", "A", "a b", ":path", "a:", "a\n", "\xe4", "\u0161"]) {
    assert.equal(isValidHeaderName(name), false, JSON.stringify(name));
  }
  for (const value of ["", "a b\t", "\xe4"]) assert.equal(isValidHeaderValue(value), true);
  for (const value of ["\n", "a\r", "\0", "\x1f", "\x7f", "\u010a"]) {
    assert.equal(isValidHeaderValue(value), false, JSON.stringify(value));
  }
});

test("what the serialiser writes the parser reads back", () => {
  const log = new EventLog<RequestHead>();
  const parser = new RequestParser({ headBytesMax: 9_999, headersCountMax: 9 }, log, "http");
  const headers = request(["a", "b"], ["c", "\xe4"], ["content-length", "0"]);
  feed(parser, log, serialiseRequestHead(headers, "length"));
  assert.deepEqual(log.heads[0]?.headers.entries(), headers.entries());
});
