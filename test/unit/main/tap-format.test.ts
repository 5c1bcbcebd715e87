/** Files of taps. What Envoy 1.40 wrote of two streams in each format was rendered alike, byte by byte. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderTrace, type Trace } from "../../../src/main/tap-format.ts";

const TRACE: Trace = {
  request: {
    headers: [
      [":path", "/"],
      ["x-empty", ""],
    ],
    trailers: [],
    receivedMs: 1_795_929_395_066.583,
    body: Buffer.from("hell"),
    isTruncated: true,
  },
  response: {
    headers: [[":status", "200"]],
    trailers: [["x-t", "\xc3\xa9"]],
    receivedMs: -1,
    body: Buffer.from([0, 255, 97, 34, 39, 92, 10]),
    isTruncated: false,
  },
  connection: { local: { ip: "127.0.0.1", port: 80 }, remote: { ip: "::1", port: 40_000 } },
};

test("as JSON with bytes", () => {
  const text = renderTrace(TRACE, "jsonBytes").toString();
  assert.ok(text.startsWith('{\n "http_buffered_trace": {\n  "request": {\n   "headers": [\n'));
  assert.ok(text.endsWith("\n  }\n }\n}\n"));
  const { request, response, downstream_connection } = JSON.parse(text).http_buffered_trace;
  assert.deepEqual(request, {
    headers: [
      { key: ":path", value: "/", raw_value: "" },
      { key: "x-empty", value: "", raw_value: "" },
    ],
    body: { as_bytes: "aGVsbA==", truncated: true },
    trailers: [],
    headers_received_time: "2026-11-29T05:16:35.066Z",
  });
  assert.deepEqual(response.trailers, [{ key: "x-t", value: "é", raw_value: "" }]);
  assert.equal("headers_received_time" in response, false);
  assert.deepEqual(downstream_connection.remote_address.socket_address, {
    protocol: "TCP",
    address: "::1",
    port_value: 40_000,
    resolver_name: "",
    ipv4_compat: false,
    network_namespace_filepath: "",
  });
});

test("as JSON with text, where bytes that are no UTF-8 cannot be shown", () => {
  const { response } = JSON.parse(renderTrace(TRACE, "jsonString").toString()).http_buffered_trace;
  assert.deepEqual(response.body, { as_string: "\0\ufffda\"'\\\n", truncated: false });
});

test("without a body, an answer and a connection, there are no such fields", () => {
  const request = { ...TRACE.request, headers: [], receivedMs: -1, body: Buffer.alloc(0) };
  const trace: Trace = { request, response: null, connection: null };
  assert.deepEqual(JSON.parse(renderTrace(trace, "jsonBytes").toString()), {
    http_buffered_trace: { request: { headers: [], trailers: [] } },
  });
  assert.equal(renderTrace(trace, "binary").toString("hex"), "0a020a00");
  assert.equal(
    renderTrace(trace, "text").toString(),
    "http_buffered_trace {\n  request {\n  }\n}\n",
  );
});

test("as protobuf text", () => {
  const text = renderTrace(TRACE, "text").toString();
  for (const part of [
    '    headers {\n      key: "x-empty"\n    }\n',
    '    body {\n      as_bytes: "hell"\n      truncated: true\n    }\n',
    "    headers_received_time {\n      seconds: 1795929395\n      nanos: 66583000\n    }\n",
    '    body {\n      as_bytes: "\\000\\377a\\"\\\'\\\\\\n"\n    }\n',
    '    trailers {\n      key: "x-t"\n      value: "\\303\\251"\n    }\n',
    '      socket_address {\n        address: "127.0.0.1"\n        port_value: 80\n      }\n',
  ]) {
    assert.ok(text.includes(part), part);
  }
});

test("as protobuf bytes, alone and behind their length", () => {
  const binary = renderTrace(TRACE, "binary");
  const request = [
    "0a0a" + "0a053a706174681201" + "2f",
    "0a09" + "0a07782d656d707479",
    "1208" + "0a0468656c6c1801",
    "220b" + "08b3eaaed806" + "10d8f3df1f",
  ].join("");
  const response = [
    "0a0e" + "0a073a737461747573" + "1203323030",
    "1209" + "0a0700ff6122275c0a",
    "1a09" + "0a03782d74" + "1202c3a9",
  ].join("");
  const connection = `0a0f0a0d12093132372e302e302e311850120b0a0912033a3a3118c0b802`;
  const field = (tag: string, hex: string): string =>
    `${tag}${(hex.length / 2).toString(16).padStart(2, "0")}${hex}`;
  const trace = field("0a", request) + field("12", response) + field("1a", connection);
  assert.equal(binary.toString("hex"), field("0a", trace));
  assert.equal(renderTrace(TRACE, "delimited").toString("hex"), field("", binary.toString("hex")));
  const long = renderTrace(
    { ...TRACE, request: { ...TRACE.request, body: Buffer.alloc(400) } },
    "delimited",
  );
  assert.equal((long.readUInt8(0) & 127) + 128 * long.readUInt8(1), long.length - 2);
});
