import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeaderMap } from "../../../src/http/header-map.ts";
import { ClusterRig, chunk, OK, requestHeaders, turn } from "../../harness/cluster-rig.ts";

const POST_CHUNKED_HEAD = "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n";
const POST_5_HEAD = "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\n";
const LENGTH_5 = [["content-length", "5"]] as const;

/** A rig whose first connection is idle. */
function warmRig(overrides: ConstructorParameters<typeof ClusterRig>[0] = {}) {
  const rig = new ClusterRig(overrides);
  return { rig, connection: rig.warm() };
}

describe("exchange: sending", () => {
  test("a body that is there already leaves in one write with the head", () => {
    const { rig, connection } = warmRig();
    const { request } = rig.begin();
    request.sendHeaders(requestHeaders("POST", LENGTH_5), false);
    request.sendData(chunk("hello"), true);
    assert.deepEqual(connection.writes, [`${POST_5_HEAD}hello`]);
  });

  test("a small chunked body leaves in one write with the head and its end", () => {
    const { rig, connection } = warmRig();
    const { request } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("hello"), true);
    assert.deepEqual(connection.writes, [`${POST_CHUNKED_HEAD}5\r\nhello\r\n0\r\n\r\n`]);
  });

  test("a head whose body is late leaves alone when the turn is over", async () => {
    const { rig, connection } = warmRig();
    const { request } = rig.begin();
    request.sendHeaders(requestHeaders("POST", LENGTH_5), false);
    assert.deepEqual(connection.writes, []);
    await turn();
    assert.deepEqual(connection.writes, [POST_5_HEAD]);
    request.sendData(chunk("he"), false);
    request.sendData(chunk("llo"), true);
    assert.deepEqual(connection.writes.slice(1), ["he", "llo"]);
  });

  test("chunks of any size are framed, empty ones are not sent", () => {
    const { rig, connection } = warmRig();
    const { request } = rig.begin();
    const large = "x".repeat(5000);
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk(large), false);
    request.sendData(chunk(""), false);
    request.sendData(chunk("ab"), false);
    request.sendData(chunk(""), true);
    const body = `1388\r\n${large}\r\n2\r\nab\r\n0\r\n\r\n`;
    assert.equal(connection.sent, POST_CHUNKED_HEAD + body);
  });

  test("trailers end a chunked request", () => {
    const { rig, connection } = warmRig();
    const { request } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("ab"), false);
    request.sendTrailers(HeaderMap.of([["x-sum", "7"]]));
    assert.equal(connection.sent, `${POST_CHUNKED_HEAD}2\r\nab\r\n0\r\nx-sum: 7\r\n\r\n`);
  });

  test("trailers of a request with content-length are left out", async () => {
    const { rig, connection } = warmRig();
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST", LENGTH_5), false);
    request.sendData(chunk("hello"), false);
    request.sendTrailers(HeaderMap.of([["x-sum", "7"]]));
    assert.equal(connection.sent, `${POST_5_HEAD}hello`);
    connection.receive(OK);
    assert.equal(events.log.at(-1), "data ok end");
    assert.ok(!connection.destroyed);
  });

  test("what is sent before there is a connection is kept and sent in order", () => {
    const rig = new ClusterRig();
    const { request } = rig.begin();
    const headers = requestHeaders("POST");
    const body = chunk("hello");
    request.sendHeaders(headers, false);
    headers.set(":path", "/changed-later");
    request.sendData(body, false);
    assert.equal(body.references, 2);
    request.sendTrailers(HeaderMap.of([["a", "b"]]));
    rig.connection(0).events.onConnect();
    const expected = `${POST_CHUNKED_HEAD}5\r\nhello\r\n0\r\na: b\r\n\r\n`;
    assert.equal(rig.connection(0).sent, expected);
    assert.equal(body.references, 1);
  });

  test("chunks of a request that never got a connection are released", () => {
    for (const end of ["reset", "failure"] as const) {
      const rig = new ClusterRig();
      const { request } = rig.begin();
      const body = chunk("hello");
      request.sendHeaders(requestHeaders("POST"), false);
      request.sendData(body, true);
      if (end === "reset") request.reset();
      else rig.connection(0).events.onClose(null);
      assert.equal(body.references, 1, end);
    }
  });

  const mismatches: readonly (readonly [string, string, readonly string[]])[] = [
    ["longer than", "5", ["hello!"]],
    ["longer in pieces than", "5", ["hello", "!"]],
    ["shorter than", "5", ["hell"]],
    ["none for", "5", []],
    ["sent with a malformed", "5x", ["hello"]],
    ["sent with a negative", "-5", ["hello"]],
  ];
  for (const [what, length, parts] of mismatches) {
    test(`a body ${what} content-length ends as protocolError, after the call`, async () => {
      const { rig, connection } = warmRig();
      const { request, events } = rig.begin();
      const headers = requestHeaders("POST", [["content-length", length]]);
      request.sendHeaders(headers, parts.length === 0);
      for (const [i, part] of parts.entries()) {
        request.sendData(chunk(part), i === parts.length - 1);
      }
      assert.deepEqual(events.log, ["ready"]);
      await turn();
      assert.deepEqual(events.log, ["ready", "reset protocolError"]);
      assert.ok(connection.destroyed || connection.writes.length === 0);
      assert.equal(rig.stat("upstream_rq_active"), 0);
    });
  }

  test("a reset takes back a failure that was not reported yet", async () => {
    const { rig } = warmRig();
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST", [["content-length", "nine"]]), false);
    request.reset();
    await turn();
    assert.deepEqual(events.log, ["ready"]);
  });
});

describe("exchange: request backpressure", () => {
  test("the watermark is reported above the limit, after the call, and when drained", async () => {
    const { rig, connection } = warmRig({ perConnectionBufferBytes: 1000 });
    const { request, events } = rig.begin();
    connection.stalled = true;
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("x".repeat(600)), false);
    await turn();
    assert.deepEqual(events.log, ["ready"]);
    request.sendData(chunk("x".repeat(600)), false);
    assert.deepEqual(events.log, ["ready"]);
    await turn();
    assert.deepEqual(events.log, ["ready", "high"]);
    connection.drain();
    assert.deepEqual(events.log, ["ready", "high", "low"]);
    request.sendData(chunk("x".repeat(5000)), true);
    await turn();
    assert.deepEqual(events.log, ["ready", "high", "low"]);
  });

  test("bytes kept before there is a connection count", async () => {
    const rig = new ClusterRig({ perConnectionBufferBytes: 1000 });
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("x".repeat(1001)), false);
    await turn();
    assert.deepEqual(events.log, ["high"]);
    rig.connection(0).events.onConnect();
    assert.deepEqual(events.log, ["high", "ready", "low"]);
  });

  test("kept bytes that the new connection does not take at once stay above", async () => {
    const rig = new ClusterRig({ perConnectionBufferBytes: 1000 });
    const { request, events } = rig.begin();
    request.sendHeaders(requestHeaders("POST"), false);
    request.sendData(chunk("x".repeat(1001)), false);
    await turn();
    rig.connection(0).stalled = true;
    rig.connection(0).events.onConnect();
    assert.deepEqual(events.log, ["high", "ready"]);
    rig.connection(0).drain();
    assert.deepEqual(events.log, ["high", "ready", "low"]);
  });
});

describe("exchange: receiving", () => {
  test("a response in one piece comes as head and one last chunk, and is released", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.receive(OK);
    assert.deepEqual(events.log, ["ready", "200", "data ok end"]);
    assert.ok(connection.chunks.every((made) => made.references === 0));
    assert.ok(!connection.calls.includes("expectBody"));
  });

  test("a chunked response in one piece ends with its last data", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    const head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.receive(`${head}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`);
    assert.deepEqual(events.log, ["ready", "200", "data ab", "data c end"]);
  });

  test("a body in pieces is read into slab chunks until it is over", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.receive("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nab");
    assert.deepEqual(events.log, ["ready", "200", "data ab"]);
    connection.receive("cd");
    connection.receive("ef");
    assert.deepEqual(events.log.slice(3), ["data cd", "data ef end"]);
    assert.deepEqual(connection.calls, ["expectBody", "bodyDone"]);
    assert.ok(connection.chunks.every((made) => made.references === 0));
  });

  test("a chunked end that comes alone is an empty last chunk", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.receive("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
    connection.receive("0\r\n\r\n");
    assert.deepEqual(events.log, ["ready", "200", "data a", "data  end"]);
  });

  test("trailers are the end", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    const head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.receive(`${head}1\r\na\r\n0\r\nx-sum: 7\r\n\r\n`);
    assert.deepEqual(events.log, ["ready", "200", "data a", "trailers x-sum,7"]);
  });

  for (const [what, response] of [
    ["204", "HTTP/1.1 204 No Content\r\n\r\n"],
    ["304 with a length", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"],
    ["200 with length 0", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"],
  ] as const) {
    test(`a response without a body (${what}) ends with its head`, () => {
      const { rig, connection } = warmRig();
      const { events } = rig.get();
      connection.receive(response);
      assert.deepEqual(events.log, ["ready", `${what.slice(0, 3)} end`]);
      assert.ok(!connection.destroyed);
    });
  }

  test("the answer to HEAD has no body, the answer after it has", () => {
    const { rig, connection } = warmRig();
    const head = rig.begin();
    head.request.sendHeaders(requestHeaders("HEAD"), true);
    connection.receive("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
    assert.deepEqual(head.events.log, ["ready", "200 end"]);
    const { events } = rig.get();
    connection.receive(OK);
    assert.deepEqual(events.log, ["ready", "200", "data ok end"]);
  });

  test("informational responses come before the final one", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    const early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    connection.receive(`HTTP/1.1 100 Continue\r\n\r\n${early}`);
    connection.receive(early + OK);
    assert.deepEqual(events.log, [
      "ready",
      "informational 100",
      "informational 103",
      "informational 103",
      "200",
      "data ok end",
    ]);
  });

  test("a body without a length ends with the connection", () => {
    const { rig, connection } = warmRig();
    const { events } = rig.get();
    connection.receive("HTTP/1.1 200 OK\r\n\r\nabc");
    connection.events.onPeerEnd();
    assert.deepEqual(events.log, ["ready", "200", "data abc", "data  end"]);
    assert.ok(connection.destroyed);
    assert.equal(rig.stat("upstream_cx_destroy_with_active_rq"), 0);
  });

  test("pauses are counted and end with the exchange", () => {
    const { rig, connection } = warmRig();
    const { request, events } = rig.get();
    connection.receive("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nab");
    request.pauseResponse();
    request.pauseResponse();
    request.resumeResponse();
    assert.deepEqual(connection.calls, ["expectBody", "pause"]);
    // Bytes that were read already still come.
    connection.receive("cdef");
    assert.equal(events.log.at(-1), "data cdef end");
    assert.deepEqual(connection.calls.slice(2), ["bodyDone", "resume"]);
    request.resumeResponse();
    assert.equal(connection.calls.length, 4);
  });

  test("a pause before there is a connection holds for it", () => {
    const rig = new ClusterRig();
    const { request } = rig.get();
    request.pauseResponse();
    rig.connection(0).events.onConnect();
    assert.deepEqual(rig.connection(0).calls, ["pause"]);
    request.resumeResponse();
    assert.deepEqual(rig.connection(0).calls, ["pause", "resume"]);
  });

  test("successes and errors are counted for the endpoint", () => {
    const { rig, connection } = warmRig();
    rig.get();
    connection.receive("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    rig.get();
    connection.receive("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n");
    rig.get().request.reset("timeout");
    const stats = rig.cluster.describe()[0]?.stats;
    assert.deepEqual(
      [stats?.["rq_success"], stats?.["rq_error"], stats?.["rq_timeout"], stats?.["rq_total"]],
      [2, 1, 1, 4],
    );
    assert.equal(stats?.["rq_active"], 0);
  });
});
