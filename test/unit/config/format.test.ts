import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DEFAULT_ACCESS_LOG_FORMAT, parseFormat } from "../../../src/config/format.ts";
import { FORMAT_OPERATORS } from "../../../src/config/format-operators.ts";
import type { Format } from "../../../src/config/types.ts";

function tokens(source: string): Format {
  const read = parseFormat(source);
  assert.ok("format" in read, JSON.stringify(read));
  return read.format;
}

describe("substitution formats", () => {
  test("text and operators alternate, names of headers become lower-case", () => {
    assert.deepEqual(tokens("a%REQ(X-A?:PATH):12%b%%c"), [
      { kind: "text", text: "a" },
      { kind: "operator", name: "REQ", argument: "x-a?:path", lengthMax: 12 },
      { kind: "text", text: "b%c" },
    ]);
  });

  test("a time format may hold percent signs", () => {
    assert.deepEqual(tokens("%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%"), [
      { kind: "operator", name: "START_TIME", argument: "%Y-%m-%dT%H:%M:%S.%3fZ", lengthMax: -1 },
    ]);
  });

  test("what never changes becomes text", () => {
    assert.deepEqual(tokens("%HOSTNAME%:%ENVIRONMENT(GRANARY_NOT_SET)%"), [
      { kind: "text", text: `${hostname()}:-` },
    ]);
  });

  test("Envoy's default line parses", () => {
    const names = tokens(DEFAULT_ACCESS_LOG_FORMAT).map((t) => (t.kind === "text" ? "" : t.name));
    assert.equal(names.filter((name) => name === "REQ").length, 6);
    assert.equal(names.filter((name) => name !== "").length, 15);
  });

  for (const [source, words] of [
    ["%NOPE%", "not an operator"],
    ["100%", "no operator begins"],
    ["%REQ(a%", "no operator begins"],
    ["%REQ%", "needs an argument"],
    ["%REQ(a?b?c)%", "at most one alternative"],
    ["%REQ()%", "not a header name"],
    ["%PROTOCOL(x)%", "takes no argument"],
    ["%START_TIME(%s):3%", "takes no length"],
    ["%START_TIME(%)%", "not a time format"],
    ["%START_TIME(%Q)%", "not a time format"],
    ["%COMMON_DURATION(DS_RX_BEG:X:ms)%", "write two points"],
    ["%PATH(X)%", "WQ"],
    ["%DYNAMIC_METADATA(a:b)%", "not an operator"],
    ["%GRPC_STATUS(x)%", "CAMEL_STRING"],
    ["%req(a)%", "no operator begins"],
  ] as const) {
    test(`${source} is refused`, () => {
      const read = parseFormat(source);
      assert.ok("error" in read);
      assert.match(read.error, new RegExp(words));
    });
  }

  test("every operator without an argument, or with a fit one, parses", () => {
    for (const [name, { argument, shape, words }] of FORMAT_OPERATORS) {
      const fit =
        { words: words[0], span: "DS_RX_BEG:DS_TX_END:us", plugin: "p:calls" }[shape as string] ??
        "x";
      tokens(argument === "required" ? `%${name}(${fit})%` : `%${name}%`);
    }
  });

  test("any text gives tokens or a reason, never an exception", () => {
    const piece = fc.constantFrom("%", "(", ")", ":", "REQ", "START_TIME", "1", "?", "a", "%%");
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const read = parseFormat(pieces.join(""));
        return "format" in read || read.error !== "";
      }),
      { seed: 1, numRuns: 2_000 },
    );
  });
});
