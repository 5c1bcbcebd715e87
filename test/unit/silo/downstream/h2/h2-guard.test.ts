import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LIMITS } from "../../../../../src/base/limits.ts";
import { HeaderMap } from "../../../../../src/http/header-map.ts";
import { H2Guard } from "../../../../../src/silo/downstream/h2/h2-guard.ts";
import { normaliseRequest } from "../../../../../src/silo/downstream/h2/h2-request.ts";

describe("the guard of an HTTP/2 client", () => {
  it("lets streams be reset as long as others are not, and a few in any case", () => {
    const guard = new H2Guard();
    for (let i = 0; i < 3 * LIMITS.http2ResetsCount; i++) {
      guard.streamOpened();
      guard.streamOpened();
      guard.streamOpened();
      assert.equal(guard.streamReset(), false);
    }
    const hasty = new H2Guard();
    for (let i = 0; i < LIMITS.http2ResetsCount; i++) {
      hasty.streamOpened();
      assert.equal(hasty.streamReset(), false);
    }
    hasty.streamOpened();
    assert.equal(hasty.streamReset(), true);
  });

  it("lets control frames come with streams, and some in any case", () => {
    const guard = new H2Guard();
    for (let i = 0; i < LIMITS.http2ControlsCount; i++) assert.equal(guard.controlFrame(), false);
    guard.streamOpened();
    for (let i = 0; i < LIMITS.http2ControlsPerStream; i++) {
      assert.equal(guard.controlFrame(), false);
    }
    assert.equal(guard.controlFrame(), true);
  });
});

describe("an HTTP/2 request", () => {
  const of = (...more: readonly (readonly [string, string])[]): HeaderMap =>
    HeaderMap.of([[":method", "GET"], [":scheme", "http"], ...more]);

  it("has its host as :authority, and one cookie", () => {
    const headers = of([":path", "/"], ["host", "a.example"], ["cookie", "a=1"], ["cookie", "b=2"]);
    assert.equal(normaliseRequest(headers), null);
    assert.equal(headers.get(":authority"), "a.example");
    assert.equal(headers.has("host"), false);
    assert.equal(headers.getJoined("cookie"), "a=1; b=2");
  });

  it("believes :authority where host says something else", () => {
    const headers = of([":path", "/"], [":authority", "a.example"], ["host", "b.example"]);
    assert.equal(normaliseRequest(headers), null);
    assert.equal(headers.get(":authority"), "a.example");
    assert.equal(headers.has("host"), false);
  });

  it("is refused where it would be another request over HTTP/1.1", () => {
    const authority = [":authority", "a.example"] as const;
    for (const path of ["", "a", "/a b", "/a\r\nx: y", "/\u007f", "http://x/"]) {
      assert.equal(normaliseRequest(of([":path", path], authority)), "http2.invalid_path", path);
    }
    assert.equal(normaliseRequest(of(authority)), "http2.invalid_path");
    assert.equal(normaliseRequest(of([":path", "/"])), "missing_host_header");
    assert.equal(
      normaliseRequest(of([":path", "/"], [":authority", "a b"])),
      "http2.invalid_authority",
    );
    assert.equal(normaliseRequest(of([":path", "*"], authority)), null);
  });
});
