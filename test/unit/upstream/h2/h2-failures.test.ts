import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { against, withH2, withPort } from "../../../harness/h2-clusters.ts";
import { FLAG, FRAME, frame, rawH2Upstream, STATUS_200 } from "../../../harness/h2-upstream.ts";

const EMPTY = new Uint8Array(0);
const limits = { timeout: 10_000 };

describe("HTTP/2 upstreams that fail", () => {
  test("resets carry their reason", limits, async () => {
    const resetWith = (code: number) => ({
      onStream: (stream: ServerHttp2Stream) => stream.close(code),
    });
    for (const [code, reason] of [
      [2, "remoteReset"],
      [7, "remoteRefused"],
      [11, "remoteReset"],
    ] as const) {
      await withH2(resetWith(code), {}, async (real) => {
        assert.deepEqual((await real.exchange()).log, ["ready", `reset ${reason}`]);
      });
    }
  });

  test("a reset in the body, or in the trailers' place, ends the response", limits, async () => {
    const log = await against((socket, stream) => {
      socket.write(frame(FRAME.headers, FLAG.endHeaders, stream, STATUS_200));
      socket.write(frame(FRAME.data, 0, stream, Buffer.from("half")));
      socket.write(frame(FRAME.reset, 0, stream, Uint8Array.of(0, 0, 0, 2)));
    });
    assert.deepEqual([log[1], log.at(-1)], ["200", "reset remoteReset"]);
  });

  test("a connection that breaks ends all its requests", limits, async () => {
    const streams: ServerHttp2Stream[] = [];
    const onStream = (stream: ServerHttp2Stream): void => {
      streams.push(stream);
      if (streams.length === 3) stream.session?.destroy();
    };
    await withH2({ onStream }, {}, async (real) => {
      const all = await Promise.all([real.exchange(), real.exchange(), real.exchange()]);
      for (const { log } of all) assert.match(log.at(-1) ?? "", /^reset (remoteReset|connection)/);
      assert.equal(real.stat("upstream_cx_destroy_remote_with_active_rq"), 1);
    });
  });

  test("nobody listening is a connect failure", limits, async () => {
    await withPort(1, {}, async (real) => {
      assert.deepEqual((await real.exchange()).log, ["reset connectFailure"]);
    });
  });

  test("a peer whose frames make no sense is not used again", limits, async () => {
    const early = (socket: Socket, stream: number): void => {
      socket.write(frame(FRAME.data, 0, stream, Buffer.from("before its head")));
    };
    const other = (socket: Socket): void => {
      socket.write("HTTP/1.1 400 Bad\r\n\r\n");
    };
    for (const answer of [early, other]) {
      const upstream = await rawH2Upstream(answer);
      await withPort(upstream.port, { connectTimeoutMs: 50 }, async (real) => {
        const { request, events } = real.send();
        await events.until("ready");
        // Nobody says what has become of it: the router's timeout ends it.
        request.reset("timeout");
        while (real.stat("upstream_cx_active") > 0) await new Promise((r) => setImmediate(r));
        assert.equal(real.stat("upstream_cx_protocol_error"), 1);
      });
      await upstream.close();
    }
  });

  test("a peer that answers PING is kept after a request that was given up", limits, async () => {
    await withH2({}, { connectTimeoutMs: 1_000 }, async (real, upstream) => {
      const { request, events } = real.send();
      await events.until("ready");
      while (upstream.requests.length === 0) await new Promise((r) => setImmediate(r));
      const session = upstream.sessions[0];
      const pinged = new Promise((resolve) => session?.once("ping", resolve));
      request.reset("timeout");
      await pinged;
      assert.equal(real.stat("upstream_cx_active"), 1);
    });
  });

  test("streams that GOAWAY leaves out were refused, those before it go on", limits, async () => {
    const seen: number[] = [];
    const upstream = await rawH2Upstream((socket, stream) => {
      if (seen.push(stream) < 3) return;
      const last = Uint8Array.of(0, 0, 0, seen[0] ?? 0, 0, 0, 0, 0);
      socket.write(frame(FRAME.goaway, 0, 0, last));
      const flags = FLAG.endHeaders | FLAG.endStream;
      socket.write(frame(FRAME.headers, flags, seen[0] ?? 0, STATUS_200));
    });
    await withPort(upstream.port, {}, async (real) => {
      const all = await Promise.all([real.exchange(), real.exchange(), real.exchange()]);
      assert.deepEqual(
        all.map(({ log }) => log.at(-1)),
        ["200 end", "reset remoteRefused", "reset remoteRefused"],
      );
    });
    await upstream.close();
  });

  test("a response without a status is a protocol error", limits, async () => {
    const log = await against((socket, stream) => {
      // Literal header "a: b" without any pseudo-header.
      const block = Uint8Array.of(0x00, 0x01, 0x61, 0x01, 0x62);
      socket.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, block));
    });
    assert.equal(log.at(-1), "reset protocolError");
  });

  test("a header list over the limit is refused", limits, async () => {
    const onRequest = ({ stream }: { stream: ServerHttp2Stream }): void => {
      stream.respond({ ":status": 200, "x-big": "x".repeat(20_000) }, { endStream: true });
    };
    await withH2({ onRequest }, { maxHeadersBytes: 8_192 }, async (real) => {
      assert.match((await real.exchange()).log.at(-1) ?? "", /^reset /);
    });
  });

  test("a body that is not as long as its content-length is a reset", limits, async () => {
    const log = await against((socket, stream) => {
      // content-length: 9 (static index 28, literal without indexing).
      const block = Uint8Array.of(...STATUS_200, 0x0f, 0x0d, 0x01, 0x39);
      socket.write(frame(FRAME.headers, FLAG.endHeaders, stream, block));
      socket.write(frame(FRAME.data, FLAG.endStream, stream, Buffer.from("abc")));
    });
    assert.match(log.at(-1) ?? "", /^reset /);
  });

  test(
    "a stream that ends without END_STREAM does not hang when the socket closes",
    limits,
    async () => {
      const log = await against((socket, stream) => {
        socket.write(frame(FRAME.headers, FLAG.endHeaders, stream, STATUS_200));
        socket.end(frame(FRAME.data, 0, stream, EMPTY));
      });
      assert.match(log.at(-1) ?? "", /^reset /);
    },
  );
});
