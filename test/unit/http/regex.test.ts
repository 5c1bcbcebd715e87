import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileRegex, Regex } from "../../../src/http/regex.ts";

function regex(source: string): Regex {
  const compiled = compileRegex(source);
  assert.ok(compiled instanceof Regex, JSON.stringify(compiled));
  return compiled;
}

describe("regular expressions", () => {
  test("a full match covers the whole text", () => {
    assert.equal(regex("/a+").matchesFull("/aaa"), true);
    assert.equal(regex("/a+").matchesFull("/aaab"), false);
    assert.equal(regex("a|ab").matchesFull("ab"), true);
    assert.equal(regex("/a+").matchesPartly("x/aab"), true);
  });

  test("what RE2 does not have is refused with a reason", () => {
    for (const source of ["(", "(a)\\1", "(?=a)", "a**"]) {
      const compiled = compileRegex(source);
      assert.ok("error" in compiled && compiled.error !== "", source);
    }
  });

  test("every match is replaced, groups by number", () => {
    assert.equal(regex("(b)(c)?").replaceAll("abcab", "[\\2\\1\\0]"), "a[cbbc]a[bb]");
    assert.equal(regex("x").replaceAll("abc", "y"), "abc");
    assert.equal(regex("^/v(\\d)/").replaceAll("/v1/v2/", "/\\1/"), "/1/v2/");
    assert.equal(regex("a").replaceAll("aa", "\\\\$1"), "\\$1\\$1");
    assert.equal(regex("$").replaceAll("ab", "!"), "ab!");
  });

  test("another substitution takes the place of the one before", () => {
    const one = regex("a");
    assert.deepEqual([one.replaceAll("a", "x"), one.replaceAll("a", "y")], ["x", "y"]);
    assert.equal(one.replaceAll("a", ""), "");
  });

  test("substitutions that cannot work are told", () => {
    assert.equal(regex("(a)").substitutionError("\\1\\\\"), null);
    assert.match(regex("(a)").substitutionError("\\2") ?? "", /only 1/);
    assert.match(regex("a").substitutionError("\\x") ?? "", /backslash/);
  });

  test("a pattern that hangs backtracking engines is linear here", () => {
    assert.equal(regex("(a+)+$").matchesFull(`${"a".repeat(20_000)}b`), false);
  });
});
