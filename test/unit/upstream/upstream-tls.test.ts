import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import type { StringMatchConfig, UpstreamTlsConfig } from "../../../src/config/types.ts";
import { createSanMatcher, createUpstreamTls } from "../../../src/upstream/upstream-tls.ts";
import { type FakeUpstream, plainResponse } from "../../harness/fake-upstream.ts";
import { type RealClusters, withUpstream } from "../../harness/real-clusters.ts";

/** Test files lie beside the sources; the compiled tests lie two folders deeper. */
function fixture(name: string): string {
  for (const up of ["../../..", "../../../..", "../../../../.."]) {
    try {
      return readFileSync(new URL(`${up}/test/fixtures/tls/${name}`, import.meta.url), "utf8");
    } catch {}
  }
  throw new Error(`no fixture ${name}`);
}

const CA = fixture("ca.pem");
const SERVER: TlsOptions = { cert: fixture("server.pem"), key: fixture("server.key") };
const STRANGER: TlsOptions = {
  cert: fixture("other-server.pem"),
  key: fixture("other-server.key"),
};

const TLS: UpstreamTlsConfig = {
  sni: "",
  autoHostSni: false,
  trustedCa: CA,
  certificates: [],
  subjectAltNames: [],
  certificateHashes: [],
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  alpn: [],
  ciphers: "",
};

function exact(value: string): StringMatchConfig {
  return { kind: "exact", value, ignoreCase: false };
}

/** One GET over TLS: what the router heard. */
async function attempt(
  server: TlsOptions,
  client: Partial<UpstreamTlsConfig>,
  after: (real: RealClusters, upstream: FakeUpstream) => void = () => {},
): Promise<{ readonly log: readonly string[]; readonly detail: string }> {
  let result = { log: [] as readonly string[], detail: "" };
  const options = {
    tls: server,
    onRequest: (_: unknown, peer: { write(text: string): void }) =>
      peer.write(plainResponse(200, "hello")),
  };
  await withUpstream(options, { tls: { ...TLS, ...client } }, async (real, upstream) => {
    const events = await real.exchange();
    result = { log: events.log, detail: events.resetDetail };
    after(real, upstream);
  });
  return result;
}

const GOOD = ["ready", "200", "data hello end"];
const REFUSED = ["reset connectFailure"];

function serverSocket(upstream: FakeUpstream): TLSSocket {
  return upstream.connections[0]?.socket as TLSSocket;
}

describe("TLS to upstreams", () => {
  test("a certificate of the trusted CA is accepted, and what was agreed is told", async () => {
    await withUpstream(
      { tls: SERVER, onRequest: (_, peer) => peer.write(plainResponse(200, "hello")) },
      { tls: { ...TLS, sni: "upstream.test" } },
      async (real, upstream) => {
        const events = await real.exchange();
        assert.deepEqual(events.log, GOOD);
        const tls = events.connection?.tls;
        assert.equal(tls?.version, "TLSv1.3");
        assert.ok(tls?.peer?.dnsSans.includes("upstream.test"));
        assert.deepEqual(tls?.peer?.uriSans, ["spiffe://granary.test/server"]);
        assert.equal(serverSocket(upstream).servername, "upstream.test");
        await real.exchange();
        assert.equal(upstream.connections.length, 1, "the connection is kept");
      },
    );
  });

  test("a certificate of another CA is a connect failure with the reason", async () => {
    const { log, detail } = await attempt(STRANGER, {});
    assert.deepEqual(log, REFUSED);
    assert.match(detail, /^TLS_error:\|.*certificate.*:TLS_error_end$/);
  });

  test("without a trusted CA nothing is verified", async () => {
    assert.deepEqual((await attempt(STRANGER, { trustedCa: null })).log, GOOD);
  });

  for (const [sanType, match, accepted] of [
    ["dns", exact("upstream.test"), true],
    ["dns", exact("any.wild.test"), true],
    ["dns", exact("other.test"), false],
    ["dns", exact("spiffe://granary.test/server"), false],
    ["uri", exact("spiffe://granary.test/server"), true],
    ["uri", { kind: "prefix", value: "spiffe://granary.test/", ignoreCase: false }, true],
    ["ip", exact("127.0.0.1"), true],
    ["ip", exact("::1"), true],
    ["any", exact("upstream.test"), true],
    ["any", exact("nobody"), false],
    ["dns", { kind: "regex", regex: "up.*\\.test" }, true],
    ["dns", { kind: "regex", regex: "up" }, false],
  ] as const) {
    const word = accepted ? "accepted" : "refused";
    const what = match.kind === "regex" ? match.regex : match.value;
    test(`a ${sanType} name by ${match.kind} "${what}" is ${word}`, async () => {
      const { log, detail } = await attempt(SERVER, { subjectAltNames: [{ sanType, match }] });
      assert.deepEqual(log, accepted ? GOOD : REFUSED);
      if (!accepted) assert.match(detail, /^TLS_error:/);
    });
  }

  test("certificate hashes are compared", async () => {
    const hash = new X509Certificate(fixture("server.pem")).fingerprint256;
    const plain = hash.replaceAll(":", "").toLowerCase();
    assert.deepEqual((await attempt(SERVER, { certificateHashes: [plain] })).log, GOOD);
    const other = "00".repeat(32);
    assert.deepEqual((await attempt(SERVER, { certificateHashes: [other] })).log, REFUSED);
  });

  test("the client certificate is presented", async () => {
    const server = { ...SERVER, requestCert: true, rejectUnauthorized: true, ca: CA };
    const pair = {
      certificatePem: fixture("client.pem"),
      privateKeyPem: fixture("client.key"),
      passphrase: null,
    };
    let subject: string | undefined;
    const { log } = await attempt(server, { certificates: [pair] }, (_, upstream) => {
      subject = serverSocket(upstream).getPeerX509Certificate()?.subject;
    });
    assert.deepEqual(log, GOOD);
    assert.match(subject ?? "", /CN=client\.test/);
  });

  test("versions outside of the limits do not meet", async () => {
    const old = { ...SERVER, maxVersion: "TLSv1.2" } as const;
    assert.deepEqual((await attempt(old, { maxVersion: "TLSv1.2" })).log, GOOD);
    const { log, detail } = await attempt(old, { minVersion: "TLSv1.3" });
    assert.deepEqual(log, REFUSED);
    assert.match(detail, /^TLS_error:/);
  });

  test("the hostname is sent as SNI when asked to, an address never", () => {
    const serverName = (config: Partial<UpstreamTlsConfig>, hostname: string): string =>
      createUpstreamTls({ ...TLS, ...config })(hostname).serverName;
    assert.equal(serverName({ autoHostSni: true }, "a.test"), "a.test");
    assert.equal(serverName({ autoHostSni: true }, "127.0.0.1"), "");
    assert.equal(serverName({ autoHostSni: true, sni: "b.test" }, "a.test"), "b.test");
    assert.equal(serverName({ sni: "::1" }, "a.test"), "");
    assert.equal(serverName({}, "a.test"), "");
  });

  test("a server that speaks no TLS is a connect failure", async () => {
    await withUpstream(
      { onConnection: (peer) => peer.write("220 mail\r\n") },
      { tls: TLS },
      async (real) => {
        const events = await real.exchange();
        assert.deepEqual(events.log, REFUSED);
        assert.match(events.resetDetail, /^TLS_error:/);
      },
    );
  });
});

describe("names of certificates", () => {
  const matches = createSanMatcher();
  const folded = { kind: "exact", value: "A.Test", ignoreCase: true } as const;

  test("an exact matcher is met by a wildcard for one label and no more", () => {
    assert.ok(matches(exact("b.a.test"), "*.a.test"));
    assert.ok(!matches(exact("a.test"), "*.a.test"));
    assert.ok(!matches(exact("c.b.a.test"), "*.a.test"));
    assert.ok(!matches(exact("b.a.test"), "*a.test"));
  });

  test("case counts unless it is to be ignored", () => {
    assert.ok(matches(folded, "a.TEST"));
    assert.ok(!matches(exact("A.test"), "a.test"));
  });

  test("suffix and contains are as they say", () => {
    assert.ok(matches({ kind: "suffix", value: ".test", ignoreCase: false }, "a.test"));
    assert.ok(!matches({ kind: "suffix", value: ".test", ignoreCase: false }, "a.test2"));
    assert.ok(matches({ kind: "contains", value: "mid", ignoreCase: false }, "amidst"));
  });
});
