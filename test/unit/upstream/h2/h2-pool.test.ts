import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";
import { describe, test } from "node:test";
import { HeaderMap } from "../../../../src/http/header-map.ts";
import { chunk, requestHeaders } from "../../../harness/cluster-rig.ts";
import { sayHello, withH2 } from "../../../harness/h2-clusters.ts";

const limits = { timeout: 10_000 };

describe("HTTP/2 upstreams", () => {
  test("one connection serves many requests at a time", limits, async () => {
    const held: ServerHttp2Stream[] = [];
    const onRequest = ({ stream }: { stream: ServerHttp2Stream }): void => {
      held.push(stream);
      if (held.length < 5) return;
      for (const one of held) sayHello({ stream: one });
    };
    await withH2({ onRequest }, {}, async (real, upstream) => {
      const all = await Promise.all(Array.from({ length: 5 }, () => real.exchange()));
      for (const { log } of all) assert.deepEqual(log, ["ready", "200", "data hello", "data  end"]);
      assert.equal(upstream.sessions.length, 1);
      assert.equal(real.stat("upstream_cx_http2_total"), 1);
      assert.equal(real.stat("upstream_rq_total"), 5);
    });
  });

  test("head, body and trailers arrive as they were sent, both ways", limits, async () => {
    const onRequest = ({ stream }: { stream: ServerHttp2Stream }): void => {
      stream.additionalHeaders({ ":status": 103 });
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "yes" }));
      stream.end("answer");
    };
    await withH2({ onRequest }, {}, async (real, upstream) => {
      const { request, events } = real.begin();
      const more = [
        ["cookie", "a=1"],
        ["x-two", "1"],
        ["x-two", "2"],
        ["te", "trailers"],
      ] as const;
      request.sendHeaders(requestHeaders("POST", more), false);
      request.sendData(chunk("first,"), false);
      request.sendData(chunk("second"), false);
      request.sendTrailers(HeaderMap.of([["x-sum", "12"]]));
      await events.over;
      assert.deepEqual(events.log, [
        "ready",
        "informational 103",
        "200",
        "data answer",
        "trailers x-end,yes",
      ]);
      const received = upstream.requests[0];
      assert.equal(received?.body, "first,second");
      assert.deepEqual(received?.trailers, ["x-sum", "12"]);
      assert.equal(received?.headers[":authority"], "a.test");
      // Two fields, which Node's server joins.
      assert.equal(received?.headers["x-two"], "1, 2");
      assert.equal(received?.headers["te"], "trailers");
    });
  });

  test("a request that never has trailers ends with its body", limits, async () => {
    await withH2({ onRequest: sayHello }, {}, async (real, upstream) => {
      const { request, events } = real.begin();
      events.requestTrailers = "never";
      request.sendHeaders(requestHeaders("POST"), false);
      request.sendData(chunk("first,"), false);
      request.sendData(chunk("last"), true);
      await events.over;
      assert.deepEqual(events.log, ["ready", "200", "data hello", "data  end"]);
      assert.deepEqual(upstream.requests[0]?.body, "first,last");
      assert.deepEqual(upstream.requests[0]?.trailers, []);
    });
  });

  test("a response without a body ends with its head", limits, async () => {
    const onRequest = ({ stream }: { stream: ServerHttp2Stream }): void =>
      stream.respond({ ":status": 204 }, { endStream: true });
    await withH2({ onRequest }, {}, async (real) => {
      assert.deepEqual((await real.exchange()).log, ["ready", "204 end"]);
    });
  });

  test("fields of one connection stay behind", limits, async () => {
    await withH2({ onRequest: sayHello }, {}, async (real, upstream) => {
      const { request, events } = real.begin();
      const more = [
        ["connection", "close"],
        ["upgrade", "x"],
        ["te", "gzip"],
      ] as const;
      request.sendHeaders(requestHeaders("GET", more), true);
      await events.over;
      const names = Object.keys(upstream.requests[0]?.headers ?? {});
      assert.deepEqual(names, [":authority", ":path", ":method", ":scheme"]);
    });
  });

  test("the peer's limit of streams is kept by further connections", limits, async () => {
    const held: ServerHttp2Stream[] = [];
    const onRequest = ({ stream }: { stream: ServerHttp2Stream }): void => {
      held.push(stream);
      if (held.length === 4) for (const one of held) sayHello({ stream: one });
    };
    const server = { settings: { maxConcurrentStreams: 2 } };
    await withH2({ onRequest, server }, {}, async (real, upstream) => {
      const first = real.send();
      await first.events.until("ready");
      // The peer's SETTINGS are known once it has answered something.
      while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
      const rest = [real.exchange(), real.exchange(), real.exchange()];
      await Promise.all([first.events.over, ...rest]);
      assert.equal(upstream.sessions.length, 2);
    });
  });

  test("requests beyond the circuit breaker are refused", limits, async () => {
    await withH2({}, { maxRequests: 1 }, async (real, upstream) => {
      const first = real.send();
      await first.events.until("ready");
      while (upstream.requests.length === 0) await new Promise((r) => setImmediate(r));
      assert.equal(real.cluster.request(first.events, { triedAddresses: [] }), null);
      assert.equal(real.cluster.lastFailure, "overflow");
      first.request.reset();
    });
  });

  test("a request that is given up is reset at the upstream, others go on", limits, async () => {
    const streams: ServerHttp2Stream[] = [];
    const onStream = (stream: ServerHttp2Stream): void => {
      streams.push(stream);
    };
    await withH2({ onStream }, {}, async (real, upstream) => {
      const lost = real.send();
      const kept = real.send();
      while (streams.length < 2) await new Promise((resolve) => setImmediate(resolve));
      const first = streams[0] as ServerHttp2Stream;
      const closed = new Promise((resolve) => first.once("close", resolve));
      lost.request.reset();
      await closed;
      assert.equal(first.rstCode, 8);
      sayHello({ stream: streams[1] as ServerHttp2Stream });
      await kept.events.over;
      assert.equal(kept.events.log.at(-1), "data  end");
      assert.equal(upstream.sessions.length, 1);
      assert.equal(real.stat("upstream_rq_tx_reset"), 1);
    });
  });

  test("a slow reader stops the response, a slow upstream the request", limits, async () => {
    const SIZE = 4_194_304;
    let sent: ServerHttp2Stream | null = null;
    const onStream = (stream: ServerHttp2Stream): void => {
      sent = stream;
      stream.respond({ ":status": 200 });
      stream.end(Buffer.alloc(SIZE));
    };
    await withH2({ onStream }, {}, async (real) => {
      const { request, events } = real.begin();
      request.pauseResponse();
      request.sendHeaders(requestHeaders("GET"), true);
      await events.until("200");
      const stream = sent as unknown as ServerHttp2Stream;
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(events.bodyBytes, 0);
      assert.equal(stream.writableFinished, false);
      request.resumeResponse();
      await events.over;
      assert.equal(events.bodyBytes, SIZE);
    });
    const paused: ServerHttp2Stream[] = [];
    const hold = (stream: ServerHttp2Stream): void => {
      stream.pause();
      paused.push(stream);
      setImmediate(() => stream.pause());
    };
    await withH2({ onStream: hold }, { perConnectionBufferBytes: 100_000 }, async (real) => {
      const { request, events } = real.begin();
      request.sendHeaders(requestHeaders("POST"), false);
      request.sendData(chunk("x".repeat(1_000_000)), false);
      await events.until("high");
      while (paused.length === 0) await new Promise((resolve) => setImmediate(resolve));
      setImmediate(() => setImmediate(() => paused[0]?.resume()));
      await events.until("low");
      request.reset();
    });
  });

  test("a body that is not as long as announced ends the attempt", limits, async () => {
    await withH2({}, {}, async (real) => {
      const { request, events } = real.begin();
      request.sendHeaders(requestHeaders("POST", [["content-length", "3"]]), false);
      request.sendData(chunk("four"), true);
      await events.over;
      assert.equal(events.log.at(-1), "reset protocolError");
    });
  });

  test("GOAWAY ends a connection after its last request", limits, async () => {
    const held: ServerHttp2Stream[] = [];
    const onRequest = ({ stream }: { stream: ServerHttp2Stream }): void => {
      held.push(stream);
      if (held.length > 1) sayHello({ stream });
    };
    await withH2({ onRequest }, {}, async (real, upstream) => {
      const first = real.send();
      while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
      upstream.sessions[0]?.goaway();
      while (upstream.sessions.length < 2) {
        // A stream that crosses the GOAWAY is refused: it may be tried again.
        assert.match((await real.exchange()).log[1] ?? "", /^(200|reset remoteRefused)$/);
      }
      sayHello({ stream: held[0] as ServerHttp2Stream });
      await first.events.over;
      assert.equal(first.events.log.at(-1), "data  end");
    });
  });

  test(
    "idle connections are closed after their time, and when the cluster drains",
    limits,
    async () => {
      await withH2({ onRequest: sayHello }, { idleTimeoutMs: 20 }, async (real, upstream) => {
        await real.exchange();
        const session = upstream.sessions[0];
        await new Promise<void>((resolve) => session?.once("close", () => resolve()));
        assert.equal(real.stat("upstream_cx_idle_timeout"), 1);
      });
      await withH2({ onRequest: sayHello }, {}, async (real, upstream) => {
        await real.exchange();
        const closed = new Promise((resolve) => upstream.sessions[0]?.once("close", resolve));
        real.clusters.drain();
        await closed;
      });
    },
  );

  test("a connection ends after its last permitted request", limits, async () => {
    await withH2(
      { onRequest: sayHello },
      { maxRequestsPerConnection: 2 },
      async (real, upstream) => {
        for (let i = 0; i < 4; i++) await real.exchange();
        assert.equal(upstream.sessions.length, 2);
      },
    );
  });
});
