/**
 * TLS on both sides of a real proxy: certificates, client certificates, verified upstreams.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { BUILD_ROOT, type ProxyProcess, startProxy, TEST_TRANSPORT } from "../harness/proxy.ts";
import { exchange } from "../harness/raw-client.ts";

const TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const ON_UWS = TEST_TRANSPORT === "uws";
const FIXTURES = fixtures();

/** The certificates lie beside the sources; builds differ in how far that is. */
function fixtures(): string {
  for (let root = BUILD_ROOT; ; root = join(root, "..")) {
    const directory = join(root, "test/fixtures/tls");
    if (existsSync(join(directory, "ca.pem"))) return directory;
  }
}

function read(name: string): string {
  return readFileSync(join(FIXTURES, name), "utf8");
}

function source(name: string): string {
  return `{filename: ${JSON.stringify(join(FIXTURES, name))}}`;
}

function pair(name: string): string {
  return `tls_certificates: [{certificate_chain: ${source(`${name}.pem`)}, private_key: ${source(`${name}.key`)}}]`;
}

function socketOf(kind: string, fields: string): string {
  return `transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": ${TYPES}.${kind}, ${fields}}}`;
}

function upstreamTls(ca: string, more = ""): string {
  const names = "match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: upstream.test}}]";
  const validation = `validation_context: {trusted_ca: ${source(ca)}, ${names}}`;
  return socketOf(
    "UpstreamTlsContext",
    `sni: upstream.test, common_tls_context: {${validation}${more}}`,
  );
}

/** A listener whose chain has a transport socket. */
function secure(name: string, tls: string, routes: string): string {
  return listener({ name, routes }).replace("    - filters:\n", `    - ${tls}\n      filters:\n`);
}

let upstream: FakeUpstream;
let proxy: ProxyProcess;

before(async () => {
  upstream = await FakeUpstream.listen({
    tls: {
      cert: read("server.pem"),
      key: read("server.key"),
      ca: read("ca.pem"),
      requestCert: true,
      rejectUnauthorized: false,
    },
    onRequest: (request, connection) => {
      const peer = (connection.socket as TLSSocket).getPeerCertificate().subject?.CN ?? "nobody";
      const proto = /x-forwarded-proto: (\w+)/.exec(request.head)?.[1] ?? "";
      connection.write(plainResponse(200, `${peer} by ${proto}`));
    },
  });
  const routes = `[{match: {prefix: /bad}, route: {cluster: bad}},
    {match: {prefix: /known}, route: {cluster: known}}, {match: {prefix: /}, route: {cluster: good}}]`;
  const plain = `common_tls_context: {${pair("server")}}`;
  const mutual = `require_client_certificate: true, common_tls_context: {${pair("server")}, validation_context: {trusted_ca: ${source("ca.pem")}}}`;
  const yaml = bootstrap(
    [
      listener({ name: "plain", routes }),
      secure("tls", socketOf("DownstreamTlsContext", plain), routes),
      // Client certificates are refused there at the start.
      ...(ON_UWS ? [] : [secure("mutual", socketOf("DownstreamTlsContext", mutual), routes)]),
    ],
    [
      cluster("good", upstream.port, upstreamTls("ca.pem")),
      cluster("known", upstream.port, upstreamTls("ca.pem", `, ${pair("client")}`)),
      cluster("bad", upstream.port, upstreamTls("other-ca.pem")),
    ],
  );
  proxy = await startProxy({ yaml });
});

after(async () => {
  await upstream.close();
  assert.equal(await proxy.stop(), 0);
});

function request(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`;
}

/** One request over TLS; rejects when the handshake or the connection fails. */
function secureExchange(name: string, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const trust = { ca: read("ca.pem"), servername: "upstream.test" };
    const socket = connect({ host: "127.0.0.1", port: proxy.port(name), ...trust, ...options });
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => {
      text += part;
    });
    socket.on("error", reject).on("close", () => resolve(text));
    socket.write(request("/"));
  });
}

test("a TLS client is served and its scheme is told to the upstream", async () => {
  const answer = await secureExchange("tls", {});
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*nobody by https$/);
});

test("plain text on a TLS listener gets nothing and is counted", async () => {
  assert.doesNotMatch(await exchange(proxy.port("tls"), request("/")), /^HTTP/);
  assert.match(await secureExchange("tls", {}), / 200 OK/);
});

test("a client certificate is demanded where the configuration says so", async () => {
  const identity = { cert: read("client.pem"), key: read("client.key") };
  assert.match(await secureExchange("mutual", identity), /^HTTP\/1\.1 200 OK\r\n/);
  const without = await secureExchange("mutual", {}).catch((error: Error) => error.message);
  assert.doesNotMatch(without, /^HTTP/);
  const stranger = { cert: read("other-server.pem"), key: read("other-server.key") };
  const wrong = await secureExchange("mutual", stranger).catch((error: Error) => error.message);
  assert.doesNotMatch(wrong, /^HTTP/);
});

test("an upstream whose certificate the CA signed is spoken to", async () => {
  assert.match(await exchange(proxy.port("plain"), request("/")), / 200 OK[\s\S]*nobody by http$/);
});

test("the proxy shows its own certificate to an upstream", async () => {
  const answer = await exchange(proxy.port("plain"), request("/known"));
  assert.match(answer, / 200 OK[\s\S]*client\.test by http$/);
});

test("an upstream signed by another CA is a 503 and sees no request", async () => {
  const before = upstream.connections.flatMap((each) => each.requests).length;
  const answer = await exchange(proxy.port("plain"), request("/bad"));
  assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assert.equal(upstream.connections.flatMap((each) => each.requests).length, before);
  assert.equal(await proxy.stat("cluster.bad.upstream_cx_connect_fail"), 1);
});
