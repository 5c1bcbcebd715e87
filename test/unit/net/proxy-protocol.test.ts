/** PROXY headers; what is accepted was tried against Envoy 1.40. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readProxyHeader } from "../../../src/net/proxy-protocol.ts";

const V4 = Buffer.from("010203040506070800500051", "hex");
const V6 = Buffer.from(
  "20010db800000000000000000000000120010db800000000000000000000000200500051",
  "hex",
);

function version2(command: number, protocol: number, payload: Buffer): Buffer {
  const head = Buffer.from("0d0a0d0a000d0a515549540a00000000", "hex");
  head[12] = command;
  head[13] = protocol;
  head.writeUInt16BE(payload.length, 14);
  return Buffer.concat([head, payload]);
}

function read(bytes: Buffer | string): string {
  const header = readProxyHeader(Buffer.concat([Buffer.from(bytes as string), Buffer.from("GET")]));
  if (header.kind !== "found") return header.kind;
  const { addresses: a, byteLength, version } = header;
  const text =
    a === null ? "own" : `${a.remoteAddress} ${a.remotePort} ${a.localAddress} ${a.localPort}`;
  assert.equal(byteLength, Buffer.from(bytes as string).length);
  return `${version} ${text}`;
}

test("version 1 tells the addresses or that they are unknown", () => {
  assert.equal(read("PROXY TCP4 1.2.3.4 5.6.7.8 80 81\r\n"), "1 1.2.3.4 80 5.6.7.8 81");
  assert.equal(read("PROXY TCP6 2001:db8::1 ::2 0 65535\r\n"), "1 2001:db8::1 0 ::2 65535");
  assert.equal(read("PROXY UNKNOWN\r\n"), "1 own");
  assert.equal(read("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), "1 own");
});

test("version 2 tells the addresses, with extensions behind them", () => {
  assert.equal(read(version2(0x21, 0x11, V4)), "2 1.2.3.4 80 5.6.7.8 81");
  assert.equal(read(version2(0x21, 0x12, V4)), "2 1.2.3.4 80 5.6.7.8 81");
  assert.equal(read(version2(0x21, 0x21, V6)), "2 2001:db8::1 80 2001:db8::2 81");
  const tlv = Buffer.concat([V4, Buffer.from("020003616263", "hex")]);
  assert.equal(read(version2(0x21, 0x11, tlv)), "2 1.2.3.4 80 5.6.7.8 81");
  assert.equal(read(version2(0x20, 0x00, Buffer.alloc(0))), "2 own");
  assert.equal(read(version2(0x20, 0x11, V4)), "2 own");
});

test("malformed headers are invalid, other bytes are none", () => {
  const invalid = [
    "PROXY TCP4 1.2.3 5.6.7.8 80 81\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 99999 81\r\n",
    "PROXY TCP4 ::1 5.6.7.8 80 81\r\n",
    `PROXY TCP4 ${"1".repeat(200)}\r\n`,
    "PROXY UDP4 1.2.3.4 5.6.7.8 80 81\r\n",
    "PROXY TCP4 01.2.3.4 5.6.7.8 080 81\r\n",
    "PROXY TCP4  1.2.3.4 5.6.7.8 80 81\r\n",
    "PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n",
    "PROXY \r\n",
    version2(0x21, 0x00, Buffer.alloc(0)),
    version2(0x21, 0x31, Buffer.alloc(216)),
    version2(0x21, 0x11, V4.subarray(0, 8)),
    version2(0x31, 0x11, V4),
    version2(0x22, 0x11, V4),
    version2(0x21, 0x11, Buffer.alloc(9_000)),
  ];
  for (const bytes of invalid) assert.equal(read(bytes), "invalid", String(bytes));
  for (const bytes of ["GET / HTTP/1.1\r\n", "PUT / HTTP/1.1\r\n", "\r\n\r\nX", "\x16\x03\x01"]) {
    assert.equal(read(bytes), "absent", bytes);
  }
});

test("a header in pieces is incomplete until its last byte", () => {
  const headers = [Buffer.from("PROXY TCP4 1.2.3.4 5.6.7.8 80 81\r\n"), version2(0x21, 0x11, V4)];
  for (const whole of headers) {
    for (let size = 0; size < whole.length; size++) {
      assert.equal(readProxyHeader(whole.subarray(0, size)).kind, "incomplete", String(size));
    }
    assert.equal(readProxyHeader(whole).kind, "found");
  }
});

test("no bytes at all break the reader", () => {
  const start = fc.constantFrom(
    "",
    "PROXY ",
    "PROXY TCP4 ",
    "\r\n\r\n\0\r\nQUIT\n",
    "\r\n\r\n\0\r\nQUIT\n!",
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (text, more) => {
      const bytes = Buffer.concat([Buffer.from(text, "latin1"), more]);
      const header = readProxyHeader(bytes);
      if (header.kind === "found") assert.ok(header.byteLength <= bytes.length);
    }),
    { numRuns: 2_000 },
  );
});
