/** HTTP/2 clients that mean harm: the proxy ends them and serves on. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { H2Client, hpack, RawH2Client } from "../harness/h2-client.ts";
import { FLAG, FRAME, frame, H2Upstream } from "../harness/h2-upstream.ts";
import { fetchText, type ProxyProcess, startProxy } from "../harness/proxy.ts";

const limits = { timeout: 30_000 };
const CALM = 11;
const NOTHING = new Uint8Array(0);
const GET: readonly (readonly [string, string])[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a.example"],
];
const HEADERS_END = FLAG.endHeaders | FLAG.endStream;

let upstream: H2Upstream;
let proxy: ProxyProcess;

before(async () => {
  upstream = await H2Upstream.listen();
  const hcm = "http2_protocol_options: {max_concurrent_streams: 10}";
  proxy = await startProxy({
    yaml: bootstrap(
      [
        listener({
          hcm,
          routes:
            "[{match: {path: /ok}, direct_response: {status: 200}}, {match: {prefix: /}, route: {cluster: upstream}}]",
        }),
      ],
      [cluster("upstream", upstream.port, "http2_protocol_options: {}")],
    ),
  });
});
after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

/** Resolves when so many requests are active; the test's own time limit bounds it. */
async function active(count: number): Promise<void> {
  while ((await proxy.stat("http.main.downstream_rq_active")) !== count);
}

async function servesOn(): Promise<void> {
  assert.equal((await fetchText(proxy.port("main"), "/ok")).status, 200);
}

test("streams that are opened and reset at once end the connection", limits, async () => {
  const client = new RawH2Client(proxy.port("main"));
  for (let id = 1; id < 2_400 && !client.socket.destroyed; id += 2) {
    client.socket.write(frame(FRAME.headers, HEADERS_END, id, hpack(GET)));
    client.socket.write(frame(FRAME.reset, 0, id, Uint8Array.of(0, 0, 0, 8)));
    if (id % 100 === 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await client.closed;
  assert.equal(client.goawayCode, CALM);
  await servesOn();
  await active(0);
});

test("SETTINGS without end end the connection", limits, async () => {
  const client = new RawH2Client(proxy.port("main"));
  const one = frame(FRAME.settings, 0, 0, NOTHING);
  while (!client.socket.destroyed) {
    client.socket.write(Buffer.concat(Array(100).fill(one)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.closed;
  await servesOn();
});

test("PINGs without end end the connection", limits, async () => {
  const client = new RawH2Client(proxy.port("main"));
  const one = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
  while (!client.socket.destroyed) {
    client.socket.write(Buffer.concat(Array(100).fill(one)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.closed;
  await servesOn();
});

test("more streams than permitted are refused, the others go on", limits, async () => {
  const client = new RawH2Client(proxy.port("main"));
  for (let id = 1; id <= 41; id += 2) {
    client.socket.write(frame(FRAME.headers, HEADERS_END, id, hpack(GET)));
  }
  const isReset = ({ type }: { type: number }): boolean => type === FRAME.reset;
  while (client.frames.filter(isReset).length < 11 && !client.socket.destroyed) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const refused = client.frames.filter(isReset);
  assert.ok(refused.every(({ stream }) => stream > 20));
  await active(10);
  client.socket.destroy();
  await servesOn();
});

test("a header list over the limit is refused", limits, async () => {
  const client = new H2Client(`http://127.0.0.1:${proxy.port("main")}`);
  const big = await client.ask({ ":path": "/ok", "x-big": "x".repeat(62_000) });
  assert.ok(big.status === 431 || big.code !== 0, `status ${big.status} code ${big.code}`);
  client.close();
  const many = new H2Client(`http://127.0.0.1:${proxy.port("main")}`);
  const fields = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`x-${i}`, "1"]));
  const refused = await many.ask({ ":path": "/ok", ...fields });
  assert.ok(refused.status === 431 || refused.code !== 0, `status ${refused.status}`);
  many.close();
  await servesOn();
});

test("frames that make no sense harm nobody else", limits, async () => {
  const bad: readonly Buffer[] = [
    frame(FRAME.data, 0, 1, Buffer.from("on no stream")),
    frame(FRAME.headers, HEADERS_END, 2, hpack(GET)),
    frame(FRAME.headers, HEADERS_END, 1, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff)),
    frame(FRAME.headers, HEADERS_END, 1, hpack([[":method", "GET"]])),
    frame(FRAME.headers, HEADERS_END, 1, hpack([...GET, ["Upper", "1"]])),
    frame(FRAME.headers, HEADERS_END, 1, hpack([...GET, ["connection", "close"]])),
    frame(FRAME.headers, FLAG.endHeaders, 1, hpack([...GET, ["content-length", "x"]])),
    frame(FRAME.settings, 0, 0, Buffer.of(0, 4, 0xff, 0xff, 0xff, 0xff)),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  ];
  for (const bytes of bad) {
    const client = new RawH2Client(proxy.port("main"));
    client.socket.write(bytes);
    await servesOn();
    client.socket.destroy();
  }
  // Bytes of any kind, from a seed.
  let seed = 7;
  const clients: RawH2Client[] = [];
  for (let i = 0; i < 50; i++) {
    const client = new RawH2Client(proxy.port("main"));
    const noise = Buffer.alloc(200);
    for (let j = 0; j < noise.length; j++) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      noise[j] = seed >> 16;
    }
    client.socket.write(frame(noise[0] ?? 0, noise[1] ?? 0, (noise[2] ?? 0) % 4, noise));
    client.socket.end(noise);
    clients.push(client);
  }
  await servesOn();
  await active(0);
  for (const { socket } of clients) socket.destroy();
});
