import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import type { KeepaliveConfig } from "../../../../src/config/types.ts";
import { HTTP2, sayHello, withH2, withPort } from "../../../harness/h2-clusters.ts";
import { FLAG, FRAME, frame, rawH2Upstream, STATUS_200 } from "../../../harness/h2-upstream.ts";

const limits = { timeout: 10_000 };
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function alive(settings: Partial<KeepaliveConfig>) {
  const none = { intervalMs: 0, timeoutMs: 60, jitterPercent: 0, idleMs: 0 };
  return { http2: { ...HTTP2, keepalive: { ...none, ...settings } } };
}

/** A raw peer that answers no PING: `answer` is for requests. */
async function withDeaf(
  settings: Partial<KeepaliveConfig>,
  answer: (socket: Socket, stream: number) => void,
  body: Parameters<typeof withPort>[2],
): Promise<void> {
  const upstream = await rawH2Upstream(answer);
  try {
    await withPort(upstream.port, alive(settings), body);
  } finally {
    await upstream.close();
  }
}

const answerAtOnce = (socket: Socket, stream: number): void => {
  socket.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, STATUS_200));
};

describe("connection_keepalive of HTTP/2 upstreams", () => {
  test("a peer that answers is asked again and again, and kept", limits, async () => {
    await withH2(
      { onRequest: sayHello },
      alive({ intervalMs: 5, timeoutMs: 5_000 }),
      async (real, upstream) => {
        await real.exchange();
        let pings = 0;
        upstream.sessions[0]?.on("ping", () => pings++);
        while (pings < 5) await nextTurn();
        assert.equal(real.stat("upstream_cx_active"), 1);
        assert.equal(real.stat("http2.keepalive_timeout"), 0);
      },
    );
  });

  test("one that does not is closed, and its request ends", limits, async () => {
    await withDeaf(
      { intervalMs: 5 },
      () => undefined,
      async (real) => {
        const { log } = await real.exchange();
        assert.deepEqual(log, ["ready", "reset connectionTermination"]);
        assert.equal(real.stat("http2.keepalive_timeout"), 1);
        assert.equal(real.stat("upstream_cx_destroy_local_with_active_rq"), 1);
        // As Envoy counts it: nobody reset the request.
        for (const name of ["cx_protocol_error", "rq_rx_reset", "rq_tx_reset"])
          assert.equal(real.stat(`upstream_${name}`), 0, name);
      },
    );
  });

  test("an idle connection is closed as well", limits, async () => {
    await withDeaf({ intervalMs: 5 }, answerAtOnce, async (real) => {
      assert.deepEqual((await real.exchange()).log, ["ready", "200 end"]);
      while (real.stat("upstream_cx_active") > 0) await nextTurn();
      assert.equal(real.stat("http2.keepalive_timeout"), 1);
    });
  });

  test(
    "a request on a connection that was idle for long finds a dead one out",
    limits,
    async () => {
      let asked = 0;
      const first = (socket: Socket, stream: number): void => {
        if (++asked === 1) answerAtOnce(socket, stream);
      };
      await withDeaf({ idleMs: 20 }, first, async (real) => {
        assert.deepEqual((await real.exchange()).log, ["ready", "200 end"]);
        await new Promise((resolve) => setTimeout(resolve, 40));
        const { log } = await real.exchange();
        assert.deepEqual(log, ["ready", "reset connectionTermination"]);
        assert.equal(real.stat("http2.keepalive_timeout"), 1);
      });
    },
  );
});
