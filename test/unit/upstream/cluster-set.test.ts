import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { clusterConfig, endpointConfig } from "../../harness/cluster-config.ts";
import { chunk, requestHeaders } from "../../harness/cluster-rig.ts";
import { FakeUpstream, plainResponse } from "../../harness/fake-upstream.ts";
import { headerOf } from "../../harness/raw-requests.ts";
import { RealClusters, withUpstream } from "../../harness/real-clusters.ts";

const hello = { onRequest: (_: unknown, peer: { write(text: string): void }) => peer.write(HELLO) };
const HELLO = plainResponse(200, "hello");
const OTHER = plainResponse(200, "other");
const MIB = 1_048_576;

describe("clusters over sockets", () => {
  test("requests one after the other share a connection", async () => {
    await withUpstream(hello, {}, async (real, upstream) => {
      for (let i = 0; i < 5; i++) {
        const { log } = await real.exchange();
        assert.deepEqual(log, ["ready", "200", "data hello end"]);
      }
      assert.equal(upstream.connections.length, 1);
      assert.equal(upstream.connections[0]?.requests.length, 5);
      assert.equal(real.stat("upstream_cx_total"), 1);
      assert.equal(real.stat("upstream_rq_total"), 5);
      assert.equal(real.stat("upstream_cx_rx_bytes_total"), 5 * HELLO.length);
    });
  });

  test("requests at the same time have a connection each", async () => {
    await withUpstream(hello, {}, async (real, upstream) => {
      const all = await Promise.all([real.exchange(), real.exchange(), real.exchange()]);
      assert.ok(all.every(({ log }) => log.at(-1) === "data hello end"));
      assert.equal(upstream.connections.length, 3);
    });
  });

  test("the connection's addresses are told", async () => {
    await withUpstream(hello, {}, async (real, upstream) => {
      const { connection } = await real.exchange();
      assert.equal(connection?.endpoint.address, `127.0.0.1:${upstream.port}`);
      const port = upstream.connections[0]?.socket.remotePort;
      assert.equal(connection?.localAddress, `127.0.0.1:${port}`);
      assert.equal(connection?.tls, null);
    });
  });

  test("a chunked body with trailers arrives as it was sent, and the answer's too", async () => {
    await withUpstream({}, {}, async (real, upstream) => {
      const { request, events } = real.begin();
      request.sendHeaders(requestHeaders("POST"), false);
      request.sendData(chunk("first,"), false);
      request.sendData(chunk("second"), false);
      request.sendTrailers(HeaderMap.of([["x-sum", "12"]]));
      const peer = await upstream.nextConnection();
      const received = await peer.nextRequest();
      assert.equal(received.body, "first,second");
      assert.deepEqual(received.trailers, [["x-sum", "12"]]);
      assert.equal(headerOf(received, "host"), "a.test");
      peer.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
      peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
      await events.until("data ok");
      peer.write("0\r\nx-end: 1\r\n\r\n");
      await events.over;
      assert.deepEqual(events.log, [
        "ready",
        "informational 103",
        "200",
        "data ok",
        "trailers x-end,1",
      ]);
    });
  });

  test("the answer to HEAD has no body and keeps the connection", async () => {
    await withUpstream(
      {
        onRequest: (request, peer) => {
          const head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
          peer.write(request.method === "HEAD" ? head : HELLO);
        },
      },
      {},
      async (real, upstream) => {
        const { events } = real.send("HEAD");
        await events.over;
        assert.deepEqual(events.log, ["ready", "200 end"]);
        assert.equal((await real.exchange()).log.at(-1), "data hello end");
        assert.equal(upstream.connections.length, 1);
      },
    );
  });

  test("nobody listens: connectFailure with the kernel's reason", async () => {
    const gone = await FakeUpstream.listen();
    const { port } = gone;
    await gone.close();
    const real = new RealClusters([
      clusterConfig({ endpoints: [endpointConfig("127.0.0.1", port)] }),
    ]);
    const events = await real.exchange();
    assert.deepEqual(events.log, ["reset connectFailure"]);
    assert.equal(events.resetDetail, "delayed connect error: Connection refused");
    await real.close();
  });

  test("the upstream closes before the head, inside the body, and resets", async () => {
    const part = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart";
    await withUpstream({}, {}, async (real, upstream) => {
      const before = real.send().events;
      (await upstream.nextConnection()).end();
      await before.over;
      assert.deepEqual(before.log, ["ready", "reset connectionTermination"]);

      const inside = real.send().events;
      const second = await upstream.nextConnection();
      second.write(part);
      second.end();
      await inside.over;
      assert.deepEqual(inside.log.at(-1), "reset protocolError");

      const reset = real.send().events;
      const third = await upstream.nextConnection();
      await third.nextRequest();
      third.reset();
      await reset.over;
      assert.deepEqual(reset.log, ["ready", "reset connectionTermination"]);
      assert.equal(real.stat("upstream_rq_rx_reset"), 3);
    });
  });

  test("a malformed response is a protocol error and closes the connection", async () => {
    const bad = {
      onRequest: (_: unknown, peer: { write(t: string): void }) => peer.write("NO\r\n"),
    };
    await withUpstream(bad, {}, async (real, upstream) => {
      const events = await real.exchange();
      assert.deepEqual(events.log, ["ready", "reset protocolError"]);
      await upstream.connections[0]?.closed;
    });
  });

  test("a response before the end of the request is delivered, and closes", async () => {
    const options = {
      onHead: (_: unknown, peer: { write(text: string): void }) =>
        peer.write(plainResponse(413, "no")),
    };
    await withUpstream(options, {}, async (real, upstream) => {
      const { request, events } = real.begin();
      request.sendHeaders(requestHeaders("POST", [["content-length", "1000"]]), false);
      request.sendData(chunk("part"), false);
      await events.over;
      assert.deepEqual(events.log, ["ready", "413", "data no end"]);
      await upstream.connections[0]?.closed;
    });
  });

  test("a connection closed while idle is not used again", async () => {
    await withUpstream(hello, {}, async (real, upstream) => {
      await real.exchange();
      const [first] = upstream.connections;
      first?.end();
      await first?.closed;
      assert.equal((await real.exchange()).log.at(-1), "data hello end");
      assert.equal(upstream.connections.length, 2);
    });
  });

  test("a reset request closes the connection to the upstream", async () => {
    await withUpstream({}, {}, async (real, upstream) => {
      const { request, events } = real.send();
      const peer = await upstream.nextConnection();
      await peer.nextRequest();
      request.reset();
      await peer.closed;
      assert.deepEqual(events.log, ["ready"]);
    });
  });
});

describe("backpressure over sockets", () => {
  test("the watermark rises while the upstream does not read, and falls when it does", async () => {
    const limits = { perConnectionBufferBytes: 64 * 1024 };
    const slow = { onConnection: (peer: { socket: { pause(): void } }) => peer.socket.pause() };
    await withUpstream(slow, limits, async (real, upstream) => {
      const { request, events } = real.begin();
      request.sendHeaders(requestHeaders("POST"), false);
      await events.until("ready");
      const peer = await upstream.nextConnection();
      const part = chunk("x".repeat(MIB));
      let sent = 0;
      while (!events.log.includes("high")) {
        request.sendData(part, false);
        sent += part.byteLength;
        assert.ok(sent < 64 * MIB, "the kernel takes everything");
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      peer.socket.resume();
      await events.until("low");
      request.sendData(chunk("!"), true);
      const received = await peer.nextRequest();
      assert.equal(received.bodyBytes, sent + 1);
      assert.equal(part.references, 1);
      peer.write(HELLO);
      await events.over;
    });
  });

  test("a paused response stops the upstream, and all of it comes after the resume", async () => {
    const total = 32 * MIB;
    const options = {
      onRequest: (_: unknown, peer: { write(text: string): void }) =>
        peer.write(plainResponse(200, "y".repeat(total))),
    };
    await withUpstream(options, {}, async (real, upstream) => {
      const { request, events } = real.begin();
      events.onEvent = (line) => {
        if (line === "200") request.pauseResponse();
      };
      request.sendHeaders(requestHeaders("GET"), true);
      await events.until("200");
      const peer = await upstream.nextConnection();
      for (let i = 0; i < 20; i++) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      assert.ok(peer.socket.writableLength > 0, "the upstream is held back");
      assert.ok(events.bodyBytes <= 4 * 65_536, `${events.bodyBytes} bytes came while paused`);
      request.resumeResponse();
      await events.over;
      assert.equal(events.bodyBytes, total);
    });
  });
});

describe("cluster set", () => {
  test("knows its clusters by name", () => {
    const real = new RealClusters([clusterConfig(), clusterConfig({ name: "b" })]);
    assert.deepEqual(
      real.clusters.all().map((cluster) => cluster.config.name),
      ["a", "b"],
    );
    assert.equal(real.clusters.get("c"), null);
    real.clusters.close();
  });

  test("is ready when names are looked up, and reaches localhost by name", async () => {
    const upstream = await FakeUpstream.listen(hello);
    const real = new RealClusters([
      clusterConfig({
        type: "strictDns",
        dnsFamily: "v4only",
        endpoints: [endpointConfig("localhost", upstream.port)],
      }),
    ]);
    assert.equal(real.cluster.endpointCount, 0);
    await real.clusters.ready;
    assert.equal(real.cluster.endpointCount, 1);
    const events = await real.exchange();
    assert.equal(events.log.at(-1), "data hello end");
    assert.equal(events.connection?.endpoint.hostname, "localhost");
    await real.close();
    await upstream.close();
  });

  test("drain closes idle connections", async () => {
    await withUpstream(hello, {}, async (real, upstream) => {
      await real.exchange();
      real.clusters.drain();
      await upstream.connections[0]?.closed;
    });
  });
});

describe("clusters that are replaced", () => {
  test("go on with what they have, and new requests go to the new ones", async () => {
    const other = await FakeUpstream.listen({ onRequest: (_, peer) => peer.write(OTHER) });
    await withUpstream({}, {}, async (real, upstream) => {
      const { request, events } = real.begin();
      request.sendHeaders(requestHeaders("GET"), true);
      const peer = await upstream.nextConnection();
      await peer.nextRequest();
      const config = clusterConfig({
        name: "a",
        endpoints: [endpointConfig("127.0.0.1", other.port)],
      });
      const change = real.clusters.stage([config]);
      await change.ready;
      change.commit([]);
      const next = await real.exchange();
      assert.equal(next.log.at(-1), "data other end");
      peer.write(HELLO);
      await events.over;
      assert.equal(events.log.at(-1), "data hello end");
      await peer.closed;
      assert.equal(real.stat("membership_total"), 1);
    });
    await other.close();
  });

  test("keep connections and counts where only endpoints come and go", async () => {
    const other = await FakeUpstream.listen({ onRequest: (_, peer) => peer.write(OTHER) });
    await withUpstream(hello, {}, async (real, upstream) => {
      const before = real.cluster;
      await real.exchange();
      const [first] = before.config.endpoints;
      const endpoints = [first ?? assert.fail(), endpointConfig("127.0.0.1", other.port)];
      const change = real.clusters.stage([{ ...before.config, endpoints }]);
      await change.ready;
      assert.equal(before.endpointCount, 1, "nothing has changed before the commit");
      change.commit([]);
      assert.equal(real.cluster, before);
      const answers = [await real.exchange(), await real.exchange()].map(({ log }) => log.at(-1));
      assert.deepEqual(answers.sort(), ["data hello end", "data other end"]);
      assert.equal(upstream.connections.length, 1, "the connection is used again");
      assert.equal(real.stat("membership_total"), 2);
      real.clusters.stage([{ ...before.config, endpoints: endpoints.slice(1) }]).commit([]);
      await upstream.connections[0]?.closed;
      assert.equal((await real.exchange()).log.at(-1), "data other end");
      assert.equal(real.stat("membership_total"), 1);
      // Anything else that differs makes another cluster.
      real.clusters.stage([{ ...before.config, endpoints, maxRetries: 9 }]).commit([]);
      assert.notEqual(real.cluster, before);
    });
    await other.close();
  });

  test("stay when the change is discarded", async () => {
    await withUpstream(hello, {}, async (real) => {
      const before = real.cluster;
      const change = real.clusters.stage([clusterConfig()]);
      change.discard();
      assert.equal(real.cluster, before);
      assert.equal(real.stat("membership_total"), 1);
      assert.equal((await real.exchange()).log.at(-1), "data hello end");
    });
  });

  test("are gone when they are removed", async () => {
    await withUpstream(hello, {}, async (real, upstream) => {
      await real.exchange();
      real.clusters.stage([]).commit(["a"]);
      assert.equal(real.clusters.get("a"), null);
      await upstream.connections[0]?.closed;
      assert.equal(real.stat("membership_total"), 0);
    });
  });
});
