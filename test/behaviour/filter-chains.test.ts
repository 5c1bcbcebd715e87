/**
 * Several filter chains behind one port, chosen by what the first bytes of a connection say, and the
 * PROXY header in front of them.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";
import { SERVER_IDENTITY } from "../harness/test-certificates.ts";

const TYPE = "type.googleapis.com/envoy.extensions";
const ROUTER = `{name: router, typed_config: {"@type": ${TYPE}.filters.http.router.v3.Router}}`;
const TLS = `transport_socket: {name: tls, typed_config: {"@type": ${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {tls_certificates: [{certificate_chain: {inline_string: ${JSON.stringify(SERVER_IDENTITY.certificatePem)}}, private_key: {inline_string: ${JSON.stringify(SERVER_IDENTITY.privateKeyPem)}}}]}}}`;

/** A chain that answers its name; `%...%` operators show what it knows of the connection. */
function chain(name: string, more: string): string {
  const headers =
    "response_headers_to_add: [{header: {key: x-remote, value: '%DOWNSTREAM_REMOTE_ADDRESS%'}}, " +
    "{header: {key: x-direct, value: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%'}}, " +
    "{header: {key: x-local, value: '%DOWNSTREAM_LOCAL_ADDRESS%'}}]";
  const route = `{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ${name}}}}`;
  const hcm = `"@type": ${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: ${name}, http_filters: [${ROUTER}], route_config: {${headers}, virtual_hosts: [{name: v, domains: ["*"], routes: [${route}]}]}`;
  return `{name: ${name}, ${more === "" ? "" : `${more}, `}filters: [{name: hcm, typed_config: {${hcm}}}]}`;
}

function listener(name: string, chains: readonly string[], more: readonly string[] = []): string {
  return `  - name: ${name}
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [${chains.join(", ")}]
${more.map((line) => `    ${line}\n`).join("")}`;
}

function filter(type: string, more = ""): string {
  return `{name: f, typed_config: {"@type": ${TYPE}.filters.listener.${type}${more}}}`;
}

let proxy: ProxyProcess;

before(async () => {
  const proxied = filter("proxy_protocol.v3.ProxyProtocol");
  const yaml = `static_resources:
  listeners:
${[
  listener(
    "sni",
    [
      chain("exact", `${TLS}, filter_chain_match: {server_names: [a.test]}`),
      chain("star", `${TLS}, filter_chain_match: {server_names: ["*.wild.test"]}`),
      chain("plain", "filter_chain_match: {transport_protocol: raw_buffer}"),
    ],
    [`default_filter_chain: ${chain("other", TLS)}`],
  ),
  listener("only", [chain("named", `${TLS}, filter_chain_match: {server_names: [a.test]}`)]),
  listener(
    "versions",
    [
      chain("new", 'filter_chain_match: {application_protocols: ["http/1.1"]}'),
      chain("rest", "filter_chain_match: {source_type: SAME_IP_OR_LOOPBACK}"),
    ],
    [
      `listener_filters: [${filter("tls_inspector.v3.TlsInspector")}, ${filter("http_inspector.v3.HttpInspector")}]`,
      "listener_filters_timeout: 0.1s",
    ],
  ),
  listener(
    "proxied",
    [
      chain(
        "ten",
        "filter_chain_match: {source_prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
      ),
      chain("rest2", "filter_chain_match: {}"),
    ],
    [`listener_filters: [${proxied}]`],
  ),
  listener("secure", [chain("secure", TLS)], [`listener_filters: [${proxied}]`]),
  listener(
    "maybe",
    [chain("maybe", "")],
    [
      `listener_filters: [${filter("proxy_protocol.v3.ProxyProtocol", ", allow_requests_without_proxy_protocol: true")}]`,
      "listener_filters_timeout: 0.1s",
      "continue_on_listener_filters_timeout: true",
    ],
  ),
].join("")}`;
  proxy = await startProxy({ yaml });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
});

const GET = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

function bodyOf(text: string): string {
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

/** The answer under TLS to a client that names `servername`; "" when it gets none. */
function overTls(name: string, servername: string, first = ""): Promise<string> {
  return new Promise((resolve) => {
    const raw = connect({ host: "127.0.0.1", port: proxy.port(name) }, () => {
      if (first !== "") raw.write(first);
      const socket = tlsConnect({ socket: raw, servername, rejectUnauthorized: false }, () => {
        socket.write(GET);
      });
      let text = "";
      socket.on("data", (bytes: Buffer) => {
        text += bytes.toString("latin1");
      });
      socket.on("error", () => resolve(""));
      socket.on("close", () => resolve(text));
    });
  });
}

test("the server name of the ClientHello chooses the chain, and its certificate serves", async () => {
  assert.equal(bodyOf(await overTls("sni", "a.test")), "exact");
  assert.equal(bodyOf(await overTls("sni", "b.wild.test")), "star");
  assert.equal(bodyOf(await overTls("sni", "elsewhere.test")), "other");
  assert.equal(bodyOf(await exchange(proxy.port("sni"), GET)), "plain");
});

test("a connection that no chain matches is closed and counted", async () => {
  assert.equal(bodyOf(await overTls("only", "a.test")), "named");
  assert.equal(await overTls("only", "b.test"), "");
  assert.equal(await exchange(proxy.port("only"), GET), "");
  const stat = `listener.127.0.0.1_0.no_filter_chain_match`;
  assert.equal(await proxy.stat(stat), 2);
});

test("the HTTP version chooses the chain, and nothing said in time closes", async () => {
  assert.equal(bodyOf(await exchange(proxy.port("versions"), GET)), "new");
  const old = await exchange(proxy.port("versions"), "GET / HTTP/1.0\r\n\r\n");
  assert.match(old, /^HTTP\/1\.1 426 /);
  assert.equal(await proxy.stat("http.rest.downstream_rq_4xx"), 1);
  const silent = await RawClient.open(proxy.port("versions"));
  assert.equal(await silent.untilClosed(), "");
  silent.close();
});

test("a PROXY header tells who the client is, to the chains and to the request", async () => {
  const header = "PROXY TCP4 10.1.2.3 5.6.7.8 80 81\r\n";
  const answer = await exchange(proxy.port("proxied"), header + GET);
  assert.equal(bodyOf(answer), "ten");
  assert.match(answer, /\r\nx-remote: 10\.1\.2\.3:80\r\n/);
  assert.match(answer, /\r\nx-direct: 127\.0\.0\.1\r\n/);
  assert.match(answer, /\r\nx-local: 5\.6\.7\.8:81\r\n/);
  const v2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x50\0\x51";
  const other = await exchange(proxy.port("proxied"), v2 + GET);
  assert.equal(bodyOf(other), "rest2");
  assert.match(other, /\r\nx-remote: 1\.2\.3\.4:80\r\n/);
  assert.match(await overTls("secure", "a.test", header), /\r\nx-remote: 10\.1\.2\.3:80\r\n/);
});

test("a PROXY header in pieces with requests behind it loses no byte", async () => {
  const client = await RawClient.open(proxy.port("proxied"));
  const text = `PROXY TCP4 10.1.2.3 5.6.7.8 80 81\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n${GET}`;
  client.socket.setNoDelay(true);
  for (const byte of text.slice(0, 60)) {
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.send(text.slice(60));
  const all = await client.untilClosed();
  client.close();
  assert.equal(all.split("HTTP/1.1 200 OK").length, 3);
});

test("a connection without or with a bad PROXY header is refused, where none is optional", async () => {
  for (const text of [GET, `PROXY TCP4 1.2.3 5.6.7.8 80 81\r\n${GET}`]) {
    assert.equal(await exchange(proxy.port("proxied"), text), "");
  }
  assert.equal(await proxy.stat("proxy_proto.not_found_disallowed"), 1);
  assert.equal(await proxy.stat("proxy_proto.versions.v1.error"), 1);
  assert.equal(bodyOf(await exchange(proxy.port("maybe"), GET)), "maybe");
  assert.match(
    await exchange(proxy.port("maybe"), `PROXY TCP4 10.1.2.3 5.6.7.8 80 81\r\n${GET}`),
    /x-remote: 10\.1\.2\.3:80/,
  );
});
