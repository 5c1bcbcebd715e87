/**
 * The guard of uWS and our own parser must be of one mind about any head that uWS can deliver: what
 * the parser refuses the guard refuses, and what both let in has the same fields and framing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RequestParser } from "../../src/http/h1/request-parser.ts";
import type { RequestHead } from "../../src/http/h1/types.ts";
import { UwsGuard } from "../../src/silo/downstream/uws-guard.ts";
import type { UwsRequest } from "../../src/silo/downstream/uws-library.ts";
import { EventLog, feed } from "../harness/h1-events.ts";

const SEED = { seed: 20_261_125, numRuns: 3_000 };
const LIMITS = { headBytesMax: 4_096, headersCountMax: 8 };

const word = (letters: string) => fc.string({ unit: fc.constantFrom(...letters), maxLength: 8 });
const values = {
  host: fc.constantFrom("a", "a:1", "", "a b", "u@a", "[::1]:8", "a:x", "b"),
  "content-length": fc.constantFrom(
    "0",
    "5",
    "05",
    "+5",
    "-1",
    "5, 5",
    "",
    "0x5",
    "99999999999999999",
  ),
  "transfer-encoding": fc.constantFrom(
    "chunked",
    "Chunked",
    "gzip, chunked",
    "identity",
    "xchunked",
    "chunked,",
    "",
  ),
  connection: fc.constantFrom("close", "keep-alive", "upgrade", "Upgrade, close", ", ,", "x, h2c"),
  upgrade: fc.constantFrom("websocket", "h2c", "H2C"),
  expect: fc.constantFrom("100-continue", "100-Continue", "more"),
} as const;
const known = fc
  .constantFrom(...(Object.keys(values) as (keyof typeof values)[]))
  .chain((name) => values[name].map((value): [string, string] => [name, value]));
/** What is left of any bytes when uWS has lower-cased names and trimmed values. */
const other = fc.tuple(
  word("abz019-_!#()x:; \x00\x7f").filter((name) => !/[:]/.test(name)),
  word('ab \t,;:="\\\x00\x01\x7f\n').map((value) => value.trim()),
);
const fields = fc.array(fc.oneof({ weight: 3, arbitrary: known }, other), { maxLength: 10 });
/** Most heads are to be good ones, or nothing but refusals would be compared. */
const withHost = fc
  .tuple(fc.boolean(), fields)
  .map(([host, list]) => (host ? [["host", "a"] as [string, string], ...list] : list));
const method = fc.constantFrom("GET", "POST", "get", "X-Y", "G(T", "OPTIONS");
const target = fc.constantFrom("/", "/a?b", "/a?", "/a#b", "/\x01", "/a?b?c", "http://b/c", "*");

function requestOf(verb: string, raw: string, list: readonly [string, string][]): UwsRequest {
  const mark = raw.indexOf("?");
  return {
    getCaseSensitiveMethod: () => verb,
    getUrl: () => (mark < 0 ? raw : raw.slice(0, mark)),
    getQuery: () => (mark < 0 ? undefined : raw.slice(mark + 1)),
    getHeader: (wanted) => list.find(([name]) => name === wanted)?.[1] ?? "",
    forEach: (visit) => {
      for (const [name, value] of list) visit(name, value);
    },
  };
}

test("guard and parser let in the same heads, with the same fields and framing", () => {
  const guard = new UwsGuard(LIMITS, "http");
  let accepted = 0;
  fc.assert(
    fc.property(method, target, withHost, (verb, raw, list) => {
      const lines = list.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const log = new EventLog<RequestHead>();
      feed(new RequestParser(LIMITS, log, "http"), log, `${verb} ${raw} HTTP/1.1\r\n${lines}\r\n`);
      const [head] = log.heads;
      const fault = guard.look(requestOf(verb, raw, list));
      assert.equal(fault === null, head !== undefined, `${fault}: ${log.lines.join()}`);
      if (head === undefined) return;
      accepted++;
      assert.deepEqual(guard.headers.entries(), head.headers.entries());
      const bytes = head.framing === "chunked" ? -1 : Math.max(head.contentLength, 0);
      assert.equal(guard.bodyBytes, bytes);
      assert.equal(guard.upgrade, head.upgrade);
      assert.equal(guard.expectContinue, head.expectContinue);
      assert.equal(!guard.wantsClose || guard.uwsCloses, head.keepAlive || guard.uwsCloses);
    }),
    SEED,
  );
  assert.ok(accepted > SEED.numRuns / 20, `${accepted} heads were let in`);
});
