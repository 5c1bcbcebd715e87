import assert from "node:assert/strict";
import { test } from "node:test";
import { certificatesOf, daysUntilFirstExpiry } from "../../../src/admin/certs.ts";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import type { GranaryConfig, UpstreamTlsConfig } from "../../../src/config/types.ts";
import { CLUSTER, CONFIG, FakeSource } from "./fake-source.ts";
import { ask } from "./harness.ts";

/** CN=granary.test, valid for a hundred years; its key is kept nowhere. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBvTCCAWOgAwIBAgIUdKLN07K2d9EWhxH0fKoeaSSfby4wCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMZ3JhbmFyeS50ZXN0MCAXDTI2MTEyMzExNTUyNloYDzIxMjYx
MDMwMTE1NTI2WjAXMRUwEwYDVQQDDAxncmFuYXJ5LnRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAQI28MCGsRAbYOMfdKCKfBq2MnLd32C3L+SUPoQHv1/qXsl
LmIutgLMq4Aher/bKYUQ6Blsv9MzMakJ+GSqANIGo4GKMIGHMB0GA1UdDgQWBBTI
VrCrH0sl3345TIwZJWr84zxUgDAfBgNVHSMEGDAWgBTIVrCrH0sl3345TIwZJWr8
4zxUgDAPBgNVHRMBAf8EBTADAQH/MDQGA1UdEQQtMCuCDGdyYW5hcnkudGVzdIcE
fwAAAYYVc3BpZmZlOi8vZ3JhbmFyeS90ZXN0MAoGCCqGSM49BAMCA0gAMEUCIAPh
sjV7c4Nv5Lfvo6lpqVpi0CNDkG1404/WYSuISd4YAiEA9kiUkiq/ss4N4ftVezUQ
lTsg1BZjcOFoScCnjIZVKdg=
-----END CERTIFICATE-----
`;

const TLS: UpstreamTlsConfig = {
  sni: "",
  autoHostSni: false,
  trustedCa: CERTIFICATE,
  certificates: [{ certificatePem: CERTIFICATE, privateKeyPem: "", passphrase: null }],
  subjectAltNames: [],
  certificateHashes: [],
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  alpn: [],
  ciphers: "",
};

const withTls = (tls: UpstreamTlsConfig): GranaryConfig => ({
  ...CONFIG,
  clusters: [{ ...CLUSTER, tls }],
});

const EXPIRY_MS = Date.parse("2126-10-30T11:55:26Z");
const clockAt = (wallMs: number): Clock => ({ ...systemClock, wallMs: () => wallMs });

test("a certificate shows its names, serial number and how long it lasts", () => {
  const details = {
    path: "<inline>",
    serial_number: "74a2cdd3b2b677d1168711f47caa1e69249f6f2e",
    subject_alt_names: [
      { dns: "granary.test" },
      { ip_address: "127.0.0.1" },
      { uri: "spiffe://granary/test" },
    ],
    days_until_expiration: "10",
    valid_from: "2026-11-23T11:55:26Z",
    expiration_time: "2126-10-30T11:55:26Z",
  };
  const clock = clockAt(EXPIRY_MS - 10.5 * 86_400_000);
  assert.deepEqual(certificatesOf(withTls(TLS), clock), [
    { ca_cert: [details], cert_chain: [details] },
  ]);
  assert.deepEqual(certificatesOf(withTls({ ...TLS, certificates: [] }), clock), [
    { ca_cert: [details], cert_chain: [] },
  ]);
});

test("the first expiry counts whole days down to 0, and there is none without certificates", () => {
  const days = (atMs: number): number | null => daysUntilFirstExpiry(withTls(TLS), clockAt(atMs));
  assert.equal(days(EXPIRY_MS - 86_400_000 * 3), 3);
  assert.equal(days(EXPIRY_MS + 86_400_000), 0);
  assert.equal(daysUntilFirstExpiry(CONFIG, systemClock), null);
});

test("the endpoint answers with an empty list where nothing is configured", async () => {
  assert.deepEqual(JSON.parse((await ask(new FakeSource(), "/certs")).body), { certificates: [] });
});
