import assert from "node:assert/strict";
import { test } from "node:test";
import {
  hostOf,
  isValidAuthority,
  mergeSlashes,
  normalizePath,
  pathOf,
  portOf,
  queryOf,
  queryParameters,
  unescapeSlashes,
} from "../../../src/http/uri.ts";

test("an authority splits into host and port", () => {
  const rows: [string, string, number][] = [
    ["a", "a", -1],
    ["a:80", "a", 80],
    ["a:", "a", -1],
    ["[::1]", "[::1]", -1],
    ["[::1]:8080", "[::1]", 8080],
    ["a:99999", "a", -1],
    ["", "", -1],
  ];
  for (const [authority, host, port] of rows) {
    assert.equal(hostOf(authority), host, authority);
    assert.equal(portOf(authority), port, authority);
  }
});

test("an authority has no user info, blanks or bytes above ASCII", () => {
  for (const good of ["", "a.b", "a:1", "[::1]:1", "a_b"])
    assert.equal(isValidAuthority(good), true);
  for (const bad of ["u@a", "a b", "\xe4", "\u0161", "a:b", "[::1", "a]", "::1", "a:1234567"]) {
    assert.equal(isValidAuthority(bad), false, bad);
  }
});

test("a target splits into path and query", () => {
  assert.equal(pathOf("/a?b?c"), "/a");
  assert.equal(queryOf("/a?b?c"), "b?c");
  assert.equal(pathOf("/a"), "/a");
  assert.equal(queryOf("/a"), null);
  assert.deepEqual(queryParameters("a=1&b&&c=d=e"), [
    ["a", "1"],
    ["b", ""],
    ["c", "d=e"],
  ]);
});

test("slashes are merged in the path only", () => {
  assert.equal(mergeSlashes("//a///b?c//d"), "/a/b?c//d");
  assert.equal(mergeSlashes("/a/b?c"), "/a/b?c");
});

test("a path is normalised as Envoy does it, its query left alone", () => {
  const rows: [string, string | null][] = [
    ["/a/./b/../c", "/a/c"],
    ["/../../a", "/a"],
    ["/a/..", "/"],
    ["/a/.", "/a/"],
    ["/%7euser/%2fx%3F?%7e", "/~user/%2fx%3F?%7e"],
    ["/..%2f../a", "/..%2f../a"],
    ["/%2E%2E/..//z", "//z"],
    ['/a"b|{}^`<>', "/a%22b%7C%7B%7D%5E%60%3C%3E"],
    ["/a'b%27;c", "/a'b%27;c"],
    ["/a\\b\\..\\c", "/a/c"],
    ["/%2e%2e/a", "/a"],
    ["/a//b", "/a//b"],
    ["/", "/"],
    ["*", "*"],
    ["/%zz", "/%zz"],
    ["/%4", "/%4"],
    ["/a%5cb", "/a%5cb"],
    ["/a%00b", null],
  ];
  for (const [target, normal] of rows) assert.equal(normalizePath(target), normal, target);
});

test("escaped slashes are decoded in the path only", () => {
  assert.equal(unescapeSlashes("/a%2fb%2F%5cc%5C?x=%2f"), "/a/b/\\c\\?x=%2f");
  assert.equal(unescapeSlashes("/a%2e?x=%2f"), "/a%2e?x=%2f");
});
