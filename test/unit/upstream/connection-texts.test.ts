import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectFailureText, socketAddressText } from "../../../src/upstream/connection-texts.ts";

describe("texts about connections", () => {
  test("IPv6 addresses stand in brackets before the port", () => {
    assert.equal(socketAddressText("10.0.0.1", 80), "10.0.0.1:80");
    assert.equal(socketAddressText("::1", 80), "[::1]:80");
  });

  test("errors of the kernel have Envoy's words, everything else is TLS", () => {
    const failed = (code: string): string =>
      connectFailureText(Object.assign(new Error("what happened"), { code }));
    assert.equal(failed("EHOSTUNREACH"), "delayed connect error: No route to host");
    assert.equal(failed("CERT_HAS_EXPIRED"), "TLS_error:|what happened:TLS_error_end");
    assert.equal(failed("EPROTO"), "TLS_error:|what happened:TLS_error_end");
    assert.equal(connectFailureText(new Error("TLS: no")), "TLS_error:|TLS: no:TLS_error_end");
    assert.equal(connectFailureText(null), "");
  });
});
