import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DownstreamTlsConfig, ListenerConfig } from "../../../src/config/types.ts";
import { planTransports } from "../../../src/main/transports.ts";
import { uwsFault } from "../../../src/main/uws-fault.ts";
import { judgeUws, verdictOf } from "../../../src/main/uws-verdict.ts";

const TLS: DownstreamTlsConfig = {
  certificates: [{ certificatePem: "", privateKeyPem: "", passphrase: null }],
  clientCa: null,
  requireClientCertificate: false,
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  alpn: [],
  ciphers: "",
};

function listener(tls: Partial<DownstreamTlsConfig> | null): ListenerConfig {
  const merged = tls === null ? null : { ...TLS, ...tls };
  return {
    name: "one",
    filterChains: [
      { kind: "http", http: { requestHeadersTimeoutMs: 0 }, tls: merged, match: null },
    ],
    listenerFilters: { proxyProtocol: null },
  } as unknown as ListenerConfig;
}

describe("whether uWS may serve", () => {
  test("a trial that fails cases is named with them, one without is usable", () => {
    assert.deepEqual(verdictOf({ kind: "tried", failures: [] }), { kind: "usable" });
    const faulty = verdictOf({ kind: "tried", failures: ["a", "b"] });
    assert.equal(faulty.kind, "faulty");
    assert.match(faulty.kind === "faulty" ? faulty.reason : "", /self-test: a, b$/);
    const absent = verdictOf({ kind: "absent", reason: "gone" });
    assert.deepEqual(absent, { kind: "unusable", reason: "gone" });
  });

  test("nothing is tried where uWS cannot be chosen", async () => {
    const config = { listeners: [listener(null)] } as unknown as Parameters<typeof judgeUws>[1];
    for (const choice of ["auto", "codec"] as const) {
      assert.deepEqual(await judgeUws(choice, config), {
        kind: "unusable",
        reason: "uWS was not tried",
      });
    }
  });

  test("a faulty build serves only by name, and the note says what it fails", () => {
    const faulty = { kind: "faulty", reason: "it fails x" } as const;
    const auto = planTransports("auto", [listener({})], faulty);
    assert.deepEqual(auto.kind === "planned" && auto.transports, ["codec"]);
    const forced = planTransports("uws", [listener({})], faulty);
    assert.ok(forced.kind === "planned");
    assert.deepEqual(forced.transports, ["uws"]);
    assert.match(forced.notes[0] ?? "", /it fails x/);
  });

  test("a listener that asks for more than uWS can is left to the codec or refused", () => {
    assert.equal(uwsFault(listener(null)), null);
    assert.equal(uwsFault(listener({})), null);
    const more: Partial<DownstreamTlsConfig>[] = [
      { certificates: [] },
      { clientCa: "pem" },
      { requireClientCertificate: true },
      { minVersion: "TLSv1.3" },
      { maxVersion: "TLSv1.2" },
      { alpn: ["h2", "http/1.1"] },
    ];
    for (const part of more) {
      const listeners = [listener(part)];
      assert.notEqual(uwsFault(listeners[0] ?? listener(null)), null, JSON.stringify(part));
      const auto = planTransports("auto", listeners, { kind: "usable" });
      assert.deepEqual(auto.kind === "planned" && auto.transports, ["codec"]);
      const forced = planTransports("uws", listeners, { kind: "usable" });
      assert.match(forced.kind === "refused" ? forced.problem : "", /listener 'one': uWS /);
    }
  });
});
