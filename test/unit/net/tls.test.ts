import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect as connectSocket, createServer } from "node:net";
import { after, test } from "node:test";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type {
  CertificatePair,
  DownstreamTlsConfig,
  UpstreamTlsConfig,
} from "../../../src/config/types.ts";
import { acceptConnection, createTlsServerContext } from "../../../src/net/accept.ts";
import { connectTo, createTlsClientContext } from "../../../src/net/connect.ts";
import { BodyChunk } from "../../../src/shm/body-chunk.ts";
import { BodySlab } from "../../../src/shm/body-slab.ts";
import { createBodySlab } from "../../../src/shm/body-slab-layout.ts";
import { ConnectionRecorder } from "../../harness/connection-recorder.ts";
import {
  CLIENT_IDENTITY,
  OTHER_IDENTITY,
  SERVER_IDENTITY,
  STRANGER_IDENTITY,
  TEST_CA_PEM,
} from "../../harness/test-certificates.ts";

const slab = new BodySlab(createBodySlab(64 * 1_048_576));
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

const SERVER_TLS: DownstreamTlsConfig = {
  certificates: [SERVER_IDENTITY],
  clientCa: null,
  requireClientCertificate: false,
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  alpn: ["h2", "http/1.1"],
  ciphers: "",
};

const CLIENT_TLS: UpstreamTlsConfig = {
  sni: "server.test",
  autoHostSni: false,
  trustedCa: TEST_CA_PEM,
  certificates: [],
  subjectAltNames: [],
  certificateHashes: [],
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  alpn: ["http/1.1"],
  ciphers: "",
};

/** A TLS listener whose connections answer "pong" to everything; owners in order of arrival. */
async function serve(config: DownstreamTlsConfig): Promise<[number, ConnectionRecorder[]]> {
  const context = createTlsServerContext(config);
  const owners: ConnectionRecorder[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const owner = new ConnectionRecorder();
    owners.push(owner);
    owner.handle = (connection) => connection.writeText("pong");
    owner.connection = acceptConnection({ socket }, owner, slab, context);
  });
  closers.push(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return [(server.address() as AddressInfo).port, owners];
}

function options(port: number, more: ConnectionOptions = {}): ConnectionOptions {
  return { port, host: "127.0.0.1", ca: TEST_CA_PEM, servername: "server.test", ...more };
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write("ping");
  const [bytes] = (await once(socket, "data")) as [Buffer];
  return bytes.toString();
}

function identity(pair: CertificatePair): ConnectionOptions {
  return { cert: pair.certificatePem, key: pair.privateKeyPem };
}

test("bytes come after the handshake, and the connection knows its TLS facts", async () => {
  const [port, owners] = await serve(SERVER_TLS);
  const client = connectTls(options(port, { ALPNProtocols: ["h2", "http/1.1"] }));
  assert.equal(await ask(client), "pong");
  const owner = owners[0] as ConnectionRecorder;
  const tls = owner.connection?.tls;
  assert.equal(tls?.version, "TLSv1.3");
  assert.equal(tls?.serverName, "server.test");
  assert.equal(tls?.alpn, "http/1.1");
  assert.equal(tls?.peer, null);
  assert.equal(tls?.local?.subject, "CN=server,O=Granary\\, Inc,C=US");
  assert.deepEqual(tls?.local?.dnsSans, ["server.test", "*.wild.test"]);
  assert.deepEqual(tls?.local?.uriSans, ["spiffe://test/server"]);
  assert.match(tls?.local?.sha256Hex ?? "", /^[0-9a-f]{64}$/);
  assert.match(tls?.local?.pem ?? "", /^-----BEGIN CERTIFICATE-----/);
  assert.equal(owner.connection?.remotePort, client.localPort);
  client.end();
  await owner.until(() => owner.has("peerEnd"));
  owner.connection?.end();
  await owner.closed();
  assert.equal(owner.error, null);
});

test("a large answer arrives whole although the client reads slowly", async () => {
  const [port, owners] = await serve(SERVER_TLS);
  const client = connectTls(options(port));
  await once(client, "secureConnect");
  client.pause();
  const owner = owners[0] as ConnectionRecorder;
  owner.handle = (connection) => {
    const chunk = BodyChunk.ofHeap(Buffer.alloc(65_536, "x"));
    for (let i = 0; i < 128; i++) connection.writeTextAndChunk("h", chunk);
  };
  client.write("ping");
  await owner.until(() => owner.has("bytes"));
  let length = 0;
  client.on("data", (bytes: Buffer) => {
    length += bytes.byteLength;
  });
  client.resume();
  await owner.until(() => owner.has("writable"));
  owner.connection?.closeAfterFlush(60_000);
  await once(client, "end");
  assert.equal(length, 128 * 65_537);
  client.end();
  await owner.closed();
});

test("the certificate follows the server name", async () => {
  const [port] = await serve({ ...SERVER_TLS, certificates: [SERVER_IDENTITY, OTHER_IDENTITY] });
  const rows = [
    ["other.test", "other"],
    ["server.test", "server"],
    ["a.wild.test", "server"],
    ["unknown.test", "server"],
  ] as const;
  for (const [servername, name] of rows) {
    const client = connectTls(
      options(port, { servername, checkServerIdentity: () => undefined, ALPNProtocols: [] }),
    );
    await once(client, "secureConnect");
    assert.equal(client.getPeerCertificate().subject.CN, name, servername);
    client.destroy();
  }
});

test("bytes that are no handshake end the connection with an error", async () => {
  const [port, owners] = await serve(SERVER_TLS);
  const client = connectSocket(port, "127.0.0.1").resume();
  client.on("error", () => undefined);
  client.write("GET / HTTP/1.1\r\n\r\n");
  await once(client, "close");
  const owner = owners[0] as ConnectionRecorder;
  await owner.closed();
  assert.ok(owner.error instanceof Error);
  assert.deepEqual(owner.calls, ["close"]);
});

test("a client that goes away during the handshake is an onClose", async () => {
  const [port, owners] = await serve(SERVER_TLS);
  const client = connectSocket(port, "127.0.0.1").resume();
  await once(client, "connect");
  client.write(Buffer.from([22, 3, 1]));
  client.end();
  await once(client, "close");
  await (owners[0] as ConnectionRecorder).closed();
  assert.ok(owners[0]?.error instanceof Error);
});

test("a required client certificate must be there and be signed by the CA", async () => {
  const config = { ...SERVER_TLS, clientCa: TEST_CA_PEM, requireClientCertificate: true };
  const [port, owners] = await serve(config);
  const good = connectTls(options(port, identity(CLIENT_IDENTITY)));
  assert.equal(await ask(good), "pong");
  assert.deepEqual(owners[0]?.connection?.tls?.peer?.uriSans, ["spiffe://test/client"]);
  assert.equal(owners[0]?.connection?.tls?.peer?.subject, "CN=client,O=Granary,C=US");
  good.destroy();
  for (const more of [{}, identity(STRANGER_IDENTITY)]) {
    const bad = connectTls(options(port, more));
    bad.on("error", () => undefined).resume();
    await once(bad, "close");
    const owner = owners.at(-1) as ConnectionRecorder;
    await owner.closed();
    assert.ok(owner.error instanceof Error);
    assert.equal(owner.text, "");
  }
});

test("an optional client certificate may be missing, but not be a stranger's", async () => {
  const [port, owners] = await serve({ ...SERVER_TLS, clientCa: TEST_CA_PEM });
  const without = connectTls(options(port));
  assert.equal(await ask(without), "pong");
  without.destroy();
  const bad = connectTls(options(port, identity(STRANGER_IDENTITY)));
  bad.on("error", () => undefined).resume();
  await once(bad, "close");
  await (owners.at(-1) as ConnectionRecorder).closed();
  assert.equal(owners.at(-1)?.text, "");
});

/** Connects with `config` to a listener with `server`; resolves at connect or close. */
async function upstream(
  config: UpstreamTlsConfig,
  server: DownstreamTlsConfig = SERVER_TLS,
): Promise<ConnectionRecorder> {
  const [port] = await serve(server);
  const context = createTlsClientContext(
    config,
    (match, value) => match.kind === "exact" && match.value === value,
  );
  const owner = new ConnectionRecorder();
  const tls = { context, serverName: config.sni };
  owner.connection = connectTo({ host: "127.0.0.1", port }, owner, slab, tls);
  await owner.until(() => owner.has("connect") || owner.has("close"));
  return owner;
}

test("an upstream connection is ready after the handshake and reads into the slab", async () => {
  const owner = await upstream({ ...CLIENT_TLS, certificates: [CLIENT_IDENTITY] });
  const connection = owner.connection;
  assert.deepEqual(owner.calls, ["connect"]);
  assert.equal(connection?.tls?.alpn, "http/1.1");
  assert.deepEqual(connection?.tls?.peer?.dnsSans, ["server.test", "*.wild.test"]);
  connection?.writeText("ping");
  await owner.until(() => owner.text === "pong");
  assert.ok([...owner.buffers][0] instanceof SharedArrayBuffer);
  connection?.destroy();
  await owner.closed();
});

test("a peer that the configuration does not trust is refused before onConnect", async () => {
  const exact = (value: string) => ({ kind: "exact", value, ignoreCase: false }) as const;
  const rows: UpstreamTlsConfig[] = [
    { ...CLIENT_TLS, trustedCa: STRANGER_IDENTITY.certificatePem },
    { ...CLIENT_TLS, subjectAltNames: [{ sanType: "DNS", match: exact("other.test") }] },
    { ...CLIENT_TLS, subjectAltNames: [{ sanType: "URI", match: exact("server.test") }] },
    { ...CLIENT_TLS, certificateHashes: ["00".repeat(32)] },
  ];
  for (const config of rows) {
    const owner = await upstream(config);
    await owner.closed();
    assert.ok(owner.error instanceof Error);
    assert.deepEqual(owner.calls, ["close"]);
  }
});

test("a peer is trusted by name, address or hash", async () => {
  const exact = (value: string) => ({ kind: "exact", value, ignoreCase: false }) as const;
  const first = await upstream({ ...CLIENT_TLS, trustedCa: null, alpn: [] });
  const hash = first.connection?.tls?.peer?.sha256Hex.toUpperCase() ?? "";
  first.connection?.destroy();
  const rows: UpstreamTlsConfig[] = [
    { ...CLIENT_TLS, subjectAltNames: [{ sanType: "DNS", match: exact("server.test") }] },
    { ...CLIENT_TLS, subjectAltNames: [{ sanType: "URI", match: exact("spiffe://test/server") }] },
    { ...CLIENT_TLS, subjectAltNames: [{ sanType: "IP_ADDRESS", match: exact("127.0.0.1") }] },
    { ...CLIENT_TLS, certificateHashes: [hash.replace(/(..)(?!$)/g, "$1:")] },
  ];
  for (const config of rows) {
    const owner = await upstream(config);
    assert.deepEqual(owner.calls, ["connect"], owner.error?.message);
    owner.connection?.destroy();
    await owner.closed();
  }
});
