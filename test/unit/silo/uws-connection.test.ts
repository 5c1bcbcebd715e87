import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Turn } from "../../../src/base/turn.ts";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { BodySlab } from "../../../src/shm/body-slab.ts";
import { createBodySlab } from "../../../src/shm/body-slab-layout.ts";
import { UwsConnection } from "../../../src/silo/downstream/uws-connection.ts";
import type { HttpManager } from "../../../src/silo/http-manager.ts";
import { TimerWheel } from "../../../src/silo/timer-wheel.ts";
import { FakeUwsHandle } from "../../harness/fake-uws.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

interface Limits {
  readonly drainTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly maxConnectionDurationMs?: number;
  readonly maxRequestsPerConnection?: number;
}

function rig(limits: Limits = {}) {
  const clock = new ManualClock();
  const counts = { idle: 0, gone: 0, deaf: 0 };
  // Every stat that no case looks at.
  const quiet = { inc: () => {}, dec: () => {}, record: () => {} };
  const others = { get: (own: Record<string, unknown>, name: string) => own[name] ?? quiet };
  const manager = {
    hcm: {
      idleTimeoutMs: 3_600_000,
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      delayedCloseTimeoutMs: 1_000,
      drainTimeoutMs: 0,
      ...limits,
    },
    draining: false,
    stats: new Proxy({ downstream_cx_idle_timeout: { inc: () => counts.idle++ } }, others),
    listenerStats: new Proxy({}, others),
    listener: { perConnectionBufferBytes: 4 },
    silo: {
      clock,
      wheel: new TimerWheel(clock),
      turn: new Turn(clock),
      nextConnectionId: () => 7,
    },
  } as unknown as HttpManager;
  const socket = new FakeUwsHandle();
  const owner = {
    manager,
    slab: new BodySlab(createBodySlab(4_194_304)),
    closedUntold: false,
    dataArrived: () => {},
    responseEnded: () => counts.deaf++,
    forgetCloses: () => {},
    closeTold: () => {},
    connectionGone: () => counts.gone++,
  };
  const remote = { remoteIp: "1.2.3.4", remotePort: 5, directIp: "1.2.3.4", directPort: 5 };
  const ends = { ...remote, localIp: "::1", localPort: 80, tls: null };
  const connection = new UwsConnection(owner, socket, ends);
  return { clock, counts, connection, socket, owner };
}

function answer({ connection }: { readonly connection: UwsConnection }): FakeUwsHandle {
  const handle = new FakeUwsHandle();
  connection.exchange.start(handle);
  connection.exchange.keepAlive = connection.countRequest();
  connection.exchange.encodeHeaders(HeaderMap.of([[":status", "200"]]), true, false);
  return handle;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("uws connection", () => {
  test("starts uWS's own idle time anew before it is over, until idle_timeout", () => {
    const { clock, counts, socket } = rig({ idleTimeoutMs: 60_000 });
    for (let second = 0; second < 59; second++) {
      clock.advance(1_000);
      // uWS closes after 8 s at the earliest.
      assert.ok(socket.resumes >= Math.floor((second + 1) / 8), `${second} s`);
      assert.equal(socket.paused, false);
    }
    assert.deepEqual([socket.closed, counts.idle], [false, 0]);
    clock.advance(1_100);
    assert.deepEqual([socket.closed, counts.idle, counts.gone], [true, 1, 1]);
  });

  test("counts idle time from the end of the last response", async () => {
    const all = rig({ idleTimeoutMs: 4_000 });
    all.clock.advance(3_000);
    answer(all);
    all.clock.advance(3_900);
    await nextTurn();
    assert.equal(all.socket.closed, false);
    all.clock.advance(200);
    await nextTurn();
    assert.equal(all.socket.closed, true);
  });

  test("answers with close for drain_timeout before an idle connection closes", async () => {
    const all = rig({ idleTimeoutMs: 4_000, drainTimeoutMs: 5_000 });
    answer(all);
    all.clock.advance(4_100);
    await nextTurn();
    assert.deepEqual([all.socket.closed, all.counts.idle], [false, 1]);
    all.clock.advance(5_100);
    await nextTurn();
    assert.equal(all.socket.closed, true);
    const used = rig({ idleTimeoutMs: 4_000, drainTimeoutMs: 5_000 });
    answer(used);
    used.clock.advance(4_100);
    assert.deepEqual(answer(used).head, ["200 OK", "connection: close"]);
  });

  test("leaves a connection held back whose request is, though its time starts anew", () => {
    const { clock, connection, socket } = rig();
    const handle = new FakeUwsHandle();
    connection.exchange.start(handle);
    connection.exchange.open(null as never, true);
    connection.exchange.pauseRequest();
    // Another object of the same connection.
    socket.paused = handle.paused;
    clock.advance(20_100);
    assert.deepEqual([socket.resumes, socket.paused], [4, true]);
  });

  test("closes behind the last request that the configuration allows", async () => {
    const all = rig({ maxRequestsPerConnection: 2 });
    assert.deepEqual(answer(all).head, ["200 OK"]);
    assert.deepEqual(answer(all).head, ["200 OK", "connection: close"]);
    assert.equal(all.connection.closing, true);
    await nextTurn();
    assert.equal(all.socket.closed, true);
  });

  test("closes at the end of its lifetime: at once when idle, else behind the response", async () => {
    const idle = rig({ maxConnectionDurationMs: 1_000 });
    idle.clock.advance(1_100);
    await nextTurn();
    assert.equal(idle.socket.closed, true);
    const busy = rig({ maxConnectionDurationMs: 1_000 });
    const handle = new FakeUwsHandle();
    busy.connection.exchange.start(handle);
    busy.clock.advance(1_100);
    await nextTurn();
    assert.equal(busy.socket.closed, false);
    busy.connection.exchange.encodeHeaders(HeaderMap.of([[":status", "200"]]), true, false);
    await nextTurn();
    assert.deepEqual([handle.head, busy.socket.closed], [["200 OK", "connection: close"], true]);
  });

  test("is gone when uWS closed it within the call that ended the response", () => {
    const all = rig();
    all.owner.closedUntold = true;
    answer(all);
    assert.deepEqual([all.counts.gone, all.counts.deaf], [1, 0]);
    all.socket.dead = true;
    all.clock.advance(60_000);
  });

  test("never touches uWS's object while in doubt, and is forgotten after it", () => {
    const { clock, connection, counts, socket } = rig({ maxConnectionDurationMs: 7_000 });
    connection.doubt();
    // Any touch would throw.
    socket.dead = true;
    connection.drain();
    clock.advance(60_000);
    assert.deepEqual([counts.gone, socket.resumes], [1, 0]);
  });

  test("is beyond doubt when data comes", () => {
    const { clock, connection, socket } = rig();
    connection.doubt();
    socket.receive("", true);
    clock.advance(6_000);
    assert.equal(socket.resumes, 1);
  });
});
