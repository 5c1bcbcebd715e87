import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RequestParser } from "../../src/http/h1/request-parser.ts";
import { ResponseParser } from "../../src/http/h1/response-parser.ts";
import { serialiseRequestHead } from "../../src/http/h1/serialise.ts";
import type { RequestHead, ResponseHead } from "../../src/http/h1/types.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { EventLog, feed } from "../harness/h1-events.ts";

const SEED = { seed: 20_261_123, numRuns: 400 };
const LIMITS = { headBytesMax: 4_096, headersCountMax: 20 };

const tokenChar = fc.constantFrom(..."abcXYZ019-_!#$%&'*+.^`|~");
const name = fc.string({ unit: tokenChar, minLength: 1, maxLength: 12 }).map((text) => `X${text}`);
const valueChar = fc.constantFrom(...'ab \t,;:="\\/<>\x80\xe4\xff{}');
const value = fc.string({ unit: valueChar, maxLength: 20 });
const field = fc.tuple(name, value).map(([n, v]) => `${n}: ${v}\r\n`);
const fields = fc.array(field, { maxLength: 6 }).map((lines) => lines.join(""));
const body = fc.string({ unit: fc.constantFrom(..."ab\r\n0\0\xff;:"), maxLength: 60 });
const extension = fc.constantFrom("", ";a", ";a=b", ' ; a = "\\"x" ;c');

const chunked = fc
  .tuple(fc.array(fc.tuple(body, extension), { maxLength: 4 }), fields)
  .map(([chunks, trailers]) => {
    const framed = chunks
      .filter(([data]) => data.length > 0)
      .map(([data, ext]) => `${data.length.toString(16)}${ext}\r\n${data}\r\n`);
    return `Transfer-Encoding: chunked\r\n\r\n${framed.join("")}0\r\n${trailers}\r\n`;
  });
const sized = body.map((data) => `Content-Length: ${data.length}\r\n\r\n${data}`);
const rest = fc.oneof(chunked, sized, fc.constant("\r\n"));

const request = fc
  .tuple(fc.constantFrom("", "\r\n"), fc.constantFrom("GET", "POST", "x-y"), fields, rest)
  .map(
    ([lead, method, lines, end]) => `${lead}${method} /a?b HTTP/1.1\r\nHost: a\r\n${lines}${end}`,
  );
const requests = fc.array(request, { minLength: 1, maxLength: 3 }).map((list) => list.join(""));
const response = fc
  .tuple(fc.boolean(), fields, fc.oneof(chunked, sized))
  .map(([interim, lines, end]) => {
    const before = interim ? "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" : "";
    return `${before}HTTP/1.1 200 OK\r\n${lines}${end}`;
  });
const cuts = fc.array(fc.nat(2_000), { maxLength: 12 });

function cutsWithin(text: string, wild: readonly number[]): number[] {
  const offsets = wild.map((cut) => cut % (text.length + 1)).filter((cut) => cut > 0);
  return [...new Set(offsets)].sort((a, b) => a - b);
}

function requestLines(text: string, at: readonly number[] = []): EventLog<RequestHead> {
  const log = new EventLog<RequestHead>();
  feed(new RequestParser(LIMITS, log, "http"), log, text, at);
  return log;
}

function responseLines(text: string, at: readonly number[] = []): EventLog<ResponseHead> {
  const log = new EventLog<ResponseHead>();
  feed(new ResponseParser(LIMITS, log), log, text, at);
  return log;
}

/** Independent of the parser: what no delivered head may contain. */
function assertClean(headers: HeaderMap): void {
  for (const [headerName, headerValue] of headers.entries()) {
    assert.match(headerName, /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/);
    assert.match(
      headerValue,
      /^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/,
    );
  }
}

/** A second, slow and simple opinion about the framing of a head that was accepted. */
function assertFraming(head: RequestHead): void {
  const all = head.headers.entries();
  const lengths = all.filter(([key]) => key === "content-length").map(([, text]) => text);
  const codings = all.filter(([key]) => key === "transfer-encoding").map(([, text]) => text);
  if (codings.length > 0) {
    assert.deepEqual([codings.map((coding) => coding.toLowerCase()), lengths], [["chunked"], []]);
    assert.equal(head.framing, "chunked");
  } else if (lengths.length > 0) {
    assert.equal(lengths.length, 1);
    assert.match(lengths[0] as string, /^[0-9]+$/);
    assert.equal(BigInt(lengths[0] as string), BigInt(head.contentLength));
  } else {
    assert.equal(head.framing, "none");
  }
  assert.equal(all.filter(([key]) => key === "host").length, 0);
}

test("requests say the same in one piece and in any pieces", () => {
  fc.assert(
    fc.property(requests, cuts, (text, wild) => {
      const whole = requestLines(text);
      assert.equal(whole.lines.at(-1), "end");
      assert.deepEqual(requestLines(text, cutsWithin(text, wild)).lines, whole.lines);
    }),
    SEED,
  );
});

test("responses say the same in one piece and in any pieces", () => {
  fc.assert(
    fc.property(response, cuts, (text, wild) => {
      const whole = responseLines(text);
      assert.equal(whole.lines.at(-1), "end");
      assert.deepEqual(responseLines(text, cutsWithin(text, wild)).lines, whole.lines);
    }),
    SEED,
  );
});

const mutation = fc.record({
  at: fc.nat(2_000),
  remove: fc.nat(3),
  insert: fc.constantFrom(
    "",
    "\r",
    "\n",
    "\r\n",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    "0",
    "-",
    "\x7f",
    "\xff",
    "#",
  ),
});

function mutated(text: string, list: readonly { at: number; remove: number; insert: string }[]) {
  return list.reduce((before, { at, remove, insert }) => {
    const from = at % (before.length + 1);
    return before.substring(0, from) + insert + before.substring(from + remove);
  }, text);
}

test("damaged requests never throw, and what is accepted is clean", () => {
  fc.assert(
    fc.property(requests, fc.array(mutation, { minLength: 1, maxLength: 4 }), (text, list) => {
      const log = requestLines(mutated(text, list));
      for (const head of log.heads) {
        assertClean(head.headers);
        assertFraming(head);
      }
      for (const trailers of log.trailers) assertClean(trailers);
    }),
    { ...SEED, numRuns: 1_500 },
  );
});

test("damaged requests are refused at the same place in any pieces", () => {
  fc.assert(
    fc.property(requests, fc.array(mutation, { minLength: 1, maxLength: 2 }), cuts, (...args) => {
      const text = mutated(args[0], args[1]);
      const whole = requestLines(text);
      const pieces = requestLines(text, cutsWithin(text, args[2]));
      // Bytes of a line that has no end yet may wait for it before they are looked at.
      if (whole.lines.at(-1)?.startsWith("error") && !pieces.lines.at(-1)?.startsWith("error")) {
        whole.lines.pop();
      }
      assert.deepEqual(pieces.lines, whole.lines);
    }),
    { ...SEED, numRuns: 1_500 },
  );
});

test("damaged responses never throw, and what is accepted is clean", () => {
  fc.assert(
    fc.property(response, fc.array(mutation, { minLength: 1, maxLength: 4 }), (text, list) => {
      const log = responseLines(mutated(text, list));
      for (const head of log.heads) assertClean(head.headers);
      for (const trailers of log.trailers) assertClean(trailers);
    }),
    { ...SEED, numRuns: 1_500 },
  );
});

test("arbitrary bytes never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString("latin1");
      requestLines(text);
      responseLines(text);
      requestLines(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${text}`);
    }),
    SEED,
  );
});

test("whatever stands in a header map, one request goes out and reads back clean", () => {
  const wild = fc.string({ unit: fc.constantFrom(..."aB \r\n\0:\xe4/"), maxLength: 8 });
  const pairs = fc.array(fc.tuple(wild, wild), { maxLength: 6 });
  fc.assert(
    fc.property(wild, wild, pairs, (path, authority, list) => {
      const headers = HeaderMap.of([
        [":authority", authority],
        [":path", `/${path}`],
        [":method", "GET"],
        ...list,
      ]);
      const wire = Buffer.from(serialiseRequestHead(headers, "none"), "latin1").toString("latin1");
      const log = requestLines(wire);
      assert.ok(log.heads.length <= 1);
      assert.ok(log.ends === 1 || log.lines.at(-1)?.startsWith("error"), wire);
      assert.equal(wire.indexOf("\r\n\r\n"), wire.length - 4);
    }),
    { ...SEED, numRuns: 1_500 },
  );
});
