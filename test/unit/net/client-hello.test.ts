import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { before, test } from "node:test";
import { connect } from "node:tls";
import fc from "fast-check";
import { readClientHello, readHttpVersion } from "../../../src/net/client-hello.ts";

let hello: Buffer;

/** The ClientHello that Node's own TLS sends. */
before(async () => {
  hello = await new Promise<Buffer>((resolve) => {
    const server = createServer((socket) => {
      socket.once("data", (bytes) => {
        resolve(bytes);
        socket.destroy();
        server.close();
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      const options = { servername: "App.Example.com", ALPNProtocols: ["h2", "http/1.1"] };
      connect({ host: "127.0.0.1", port, ...options }).on("error", () => undefined);
    });
  });
});

const SEEN = { serverName: "app.example.com", alpn: ["h2", "http/1.1"] };

test("server name and protocols of a ClientHello are read", () => {
  assert.deepEqual(readClientHello(hello), { kind: "hello", hello: SEEN });
});

test("a ClientHello in pieces, and over several records, is read when it is whole", () => {
  for (let size = 0; size < hello.length; size++) {
    assert.equal(readClientHello(hello.subarray(0, size)).kind, "incomplete", String(size));
  }
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (const part of [body.subarray(0, 2), body.subarray(2, 100), body.subarray(100)]) {
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  assert.deepEqual(readClientHello(Buffer.concat(records)), { kind: "hello", hello: SEEN });
});

test("what is no ClientHello is told apart at once", () => {
  for (const text of ["GET / HTTP/1.1\r\n", "\x16\x02", "\x16\x03\x01\x00\x04\x02\x00\x00\x00"]) {
    assert.equal(readClientHello(Buffer.from(text, "latin1")).kind, "notTls");
  }
});

test("a ClientHello with bytes changed or cut breaks nothing", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 255 }), fc.nat(), (at, byte, cut) => {
      const bytes = Buffer.from(hello);
      bytes[at % bytes.length] = byte;
      readClientHello(bytes.subarray(0, cut % (bytes.length + 1)));
      readClientHello(bytes);
    }),
    { numRuns: 3_000 },
  );
});

test("the version of plaintext HTTP is read from its first line", () => {
  const rows: [string, string | null][] = [
    ["GET / HTTP/1.1\r\n", "http/1.1"],
    ["GET / HTTP/1.0\r\nhost: a", "http/1.0"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "h2c"],
    ["PRI * HTT", null],
    ["GET / HTTP/1.1", null],
    ["", null],
    ["hello\r\n", ""],
    ["x".repeat(9_000), ""],
  ];
  for (const [text, version] of rows) assert.equal(readHttpVersion(Buffer.from(text)), version);
});
