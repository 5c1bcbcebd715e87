import assert from "node:assert/strict";
import { test } from "node:test";
import { H1_ERRORS } from "../../../../src/http/h1/errors.ts";
import { RequestParser } from "../../../../src/http/h1/request-parser.ts";
import type { RequestHead } from "../../../../src/http/h1/types.ts";
import { EventLog, feed } from "../../../harness/h1-events.ts";
import { MALFORMED_REQUESTS } from "./malformed-requests.ts";

const LIMITS = { headBytesMax: 61_440, headersCountMax: 100 };

function parse(text: string, cuts: number[] = []): EventLog<RequestHead> {
  const log = new EventLog<RequestHead>();
  const parser = new RequestParser(LIMITS, log, "http");
  feed(parser, log, text.replaceAll("$", "\r\n"), cuts);
  return log;
}

function headOf(text: string): RequestHead {
  const log = parse(text);
  assert.equal(log.heads.length, 1, log.lines.join("\n"));
  return log.heads[0] as RequestHead;
}

function everyCut(text: string): number[] {
  return Array.from({ length: text.length - 1 }, (_, i) => i + 1);
}

for (const [bytes, code, status] of MALFORMED_REQUESTS) {
  const shown = JSON.stringify(bytes.length > 120 ? `${bytes.substring(0, 120)}...` : bytes);
  test(`${shown} is refused as ${code}`, () => {
    assert.equal(parse(bytes).lines.at(-1), `error ${code} ${status}`);
  });
  test(`${shown} byte by byte is refused as ${code}`, () => {
    const text = bytes.replaceAll("$", "\r\n");
    assert.equal(parse(text, everyCut(text)).lines.at(-1), `error ${code} ${status}`);
  });
}

test("the table of malformed requests is as large as it should be", () => {
  assert.ok(MALFORMED_REQUESTS.length >= 80);
});

test("every refusal has a status a server may answer with, and details", () => {
  for (const row of Object.values(H1_ERRORS)) {
    assert.ok([400, 414, 431, 501, 505].includes(row.status));
    assert.match(row.details, /^[a-z0-9_.]+$/);
  }
});

test("a request becomes pseudo-headers and lower-case names in the order of the wire", () => {
  const head = headOf("GET /a?b HTTP/1.1$X-One: 1$HOST: a:80$x-two:\t 2 \t$X-One: 3$$");
  assert.deepEqual(head.headers.entries(), [
    [":authority", "a:80"],
    [":path", "/a?b"],
    [":method", "GET"],
    [":scheme", "http"],
    ["x-one", "1"],
    ["x-two", "2"],
    ["x-one", "3"],
  ]);
  assert.equal(head.version, 11);
  assert.equal(head.framing, "none");
  assert.equal(head.contentLength, -1);
  assert.equal(head.keepAlive, true);
  assert.equal(head.expectContinue, false);
  assert.equal(head.upgrade, null);
});

test("values keep bytes above ASCII as latin1, inner blanks and emptiness", () => {
  const head = headOf("GET / HTTP/1.1$Host: a$A: \xe4\xff$B: a  b\tc$C:$D: \t $$");
  assert.deepEqual(head.headers.entries().slice(4), [
    ["a", "\xe4\xff"],
    ["b", "a  b\tc"],
    ["c", ""],
    ["d", ""],
  ]);
});

test("one empty line before each request is passed over and is no part of a message", () => {
  const log = new EventLog<RequestHead>();
  const parser = new RequestParser(LIMITS, log, "http");
  const line = Buffer.from("\r\n");
  assert.equal(parser.execute(line, 0, 2), 2);
  assert.equal(parser.midMessage, false);
  assert.equal(parser.finish(), true);
  assert.equal(parse("$GET / HTTP/1.1$Host: a$$$GET /b HTTP/1.1$Host: a$$").ends, 2);
});

test("pipelined requests come one after the other, and the parser stops between them", () => {
  const log = new EventLog<RequestHead>();
  const parser = new RequestParser(LIMITS, log, "http");
  const first = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
  const bytes = Buffer.from(`${first}GET /2 HTTP/1.1\r\nHost: a\r\n\r\n`);
  log.buffer = bytes;
  assert.equal(parser.execute(bytes, 0, bytes.length), first.length);
  assert.equal(parser.execute(bytes, first.length, bytes.length), first.length);
  assert.equal(log.ends, 1);
  parser.startMessage();
  assert.equal(parser.execute(bytes, first.length, bytes.length), bytes.length);
  assert.deepEqual(
    log.heads.map((head) => head.headers.get(":path")),
    ["/1", "/2"],
  );
});

test("a callback may start the next message, and parsing goes on in the same call", () => {
  const log = new EventLog<RequestHead>();
  const parser: RequestParser = new RequestParser(
    LIMITS,
    {
      onHead: (head) => log.onHead(head),
      onBody: () => undefined,
      onTrailers: () => undefined,
      onMessageEnd: () => parser.startMessage(),
    },
    "http",
  );
  const bytes = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
  assert.equal(parser.execute(bytes, 0, bytes.length), bytes.length);
  assert.equal(log.heads.length, 3);
});

test("a chunked body loses its framing, and trailers that must not come late are dropped", () => {
  const log = parse(
    "POST / HTTP/1.1$Host: a$Transfer-Encoding: Chunked$$" +
      '5$hello$1;a;b=c;d = "e;\\"f";g$ $00005$world$0;last$' +
      "X-Sum: 1$Content-Length: 3$Host: b$Transfer-Encoding: x$Authorization: y$$",
  );
  assert.equal(log.heads[0]?.framing, "chunked");
  assert.equal(log.body, "hello world");
  assert.deepEqual(log.trailers[0]?.entries(), [["x-sum", "1"]]);
  assert.equal(log.lines.at(-1), "end");
});

test("trailers that are all dropped are not told", () => {
  const log = parse("POST / HTTP/1.1$Host: a$Transfer-Encoding: chunked$$0$Host: b$$");
  assert.equal(log.trailers.length, 0);
  assert.equal(log.ends, 1);
});

test("a body with a length is delivered in pieces and ends exactly", () => {
  const text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello";
  const log = parse(text, everyCut(text));
  assert.equal(log.heads[0]?.contentLength, 5);
  assert.equal(log.body, "hello");
  assert.equal(log.lines.at(-1), "end");
});

test("a length of zero ends the message at once", () => {
  const log = parse("POST / HTTP/1.1$Host: a$Content-Length: 0$$");
  assert.equal(log.heads[0]?.framing, "length");
  assert.equal(log.ends, 1);
});

test("keep-alive follows version and connection", () => {
  const rows: [string, boolean][] = [
    ["HTTP/1.1$Host: a$$", true],
    ["HTTP/1.1$Host: a$Connection: close$$", false],
    ["HTTP/1.1$Host: a$Connection: x, Close $$", false],
    ["HTTP/1.1$Host: a$Connection: keep-alive$Connection: close$$", false],
    ["HTTP/1.0$Host: a$$", false],
    ["HTTP/1.0$Host: a$Connection: Keep-Alive$$", true],
    ["HTTP/1.0$$", false],
  ];
  for (const [rest, keepAlive] of rows) {
    assert.equal(headOf(`GET / ${rest}`).keepAlive, keepAlive, rest);
  }
});

test("Expect: 100-continue counts in HTTP/1.1 only", () => {
  assert.equal(headOf("PUT / HTTP/1.1$Host: a$Expect: 100-Continue$$").expectContinue, true);
  assert.equal(headOf("PUT / HTTP/1.0$Host: a$Expect: 100-continue$$").expectContinue, false);
  assert.equal(headOf("PUT / HTTP/1.1$Host: a$Expect: other$$").expectContinue, false);
});

test("an upgrade counts only when connection names it; CONNECT is one", () => {
  const upgrade = "GET / HTTP/1.1$Host: a$Upgrade: websocket$";
  assert.equal(headOf(`${upgrade}Connection: keep-alive, Upgrade$$`).upgrade, "websocket");
  assert.equal(headOf(`${upgrade}$`).upgrade, null);
  const h2c = "Upgrade: H2C$HTTP2-Settings: AAMAAABk$Connection: Upgrade, HTTP2-Settings$";
  assert.equal(headOf(`GET / HTTP/1.1$Host: a$${h2c}$`).upgrade, null);
  const connect = headOf("CONNECT b:443 HTTP/1.1$Host: a$$");
  assert.equal(connect.upgrade, "connect");
  assert.equal(connect.headers.get(":authority"), "b:443");
  assert.equal(connect.headers.get(":path"), "");
});

test("the authority of an absolute target wins over Host", () => {
  const rows: [string, string, string, string][] = [
    ["GET http://b/c?d", "b", "/c?d", "http"],
    ["GET HTTPS://b:8/", "b:8", "/", "https"],
    ["GET http://b", "b", "/", "http"],
    ["GET http://b?c", "b", "/?c", "http"],
    ["GET http://[::1]:80/x", "[::1]:80", "/x", "http"],
    ["OPTIONS http://b", "b", "*", "http"],
    ["OPTIONS *", "a", "*", "http"],
    ["GET //c", "a", "//c", "http"],
  ];
  for (const [line, authority, path, scheme] of rows) {
    const { headers } = headOf(`${line} HTTP/1.1$Host: a$$`);
    assert.equal(headers.get(":authority"), authority, line);
    assert.equal(headers.get(":path"), path, line);
    assert.equal(headers.get(":scheme"), scheme, line);
  }
});

test("good hosts are accepted, an empty one and none in HTTP/1.0 among them", () => {
  for (const host of ["", "a", "a.b-c_d~e:1", "[::1]", "[::1]:65535", "127.0.0.1:", "%41"]) {
    const { headers } = headOf(`GET / HTTP/1.1$Host: ${host}$$`);
    assert.equal(headers.get(":authority"), host);
  }
  assert.equal(headOf("GET / HTTP/1.0$$").headers.get(":authority"), "");
});

test("any token is a method", () => {
  for (const method of ["get", "PURGE", "M-SEARCH", "GEX", "!#$%&'*+-.^_`|~1"]) {
    const log = new EventLog<RequestHead>();
    const parser = new RequestParser(LIMITS, log, "http");
    feed(parser, log, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal(log.heads[0]?.headers.get(":method"), method);
  }
});

test("a head of exactly the limit passes, one byte more does not", () => {
  const start = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
  const fit = `${start}${"b".repeat(61_440 - start.length - 4)}\r\n\r\n`;
  assert.equal(fit.length, 61_440);
  assert.equal(parse(fit).ends, 1);
  assert.equal(parse(fit, [100, 40_000]).ends, 1);
  const over = fit.replace("A: ", "A: b");
  assert.equal(parse(over).lines.at(-1), "error headersTooLarge 431");
  assert.equal(parse(over, [100, 40_000]).lines.at(-1), "error headersTooLarge 431");
});

test("a connection that ends inside of a message cuts it short", () => {
  const log = new EventLog<RequestHead>();
  const parser = new RequestParser(LIMITS, log, "http");
  const bytes = Buffer.from("GET / HTT");
  parser.execute(bytes, 0, bytes.length);
  assert.equal(parser.midMessage, true);
  assert.equal(parser.finish(), false);
  assert.equal(parser.error?.code, "cutShort");
});

test("after an error nothing is parsed any more", () => {
  const log = new EventLog<RequestHead>();
  const parser = new RequestParser(LIMITS, log, "http");
  const bytes = Buffer.from("\0GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(parser.execute(bytes, 0, bytes.length), -1);
  parser.startMessage();
  assert.equal(parser.execute(bytes, 1, bytes.length), -1);
  assert.equal(log.heads.length, 0);
});

test("heads that are split at the same time on two connections do not mix", () => {
  const logs = [new EventLog<RequestHead>(), new EventLog<RequestHead>()];
  const parsers = logs.map((log) => new RequestParser(LIMITS, log, "http"));
  const texts = ["a", "b"].map((name) => `GET /${name} HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
  for (let i = 0; i < (texts[0] as string).length; i++) {
    parsers.forEach((parser, n) => {
      parser.execute(Buffer.from((texts[n] as string).charAt(i)), 0, 1);
    });
  }
  assert.deepEqual(
    logs.map((log) => log.heads[0]?.headers.get(":path")),
    ["/a", "/b"],
  );
});
