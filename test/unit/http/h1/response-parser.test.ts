import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseParser } from "../../../../src/http/h1/response-parser.ts";
import type { ResponseHead } from "../../../../src/http/h1/types.ts";
import { EventLog, feed } from "../../../harness/h1-events.ts";
import { MALFORMED_RESPONSES } from "./malformed-responses.ts";

const LIMITS = { headBytesMax: 61_440, headersCountMax: 100 };

function start(method: "HEAD" | "GET" = "GET"): [ResponseParser, EventLog<ResponseHead>] {
  const log = new EventLog<ResponseHead>();
  const parser = new ResponseParser(LIMITS, log);
  parser.expect(method === "HEAD");
  return [parser, log];
}

function parse(text: string, method: "HEAD" | "GET" = "GET"): EventLog<ResponseHead> {
  const [parser, log] = start(method);
  feed(parser, log, text.replaceAll("$", "\r\n"));
  return log;
}

for (const [bytes, code] of MALFORMED_RESPONSES) {
  const shown = JSON.stringify(bytes.length > 120 ? `${bytes.substring(0, 120)}...` : bytes);
  test(`${shown} is refused as ${code}`, () => {
    assert.match(parse(bytes).lines.at(-1) ?? "", new RegExp(`^error ${code} `));
  });
  test(`${shown} byte by byte is refused as ${code}`, () => {
    const text = bytes.replaceAll("$", "\r\n");
    const [parser, log] = start();
    const cuts = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
    feed(parser, log, text, cuts);
    assert.match(log.lines.at(-1) ?? "", new RegExp(`^error ${code} `));
  });
}

test("the table of malformed responses is as large as it should be", () => {
  assert.ok(MALFORMED_RESPONSES.length >= 25);
});

test("a response becomes :status and lower-case names, host among them", () => {
  const log = parse("HTTP/1.1 404 Not Found$Server: x$Host: y$Content-Length: 2$$ab");
  const head = log.heads[0];
  assert.deepEqual(head?.headers.entries(), [
    [":status", "404"],
    ["server", "x"],
    ["host", "y"],
    ["content-length", "2"],
  ]);
  assert.equal(head?.status, 404);
  assert.equal(head?.framing, "length");
  assert.equal(head?.keepAlive, true);
  assert.equal(log.body, "ab");
});

test("the reason may be empty, missing, or hold bytes above ASCII", () => {
  for (const line of [
    "HTTP/1.1 200 ",
    "HTTP/1.1 200",
    "HTTP/1.0 200 \xe4\t x",
    "HTTP/1.1 200 O K",
  ]) {
    assert.equal(parse(`${line}$Content-Length: 0$$`).heads[0]?.status, 200, line);
  }
});

test("interim responses are heads of their own before the final one", () => {
  const log = parse(
    "HTTP/1.1 100 Continue$$HTTP/1.1 103 Early Hints$Link: a$$HTTP/1.1 200 OK$Content-Length: 1$$x",
  );
  assert.deepEqual(
    log.heads.map((head) => head.status),
    [100, 103, 200],
  );
  assert.equal(log.ends, 1);
  assert.equal(log.body, "x");
});

test("a connection that ends after an interim response cuts the message short", () => {
  const [parser, log] = start();
  feed(parser, log, "HTTP/1.1 100 Continue\r\n\r\n");
  assert.equal(parser.midMessage, true);
  assert.equal(parser.finish(), false);
});

test("204, 304 and answers to HEAD have no body, whatever their fields say", () => {
  const rows: [string, "HEAD" | "GET"][] = [
    ["HTTP/1.1 204 No Content$$", "GET"],
    ["HTTP/1.1 204 No Content$Content-Length: 0$$", "GET"],
    ["HTTP/1.1 304 Not Modified$Content-Length: 5$$", "GET"],
    ["HTTP/1.1 200 OK$Content-Length: 5$$", "HEAD"],
    ["HTTP/1.1 200 OK$Transfer-Encoding: chunked$$", "HEAD"],
    ["HTTP/1.1 200 OK$$", "HEAD"],
  ];
  for (const [text, method] of rows) {
    const log = parse(text, method);
    assert.equal(log.heads[0]?.framing, "none", text);
    assert.equal(log.heads[0]?.keepAlive, true, text);
    assert.equal(log.ends, 1, text);
  }
});

test("HEAD holds for one expectation only", () => {
  const [parser, log] = start("HEAD");
  feed(parser, log, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  parser.expect(false);
  feed(parser, log, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  assert.equal(log.body, "hello");
  assert.equal(log.ends, 2);
});

test("a response without length or coding lasts until the connection ends", () => {
  const [parser, log] = start();
  feed(parser, log, "HTTP/1.1 200 OK\r\n\r\nhello");
  assert.equal(log.heads[0]?.framing, "close");
  assert.equal(log.heads[0]?.keepAlive, false);
  assert.equal(log.ends, 0);
  assert.equal(parser.finish(), true);
  assert.equal(log.ends, 1);
  assert.equal(log.body, "hello");
});

test("a chunked response with trailers ends behind them", () => {
  const log = parse("HTTP/1.1 200 OK$Transfer-Encoding: chunked$$3$abc$0$Grpc-Status: 0$$");
  assert.equal(log.body, "abc");
  assert.deepEqual(log.trailers[0]?.entries(), [["grpc-status", "0"]]);
});

test("the end of the connection inside of a body, chunk or trailer cuts the message short", () => {
  for (const text of [
    "HTTP/1.1 200 OK$Content-Length: 5$$abc",
    "HTTP/1.1 200 OK$Transfer-Encoding: chunked$$3$ab",
    "HTTP/1.1 200 OK$Transfer-Encoding: chunked$$3$abc$",
    "HTTP/1.1 200 OK$Transfer-Encoding: chunked$$0$",
    "HTTP/1.1 200 OK$A: b",
  ]) {
    const [parser, log] = start();
    feed(parser, log, text.replaceAll("$", "\r\n"));
    assert.equal(parser.finish(), false, text);
    assert.equal(parser.error?.code, "cutShort");
  }
});

test("a connection that ends between messages is in order", () => {
  const [parser, log] = start();
  assert.equal(parser.finish(), true);
  feed(parser, log, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  assert.equal(parser.midMessage, false);
  assert.equal(parser.finish(), true);
});
