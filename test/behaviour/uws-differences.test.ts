/**
 * What uWS does where it cannot do as the codec does, and what only uWS could get wrong: requests
 * whose connection does not show itself at once. See docs/host-differences.md.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { loadUws } from "../../src/silo/downstream/uws-library.ts";
import { bootstrap, cluster, listener, tlsListener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

const load = await loadUws();
const CHUNKED = "PUT /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`;
}

describe("uWS", { skip: load.kind === "absent" ? load.reason : false }, () => {
  let upstream: FakeUpstream;
  let proxy: ProxyProcess;
  let port = 0;

  before(async () => {
    upstream = await FakeUpstream.listen({
      onRequest: ({ target, body }, connection) => {
        if (target === "/trailers") {
          connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
          connection.write("2\r\nab\r\n0\r\nx-t: 1\r\n\r\n");
        } else if (target === "/early") {
          connection.write(
            `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${plainResponse(200, "ok")}`,
          );
        } else {
          connection.write(plainResponse(200, `<${body}>`));
        }
      },
    });
    const routes = "[{match: {prefix: /}, route: {cluster: upstream}}]";
    const two = "common_http_protocol_options: {max_requests_per_connection: 2}";
    const long =
      "common_http_protocol_options: {max_connection_duration: 0.2s}, drain_timeout: 0.1s";
    const told = "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_REMOTE_ADDRESS%";
    const secure = `[{match: {prefix: /}, direct_response: {status: 200}, response_headers_to_add: [{header: {key: x-told, value: "${told}"}}]}]`;
    const yaml = bootstrap(
      [
        listener({ routes }),
        tlsListener({ name: "tls", routes: secure }),
        listener({ name: "two", routes, hcm: two }),
        listener({ name: "short", routes, hcm: long }),
      ],
      [cluster("upstream", upstream.port)],
    );
    proxy = await startProxy({ yaml, args: ["--transport", "uws"] });
    port = proxy.port("main");
  });

  after(async () => {
    assert.equal(await proxy.stop(), 0, proxy.log);
    await upstream.close();
  });

  test("sends a response without its trailers", async () => {
    assert.match(await exchange(port, get("/trailers")), /\r\n\r\n2\r\nab\r\n0\r\n\r\n$/);
  });

  test("sends the answer without the informational one before it", async () => {
    assert.match(await exchange(port, get("/early")), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
  });

  test("answers HTTP/1.0 with 505 and closes", async () => {
    assert.match(await exchange(port, "GET / HTTP/1.0\r\nhost: a\r\n\r\n"), /^HTTP\/1\.1 505 /);
  });

  test("closes, and lets nothing through, when a request comes before the last answer", async () => {
    const answer = await exchange(port, get("/1").replace("close", "keep-alive") + get("/2"));
    assert.equal(answer, "");
    while ((await proxy.stat("http.main.downstream_rq_active")) !== 0);
  });

  test("knows the client's port, but nothing of its TLS", async () => {
    const to = { port: proxy.port("tls"), host: "127.0.0.1", rejectUnauthorized: false };
    const socket = connect(to);
    await once(socket, "secureConnect");
    const client = new RawClient(socket);
    client.send(get("/"));
    const told = new RegExp(`\r\nx-told:  127\\.0\\.0\\.1:${socket.localPort}\r\n`);
    assert.match(await client.untilClosed(), told);
    client.close();
  });

  test("does not count the bytes of connections", async () => {
    await exchange(port, get("/"));
    for (const name of ["rx", "tx"]) {
      assert.equal(await proxy.stat(`http.main.downstream_cx_${name}_bytes_total`), 0);
    }
  });

  test("gives each of several chunked uploads its own body, whose heads came alone", async () => {
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await RawClient.open(port));
    for (const client of clients) client.send(CHUNKED);
    while (((await proxy.stat("http.main.downstream_rq_active")) ?? 0) < 3);
    for (const [i, client] of clients.entries()) client.send(`2\r\n${i}a\r\n`);
    for (const [i, client] of [...clients.entries()].reverse()) client.send(`2\r\n${i}b\r\n`);
    for (const client of clients) client.send("0\r\n\r\n");
    for (const [i, client] of clients.entries()) {
      await client.until((text) => text.endsWith(`<${i}a${i}b>`));
      client.close();
    }
  });

  test("knows the connection of a chunked upload by its first data, and serves on", async () => {
    const client = await RawClient.open(port);
    client.send(CHUNKED);
    while ((await proxy.stat("http.main.downstream_rq_active")) !== 1);
    client.send("2\r\nab\r\n0\r\n\r\n");
    await client.until((text) => text.endsWith("<ab>"));
    assert.doesNotMatch(client.received, /connection: close/i);
    client.send(get("/next"));
    assert.match(await client.untilClosed(), /<ab>HTTP\/1\.1 200 OK[\s\S]*<>$/);
  });

  test("ends a connection after max_requests_per_connection", async () => {
    const client = await RawClient.open(proxy.port("two"));
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await client.until((text) => text.endsWith("<>"));
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert.match(await client.untilClosed(), /<>HTTP[\s\S]*\r\nconnection: close\r\n[\s\S]*<>$/);
    assert.equal(await proxy.stat("http.two.downstream_cx_total"), 1);
  });

  test("ends an idle connection after max_connection_duration and drain_timeout", async () => {
    const client = await RawClient.open(proxy.port("short"));
    assert.equal(await client.untilClosed(), "");
    assert.equal(await proxy.stat("http.short.downstream_cx_max_duration_reached"), 1);
    while ((await proxy.stat("http.short.downstream_cx_active")) !== 0);
    assert.equal(await proxy.stat("http.short.downstream_cx_destroy"), 1);
  });
});
