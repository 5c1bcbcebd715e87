import assert from "node:assert/strict";
import { test } from "node:test";
import type { ForwardClientCertConfig } from "../../../src/config/types.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import type { CertificateInfo, TlsInfo } from "../../../src/net/types.ts";
import { forwardClientCert } from "../../../src/silo/client-cert-header.ts";

const NAME = "x-forwarded-client-cert";
const CERT: CertificateInfo = {
  subject: 'CN=a,O="b"',
  dnsSans: ["a.test", "b.test"],
  uriSans: ["spiffe://a"],
  sha256Hex: "ab12",
  pem: "-----BEGIN\n",
};
const LOCAL = { ...CERT, uriSans: ["spiffe://me"] };
const TLS: TlsInfo = {
  version: "TLSv1.3",
  cipher: "",
  serverName: "",
  alpn: "",
  peer: CERT,
  local: LOCAL,
};
const ALL = { subject: true, cert: true, dns: true, uri: true };
const NONE = { subject: false, cert: false, dns: false, uri: false };

function after(
  mode: ForwardClientCertConfig["mode"],
  tls: TlsInfo | null,
  show: ForwardClientCertConfig["show"] = NONE,
  given: string | null = "By=forged",
): string | null {
  const headers = HeaderMap.of(given === null ? [] : [[NAME, given]]);
  forwardClientCert(headers, tls, { mode, show });
  return headers.get(NAME);
}

test("what the client says of itself is taken out, unless it proved a certificate", () => {
  const bare = { ...TLS, peer: null };
  for (const mode of ["sanitize", "forward", "append", "set"] as const) {
    assert.equal(after(mode, null), null, mode);
    assert.equal(after(mode, bare), null, mode);
  }
  assert.equal(after("sanitize", TLS), null);
  assert.equal(after("forward", TLS), "By=forged");
  assert.equal(after("alwaysForward", null), "By=forged");
});

test("the present certificate is appended or set, with the details asked for", () => {
  const plain = "By=spiffe://me;Hash=ab12";
  assert.equal(after("append", TLS), `By=forged,${plain}`);
  assert.equal(after("append", TLS, NONE, null), plain);
  assert.equal(after("set", TLS), plain);
  assert.equal(
    after("set", TLS, ALL),
    `${plain};Cert="-----BEGIN%0A";Subject="CN=a,O=\\"b\\"";URI=spiffe://a;DNS=a.test;DNS=b.test`,
  );
});
