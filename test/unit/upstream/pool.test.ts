import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClusterRig, OK, requestHeaders } from "../../harness/cluster-rig.ts";

const CLOSING = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

describe("pool: connections", () => {
  test("an idle connection serves the next request, in one write and at once", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    const { events } = rig.get();
    assert.deepEqual(events.log, ["ready"]);
    assert.equal(events.connection?.poolReadyMs, 0);
    assert.deepEqual(connection.writes, ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]);
    assert.equal(rig.connections.length, 1);
    assert.equal(rig.clock.timerCount, 1, "only the pool's idle timer waits");
  });

  test("a request without an idle connection waits for a new one", () => {
    const rig = new ClusterRig();
    const { events } = rig.get();
    assert.deepEqual(events.log, []);
    rig.clock.advance(12);
    rig.connection(0).events.onConnect();
    assert.deepEqual(events.log, ["ready"]);
    assert.equal(events.connection?.poolReadyMs, 12);
    assert.equal(events.connection?.localAddress, "10.0.0.99:40000");
    assert.equal(events.connection?.endpoint.address, "10.0.0.1:80");
    assert.deepEqual(rig.metrics.recordsOf("cluster.a.upstream_cx_connect_ms"), [12]);
  });

  test("the connection that became idle last is used first", () => {
    const rig = new ClusterRig();
    const first = rig.get();
    const second = rig.get();
    rig.connection(0).events.onConnect();
    rig.connection(1).events.onConnect();
    rig.connection(1).receive(OK);
    rig.connection(0).receive(OK);
    assert.deepEqual([first.events.log.length, second.events.log.length], [3, 3]);
    rig.get();
    assert.equal(rig.connection(0).writes.length, 2);
    assert.equal(rig.connection(1).writes.length, 1);
  });

  test("the connection is free before the router hears the end of the response", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    const { events } = rig.get();
    events.onEvent = (line) => {
      if (line === "data ok end") rig.get();
    };
    connection.receive(OK);
    assert.equal(rig.connections.length, 1);
    assert.equal(connection.writes.length, 2);
  });

  test("a freed connection goes to the request that waits longest", () => {
    const rig = new ClusterRig({ maxConnections: 1 });
    const [first, second, third] = [rig.get(), rig.get(), rig.get()];
    rig.connection(0).events.onConnect();
    rig.connection(0).receive(OK);
    assert.deepEqual(first.events.log.at(-1), "data ok end");
    assert.deepEqual(second.events.log, ["ready"]);
    assert.deepEqual(third.events.log, []);
    rig.connection(0).receive(OK);
    assert.deepEqual(third.events.log, ["ready"]);
    assert.equal(rig.connections.length, 1);
  });

  test("a response with connection: close closes", () => {
    const rig = new ClusterRig();
    rig.get();
    const connection = rig.connection(0);
    connection.events.onConnect();
    connection.receive(CLOSING);
    assert.ok(connection.destroyed);
    rig.get();
    assert.equal(rig.connections.length, 2);
    assert.equal(rig.stat("upstream_cx_destroy_local"), 1);
    assert.equal(rig.stat("upstream_cx_destroy_with_active_rq"), 0);
  });

  test("an HTTP/1.0 response closes unless it says keep-alive", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    rig.get();
    connection.receive("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n");
    assert.ok(!connection.destroyed);
    rig.get();
    connection.receive("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert.ok(connection.destroyed);
  });

  test("a connection that its peer closed while idle is dropped", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    connection.events.onPeerEnd();
    assert.ok(connection.destroyed);
    rig.get();
    assert.equal(rig.connections.length, 2);
    assert.equal(rig.stat("upstream_cx_destroy_remote"), 1);
    assert.equal(rig.stat("upstream_cx_active"), 1);
  });

  test("bytes that nobody asked for close the connection as a protocol error", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    connection.receive(OK);
    assert.ok(connection.destroyed);
    assert.equal(rig.stat("upstream_cx_protocol_error"), 1);
  });

  test("bytes behind a response are not given to the next request", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    const { events } = rig.get();
    connection.receive(OK + OK);
    assert.equal(events.log.at(-1), "data ok end");
    assert.ok(connection.destroyed);
  });

  test("max_requests_per_connection closes after the last permitted response", () => {
    const rig = new ClusterRig({ maxRequestsPerConnection: 2 });
    const connection = rig.warm();
    rig.get();
    connection.receive(OK);
    assert.ok(connection.destroyed);
    assert.equal(rig.stat("upstream_cx_max_requests"), 1);
  });

  test("idle connections are closed after the idle timeout, used ones are not", () => {
    const rig = new ClusterRig({ idleTimeoutMs: 1000 });
    const first = rig.get();
    const second = rig.get();
    for (const connection of rig.connections) connection.events.onConnect();
    rig.connection(0).receive(OK);
    rig.clock.advance(400);
    rig.connection(1).receive(OK);
    assert.ok(first.events.log.length === 3 && second.events.log.length === 3);
    rig.clock.advance(599);
    assert.ok(!rig.connection(0).destroyed);
    rig.clock.advance(1);
    assert.ok(rig.connection(0).destroyed);
    assert.ok(!rig.connection(1).destroyed);
    rig.clock.advance(400);
    assert.ok(rig.connection(1).destroyed);
    assert.equal(rig.stat("upstream_cx_idle_timeout"), 2);
    assert.equal(rig.clock.timerCount, 0);
  });

  test("an idle timeout of zero never closes", () => {
    const rig = new ClusterRig({ idleTimeoutMs: 0 });
    const connection = rig.warm();
    rig.clock.advance(1e9);
    assert.ok(!connection.destroyed);
    assert.equal(rig.clock.timerCount, 0);
  });

  test("bytes both ways are counted once", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    const sent = "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n".length;
    rig.get();
    connection.receive(OK);
    assert.equal(rig.stat("upstream_cx_tx_bytes_total"), 2 * sent);
    assert.equal(rig.stat("upstream_cx_rx_bytes_total"), 2 * OK.length);
    rig.cluster.close();
    assert.equal(rig.stat("upstream_cx_tx_bytes_total"), 2 * sent);
  });
});

describe("pool: connecting", () => {
  test("a refused connection fails everybody who waits, with the transport's reason", () => {
    const rig = new ClusterRig();
    const [first, second] = [rig.get(), rig.get()];
    const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
    rig.connection(0).events.onClose(refused);
    for (const { events } of [first, second]) {
      assert.deepEqual(events.log, ["reset connectFailure"]);
      assert.equal(events.resetDetail, "delayed connect error: Connection refused");
    }
    assert.equal(rig.stat("upstream_cx_connect_fail"), 1);
    assert.equal(rig.stat("upstream_rq_pending_failure_eject"), 2);
    assert.equal(rig.stat("upstream_rq_pending_active"), 0);
    assert.equal(rig.cluster.describe()[0]?.stats["cx_connect_fail"], 1);
    assert.equal(rig.cluster.describe()[0]?.stats["rq_error"], 2);
  });

  test("a connection that is not made in time fails as connectTimeout", () => {
    const rig = new ClusterRig({ connectTimeoutMs: 250 });
    const { events } = rig.get();
    rig.clock.advance(249);
    assert.deepEqual(events.log, []);
    rig.clock.advance(1);
    assert.deepEqual(events.log, ["reset connectTimeout"]);
    assert.ok(rig.connection(0).destroyed);
    assert.equal(rig.stat("upstream_cx_connect_timeout"), 1);
    assert.equal(rig.stat("upstream_cx_connect_fail"), 1);
    assert.equal(rig.stat("upstream_cx_active"), 0);
  });

  test("a connection made in time leaves no timer behind", () => {
    const rig = new ClusterRig({ idleTimeoutMs: 0 });
    rig.get();
    rig.connection(0).events.onConnect();
    assert.equal(rig.clock.timerCount, 0);
  });

  test("an attempt may be started anew from the failure of the last", () => {
    const rig = new ClusterRig();
    const { events } = rig.get();
    let retried: ReturnType<ClusterRig["get"]> | null = null;
    events.onEvent = () => {
      retried = rig.get();
    };
    rig.connection(0).events.onClose(new Error("no"));
    assert.equal(rig.connections.length, 2);
    rig.connection(1).events.onConnect();
    assert.ok(retried !== null);
    assert.deepEqual((retried as ReturnType<ClusterRig["get"]>).events.log, ["ready"]);
  });

  test("a request given up while it waits costs nobody else anything", () => {
    const rig = new ClusterRig();
    const first = rig.get();
    const second = rig.get();
    first.request.reset();
    rig.connection(0).events.onConnect();
    rig.connection(1).events.onConnect();
    assert.deepEqual(first.events.log, []);
    assert.deepEqual(second.events.log, ["ready"]);
    assert.equal(rig.stat("upstream_rq_cancelled"), 1);
    assert.equal(rig.stat("upstream_rq_pending_active"), 0);
    rig.get();
    assert.equal(rig.connections.length, 2, "the spare connection is used");
  });
});

describe("pool: circuit breakers", () => {
  test("max_connections holds back new connections, not the queue", () => {
    const rig = new ClusterRig({ maxConnections: 1 });
    rig.get();
    rig.get();
    assert.equal(rig.connections.length, 1);
    assert.equal(rig.stat("upstream_cx_overflow"), 1);
    assert.equal(rig.stat("upstream_rq_pending_active"), 2);
    assert.equal(rig.stat("circuit_breakers.default.cx_open"), 1);
  });

  test("when a connection closes the queue gets another one", () => {
    const rig = new ClusterRig({ maxConnections: 1 });
    rig.get();
    const second = rig.get();
    rig.connection(0).events.onConnect();
    rig.connection(0).receive(CLOSING);
    rig.connection(1).events.onConnect();
    assert.deepEqual(second.events.log, ["ready"]);
  });

  test("max_pending_requests refuses at once", () => {
    const rig = new ClusterRig({ maxPendingRequests: 1 });
    rig.get();
    assert.equal(rig.open(), null);
    assert.equal(rig.cluster.lastFailure, "overflow");
    assert.equal(rig.stat("upstream_rq_pending_overflow"), 1);
    rig.connection(0).events.onConnect();
    assert.notEqual(rig.open(), null);
  });

  test("max_requests refuses although a connection is idle", () => {
    const rig = new ClusterRig({ maxRequests: 1 });
    rig.get();
    rig.get();
    rig.connection(0).events.onConnect();
    rig.connection(1).events.onConnect();
    assert.equal(rig.stat("upstream_rq_pending_overflow"), 1);
    assert.equal(rig.open(), null);
    assert.equal(rig.cluster.lastFailure, "overflow");
    rig.connection(0).receive(OK);
    assert.notEqual(rig.open(), null);
  });

  test("max_requests refuses a waiting request when its connection comes", () => {
    const rig = new ClusterRig({ maxRequests: 1 });
    rig.get();
    const second = rig.get();
    rig.connection(0).events.onConnect();
    rig.connection(1).events.onConnect();
    assert.deepEqual(second.events.log, ["reset overflow"]);
  });

  test("max_retries is given out and taken back", () => {
    const { cluster } = new ClusterRig({ maxRetries: 1 });
    assert.equal(cluster.acquireRetry(), true);
    assert.equal(cluster.acquireRetry(), false);
    cluster.releaseRetry();
    assert.equal(cluster.acquireRetry(), true);
  });
});

describe("pool: draining and closing", () => {
  test("drain closes idle connections now and busy ones after their response", () => {
    const rig = new ClusterRig();
    const [busy] = [rig.get()];
    rig.get();
    rig.connection(0).events.onConnect();
    rig.connection(1).events.onConnect();
    rig.connection(1).receive(OK);
    rig.cluster.drain();
    assert.ok(rig.connection(1).destroyed);
    assert.ok(!rig.connection(0).destroyed);
    rig.connection(0).receive(OK);
    assert.equal(busy.events.log.at(-1), "data ok end");
    assert.ok(rig.connection(0).destroyed);
    assert.equal(rig.clock.timerCount, 0);
  });

  test("requests that wait are still served while draining", () => {
    const rig = new ClusterRig();
    const { events } = rig.get();
    rig.cluster.drain();
    rig.connection(0).events.onConnect();
    rig.connection(0).receive(OK);
    assert.equal(events.log.at(-1), "data ok end");
    assert.ok(rig.connection(0).destroyed);
  });

  test("close ends everything and leaves nothing counted as active", () => {
    const rig = new ClusterRig({ maxConnections: 2 });
    const running = rig.get();
    rig.connection(0).events.onConnect();
    const connecting = rig.get();
    const waiting = rig.get();
    rig.cluster.close();
    for (const { events } of [running, connecting, waiting]) {
      assert.equal(events.log.at(-1), "reset localReset");
    }
    assert.ok(rig.connections.every((connection) => connection.destroyed));
    for (const gauge of ["cx_active", "rq_active", "rq_pending_active"]) {
      assert.equal(rig.stat(`upstream_${gauge}`), 0, gauge);
    }
    assert.equal(rig.clock.timerCount, 0);
    assert.equal(rig.open(), null);
  });

  test("what a closed connection still reports changes nothing", () => {
    const rig = new ClusterRig();
    const { events } = rig.get();
    rig.connection(0).events.onConnect();
    rig.cluster.close();
    const before = events.log.slice();
    rig.connection(0).receive(OK);
    rig.connection(0).events.onPeerEnd();
    rig.connection(0).events.onWritable();
    rig.connection(0).events.onClose(null);
    assert.deepEqual(events.log, before);
    assert.equal(rig.stat("upstream_cx_destroy"), 1);
  });

  test("a request may be reset before it sent anything, and keeps the connection", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    rig.begin().request.reset();
    assert.ok(!connection.destroyed);
    const { events } = rig.get();
    assert.deepEqual(events.log, ["ready"]);
    assert.equal(rig.connections.length, 1);
    assert.equal(rig.stat("upstream_rq_tx_reset"), 0);
  });

  test("a request reset from onConnectionReady sends nothing", () => {
    const rig = new ClusterRig();
    const connection = rig.warm();
    const attempt = rig.begin();
    attempt.events.onEvent = () => attempt.request.reset();
    attempt.request.sendHeaders(requestHeaders("GET"), true);
    assert.deepEqual(connection.writes, []);
    assert.deepEqual(attempt.events.log, ["ready"]);
  });
});
