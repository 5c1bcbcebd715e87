/** The same requests over both transports; what only uWS cannot do is said where it is left out. */
import assert from "node:assert/strict";
import { get as httpsGet } from "node:https";
import { after, before, describe, test } from "node:test";
import { loadUws } from "../../src/silo/downstream/uws-library.ts";
import { bootstrap, cluster, listener, tlsListener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";

const LARGE_BYTES = 8_000_000;
const load = await loadUws();

const ROUTES = `[
  {match: {path: /direct}, direct_response: {status: 418, body: {inline_string: short}}},
  {match: {prefix: /u}, route: {cluster: upstream}}]`;

const SMUGGLING: readonly (readonly [string, string])[] = [
  ["a second content-length", "content-length: 1\r\ncontent-length: 30\r\n"],
  ["a content-length given twice", "content-length: 1\r\ncontent-length: 1\r\n"],
  ["a content-length with a sign", "content-length: +1\r\n"],
  ["a list of content-lengths", "content-length: 1, 1\r\n"],
  ["an empty content-length", "content-length: \r\n"],
  ["a content-length beside chunks", "content-length: 1\r\ntransfer-encoding: chunked\r\n"],
  ["transfer-encoding identity", "transfer-encoding: identity\r\n"],
  ["transfer-encoding xchunked", "transfer-encoding: xchunked\r\n"],
  ["transfer-encoding gzip, chunked", "transfer-encoding: gzip, chunked\r\n"],
  ["chunked twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"],
  ["a second host", "host: b\r\ncontent-length: 1\r\n"],
];

function bodyOf(text: string): string {
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

function get(path: string, more = ""): string {
  return `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${more}\r\n`;
}

for (const transport of ["codec", "uws"] as const) {
  const skip = transport === "uws" && load.kind === "absent" ? load.reason : false;
  describe(`transport ${transport}`, { skip }, () => {
    let upstream: FakeUpstream;
    let proxy: ProxyProcess;
    let port = 0;

    before(async () => {
      upstream = await FakeUpstream.listen({
        onRequest: (request, connection) => {
          const { target, head, body } = request;
          if (target === "/u/large") {
            connection.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LARGE_BYTES}\r\n\r\n`);
            connection.write("x".repeat(LARGE_BYTES));
          } else if (target === "/u/large-chunked") {
            connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            const size = LARGE_BYTES.toString(16);
            connection.write(`${size}\r\n${"x".repeat(LARGE_BYTES)}\r\n0\r\n\r\n`);
          } else if (target === "/u/chunks") {
            connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            connection.write("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
          } else if (target === "/u/head") {
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
          } else if (target === "/u/none") {
            connection.write("HTTP/1.1 204 No Content\r\n\r\n");
          } else if (target === "/u/high") {
            connection.write(plainResponse(200, "", "x-high: \xe9\r\n"));
          } else if (target === "/u/hang") {
            connection.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab");
          } else {
            connection.write(plainResponse(200, head.replaceAll("\r\n", "\n") + body));
          }
        },
      });
      const yaml = bootstrap([listener({ routes: ROUTES })], [cluster("upstream", upstream.port)]);
      proxy = await startProxy({ yaml, args: ["--transport", transport] });
      port = proxy.port("main");
    });

    after(async () => {
      assert.equal(await proxy.stop(), 0, proxy.log);
      await upstream.close();
    });

    test("says which transport serves the listener", () => {
      assert.match(proxy.log, new RegExp(`listener 'main': ${transport} \\(--transport`));
    });

    test("a request reaches the upstream and the answer comes back with one Date", async () => {
      const answer = await exchange(port, get("/u/x?q=1&r?", "X-Mixed: Value\r\n"));
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(answer, /\r\nserver: granary\r\n/i);
      assert.equal(answer.match(/\r\ndate: /gi)?.length, 1);
      assert.doesNotMatch(answer, /uwebsockets/i);
      assert.match(bodyOf(answer), /^GET \/u\/x\?q=1&r\? HTTP\/1\.1\nhost: a\n/);
      assert.match(bodyOf(answer), /\nx-mixed: Value\n/);
    });

    test("bodies of both framings reach the upstream whole", async () => {
      const head = "POST /u HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
      const plain = await exchange(port, `${head}content-length: 5\r\n\r\nhello`);
      assert.match(bodyOf(plain), /\n\nhello$/);
      const chunks = "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
      const chunked = await exchange(port, `${head}transfer-encoding: chunked\r\n\r\n${chunks}`);
      assert.match(bodyOf(chunked), /\n\nhello$/);
      const large = "y".repeat(1_000_000);
      const long = await exchange(port, `${head}content-length: ${large.length}\r\n\r\n${large}`);
      assert.ok(bodyOf(long).endsWith(`\n\n${large}`));
    });

    test("one connection serves requests one after the other", async () => {
      const client = await RawClient.open(port);
      for (const n of [1, 2, 3]) {
        client.send(`GET /u/${n} HTTP/1.1\r\nhost: a\r\n\r\n`);
        await client.until((text) => text.includes(`GET /u/${n} `));
      }
      client.close();
    });

    for (const path of ["/u/large", "/u/large-chunked"]) {
      test(`a slow reader gets all of ${path}`, async () => {
        const client = await RawClient.open(port);
        client.socket.pause();
        client.send(get(path));
        // Serves another client meanwhile, so that the pause is a real one.
        assert.match(await exchange(port, get("/direct")), / 418 /);
        client.socket.resume();
        const text = await client.untilClosed();
        assert.equal(bodyOf(text).match(/x/g)?.length, LARGE_BYTES);
        assert.match(text, path === "/u/large" ? /x$/ : /x\r\n0\r\n\r\n$/);
      });
    }

    test("a chunked answer stays chunked", async () => {
      const answer = await exchange(port, get("/u/chunks"));
      assert.match(answer, /\r\ntransfer-encoding: chunked\r\n/i);
      const chunks = [...bodyOf(answer).matchAll(/[0-9a-f]+\r\n([a-e]+)\r\n/g)];
      assert.equal(chunks.map(([, bytes]) => bytes).join(""), "abcde");
      assert.match(answer, /\r\n0\r\n\r\n$/);
    });

    test("HEAD and 204 have no body and the connection goes on", async () => {
      const client = await RawClient.open(port);
      client.send("HEAD /u/head HTTP/1.1\r\nhost: a\r\n\r\n");
      const first = await client.until((text) => text.includes("\r\n\r\n"));
      assert.equal(first.match(/\r\ncontent-length: 5\r\n/gi)?.length, 1);
      client.send("GET /u/none HTTP/1.1\r\nhost: a\r\n\r\n");
      const second = await client.until((text) => text.split("\r\n\r\n").length === 3);
      assert.match(second, /\r\n\r\nHTTP\/1\.1 204 No Content\r\n/);
      assert.doesNotMatch(second.slice(first.length), /content-length|transfer-encoding/i);
      client.send(get("/direct"));
      assert.match(
        await client.untilClosed(),
        /\r\n\r\nHTTP\/1\.1 418 [^\r]*\r\n[\s\S]*\r\n\r\nshort$/,
      );
    });

    test("no route is 404 and a direct response has its body", async () => {
      assert.match(await exchange(port, get("/nowhere")), /^HTTP\/1\.1 404 Not Found\r\n/);
      const direct = await exchange(port, get("/direct"));
      assert.match(direct, /^HTTP\/1\.1 418 /);
      assert.match(direct, /\r\ncontent-length: 5\r\n/i);
      assert.equal(bodyOf(direct), "short");
    });

    test("bytes above 0x7f leave as they came", async () => {
      assert.match(await exchange(port, get("/u/high")), /\r\nx-high: \xe9\r\n/);
    });

    test("a client that goes during the answer ends its stream and no other", async () => {
      const client = await RawClient.open(port);
      client.send("GET /u/hang HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.until((text) => text.endsWith("ab"));
      client.close();
      while ((await proxy.stat("http.main.downstream_rq_active")) !== 0);
      assert.equal(await proxy.stat("http.main.downstream_rq_rx_reset"), 1);
      assert.match(await exchange(port, get("/direct")), / 418 /);
    });

    for (const [name, fields] of SMUGGLING) {
      test(`${name} is refused and nothing behind it is served`, async () => {
        const head = `POST /u/refused HTTP/1.1\r\nhost: a\r\n${fields}\r\n`;
        const alone = await exchange(port, head);
        assert.match(alone, /^HTTP\/1\.1 (400|501) /, JSON.stringify(alone));
        const all = await exchange(port, `${head}a${get("/u/smuggled")}`);
        assert.doesNotMatch(all, /smuggled| 200 /);
        const seen = upstream.connections.flatMap(({ requests }) => requests);
        assert.ok(!seen.some(({ target }) => /refused|smuggled/.test(target)));
      });
    }
  });
}

/** One GET by node:https. */
function getOverTls(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, agent: false, rejectUnauthorized: false };
    httpsGet(options, (response) => {
      let body = "";
      response.on("data", (part: Buffer) => {
        body += part.toString("latin1");
      });
      response.on("end", () => resolve(`${response.statusCode} ${body}`));
    }).on("error", reject);
  });
}

describe("transports under TLS", { skip: load.kind === "absent" ? load.reason : false }, () => {
  for (const choice of ["auto", "uws"] as const) {
    test(`--transport ${choice} serves TLS in two silos and says why`, async () => {
      const yaml = bootstrap([tlsListener({ routes: ROUTES })], [cluster("upstream", 1)]);
      const proxy = await startProxy({ yaml, concurrency: 2, args: ["--transport", choice] });
      const answers = Array.from({ length: 8 }, () => getOverTls(proxy.port("main"), "/direct"));
      for (const answer of await Promise.all(answers)) assert.equal(answer, "418 short");
      // The build that the tests install fails some cases.
      const why = choice === "auto" ? /: codec \(TLS, .*self-test/ : /: uws \(--transport uws;/;
      assert.match(proxy.log, why);
      assert.equal(await proxy.stop(), 0, proxy.log);
    });
  }
});
