import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClusterRig, chunk, OK, requestHeaders, turn } from "../../harness/cluster-rig.ts";

const PART = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nab";

function warmRig() {
  const rig = new ClusterRig();
  return { rig, connection: rig.warm() };
}

describe("exchange: early responses", () => {
  test("a response that ends before its request ends the exchange and the connection", async () => {
    const { rig, connection } = warmRig();
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("part"), false);
    connection.receive(OK);
    assert.deepEqual(events.log, ["ready", "200", "data ok end"]);
    assert.ok(connection.destroyed);
    const sent = connection.writes.length;
    request.sendData(chunk("late"), true);
    await turn();
    assert.equal(connection.writes.length, sent);
    assert.deepEqual(events.log, ["ready", "200", "data ok end"]);
    assert.equal(rig.stat("upstream_rq_active"), 0);
  });

  test("a request that ends while its early response goes on keeps the connection", () => {
    const { rig, connection } = warmRig();
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("part"), false);
    connection.receive(PART);
    request.sendData(chunk("rest"), true);
    connection.receive("cdef");
    assert.equal(events.log.at(-1), "data cdef end");
    assert.ok(!connection.destroyed);
  });

  test("a complete request that the kernel has not taken yet does not keep the connection", () => {
    const { rig, connection } = warmRig();
    connection.stalled = true;
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("part"), true);
    connection.receive(OK);
    assert.equal(events.log.at(-1), "data ok end");
    assert.ok(connection.destroyed);
  });

  test("a response before any byte of the request is a protocol error", async () => {
    const { rig, connection } = warmRig();
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    connection.receive(OK);
    await turn();
    assert.deepEqual(events.log, ["ready", "reset protocolError"]);
    assert.deepEqual(connection.writes, []);
  });
});

describe("exchange: how it is cut short", () => {
  test("the peer closes before the head", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.events.onPeerEnd();
    assert.deepEqual(events.log, ["ready", "reset connectionTermination"]);
    assert.ok(connection.destroyed);
    assert.equal(rig.stat("upstream_rq_rx_reset"), 1);
    assert.equal(rig.stat("upstream_cx_destroy_remote_with_active_rq"), 1);
    assert.equal(rig.cluster.describe()[0]?.stats["rq_error"], 1);
  });

  test("the peer resets before the head", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.events.onClose(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
    assert.deepEqual(events.log, ["ready", "reset connectionTermination"]);
  });

  for (const part of ["HTTP/1.1 200 O", PART] as const) {
    test(`the peer closes inside the response (${part.length} bytes)`, () => {
      const { rig, connection } = warmRig();
      const { events } = rig.get();
      connection.receive(part);
      connection.events.onPeerEnd();
      assert.equal(events.log.at(-1), "reset protocolError");
      assert.ok(connection.chunks.every((made) => made.references === 0));
    });
  }

  test("a body without a length that is cut by an error did not end", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.receive("HTTP/1.1 200 OK\r\n\r\nabc");
    connection.events.onClose(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
    assert.equal(events.log.at(-1), "reset protocolError");
  });

  test("the router resets: no further event, the connection is closed", () => {
    const { rig, connection } = warmRig();
    const { request, events } = rig.get();
    connection.receive(PART);
    request.reset();
    connection.receive("cdef");
    request.reset();
    assert.deepEqual(events.log, ["ready", "200", "data ab"]);
    assert.ok(connection.destroyed);
    assert.equal(rig.stat("upstream_rq_tx_reset"), 1);
    assert.equal(rig.stat("upstream_cx_destroy_local_with_active_rq"), 1);
    assert.equal(rig.stat("upstream_rq_active"), 0);
  });

  test("the router resets from the response head: the body is not delivered", () => {
    for (const response of [PART, OK, `${PART}cdef`]) {
      const { rig, connection } = warmRig();
      const { request, events } = rig.get();
      events.onEvent = (line) => {
        if (line === "200") request.reset();
      };
      connection.receive(response);
      assert.deepEqual(events.log, ["ready", "200"], response);
      assert.ok(connection.chunks.every((made) => made.references === 0));
      assert.equal(connection.destroyed, response === PART, "a complete exchange keeps it");
      assert.equal(rig.stat("upstream_rq_active"), 0);
    }
  });

  test("the router resets from an informational response", () => {
    const { rig, connection } = warmRig();
    const { request, events } = rig.get();
    events.onEvent = (line) => {
      if (line === "informational 103") request.reset();
    };
    connection.receive(`HTTP/1.1 103 Early Hints\r\n\r\n${OK}`);
    assert.deepEqual(events.log, ["ready", "informational 103"]);
    assert.ok(connection.destroyed);
  });

  test("a reset after the end is harmless to the next exchange", () => {
    const { rig, connection } = warmRig();
    const first = rig.get();
    connection.receive(OK);
    const second = rig.get();
    first.request.reset();
    first.request.pauseResponse();
    first.request.sendData(chunk("x"), true);
    connection.receive(OK);
    assert.equal(second.events.log.at(-1), "data ok end");
    assert.deepEqual(connection.calls, []);
  });
});

describe("exchange: malformed responses", () => {
  const malformed: readonly (readonly [string, string])[] = [
    ["no HTTP", "hello\r\n\r\n"],
    ["101 without a request for it", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na"],
    [
      "length and chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
    ],
    ["bad chunk size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
    ["space before the colon", "HTTP/1.1 200 OK\r\nname : value\r\n\r\n"],
    ["folded line", "HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n"],
    ["too many headers", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(101)}\r\n`],
    ["too large a head", `HTTP/1.1 200 OK\r\na: ${"b".repeat(70_000)}\r\n\r\n`],
  ];
  for (const [what, response] of malformed) {
    test(`${what} is a protocol error before the response began`, () => {
      const { rig, connection } = warmRig();
      const { events } = rig.get();
      connection.receive(response);
      assert.deepEqual(events.log, ["ready", "reset protocolError"]);
      assert.notEqual(events.resetDetail, "");
      assert.ok(connection.destroyed);
      assert.equal(rig.stat("upstream_cx_protocol_error"), 1);
    });
  }

  test("a bad chunk behind a good one is a protocol error inside the response", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.receive("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
    connection.receive("zz\r\n");
    assert.deepEqual(events.log, ["ready", "200", "data a", "reset protocolError"]);
    assert.ok(connection.chunks.every((made) => made.references === 0));
  });
});
