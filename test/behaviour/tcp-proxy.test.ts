/** tcp_proxy in a real proxy: half-close, resets, limits, back-pressure, TLS, stats. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { CLOSED_PORT } from "../harness/config.ts";
import { BUILD_ROOT } from "../harness/proxy.ts";
import { TcpRig, tcpCluster } from "../harness/tcp-rig.ts";

const limits = { timeout: 20_000 };
const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const FIXTURES = fixtures();

function fixtures(): string {
  for (let root = BUILD_ROOT; ; root = join(root, "..")) {
    const directory = join(root, "test/fixtures/tls");
    if (existsSync(join(directory, "ca.pem"))) return directory;
  }
}

const file = (name: string): object => ({ filename: join(FIXTURES, name) });
const certificate = { certificate_chain: file("server.pem"), private_key: file("server.key") };
const tls = {
  transport_socket: {
    name: "tls",
    typed_config: { "@type": TLS, common_tls_context: { tls_certificates: [certificate] } },
  },
};

let rig: TcpRig;
let serve: (socket: Socket) => void = () => undefined;

/** Answers each piece in brackets, and `bye` to the end. */
function echo(socket: Socket): void {
  socket.on("data", (bytes) => socket.write(`<${bytes.toString("latin1")}>`));
  socket.on("end", () => socket.end("bye"));
}

/** Echoes over TLS what it gets in braces. */
const tlsServer = createTlsServer(
  {
    cert: readFileSync(join(FIXTURES, "server.pem")),
    key: readFileSync(join(FIXTURES, "server.key")),
  },
  (socket) => {
    socket.on("data", (bytes) => socket.write(`{${bytes.toString("latin1")}}`));
    socket.on("end", () => socket.end());
    socket.on("error", () => socket.destroy());
  },
);
const UPSTREAM_TLS =
  "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const upstreamTls = {
  transport_socket: {
    name: "tls",
    typed_config: {
      "@type": UPSTREAM_TLS,
      common_tls_context: { validation_context: { trusted_ca: file("ca.pem") } },
    },
  },
};

before(async () => {
  await new Promise<void>((resolve) => tlsServer.listen(0, "127.0.0.1", resolve));
  const tlsPort = (tlsServer.address() as AddressInfo).port;
  const small = { per_connection_buffer_limit_bytes: 65_536 };
  rig = await TcpRig.start(
    [
      { name: "plain" },
      { name: "small", listener: small },
      { name: "secure", chain: tls },
      { name: "onward", proxy: { cluster: "secured" } },
      { name: "refused", proxy: { cluster: "refused", max_connect_attempts: 3 } },
      { name: "empty", proxy: { cluster: "empty" } },
      { name: "idle", proxy: { cluster: "upstream", idle_timeout: "0.2s" } },
      { name: "aged", proxy: { cluster: "upstream", max_downstream_connection_duration: "0.2s" } },
      {
        name: "weighted",
        proxy: {
          weighted_clusters: {
            clusters: [
              { name: "upstream", weight: 1 },
              { name: "refused", weight: 1 },
            ],
          },
        },
      },
    ],
    (socket) => serve(socket),
    [
      tcpCluster("secured", tlsPort, upstreamTls),
      tcpCluster("refused", CLOSED_PORT),
      { name: "empty", type: "STATIC", load_assignment: { cluster_name: "empty" } },
    ],
  );
});

after(async () => {
  await rig?.stop();
  tlsServer.close();
});

it("passes bytes both ways and each side's end by itself", limits, async () => {
  serve = echo;
  const client = await rig.open("plain");
  client.send("one");
  await client.until((text) => text === "<one>");
  client.send("two");
  await client.until((text) => text === "<one><two>");
  client.socket.end();
  assert.equal(await client.untilClosed(), "<one><two>bye");
  assert.deepEqual(await rig.logged("plain"), ["plain tcp - 6 13 upstream - -"]);
});

it("passes on what the client sends after the upstream has ended", limits, async () => {
  let got = "";
  let ended = false;
  serve = (socket) => {
    socket.end("fin");
    socket.on("data", (bytes) => {
      got += bytes.toString("latin1");
    });
    socket.on("end", () => {
      ended = true;
    });
  };
  const client = await rig.open("plain");
  client.send("a");
  await client.until((text) => text === "fin");
  client.send("b");
  while (got !== "ab") await wait(5);
  assert.equal(ended, false);
  client.socket.end();
  while (!ended) await wait(5);
});

it("breaks off on one side what broke off on the other", limits, async () => {
  serve = (socket) => socket.on("data", () => socket.resetAndDestroy());
  const client = await rig.open("plain");
  const failed = new Promise<string>((resolve) => {
    client.socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
  client.send("x");
  assert.equal(await failed, "ECONNRESET");
  const [, , last] = await rig.logged("plain", 3);
  assert.equal(last, "plain tcp UR 1 0 upstream - -");
});

it("tells the upstream that a client has gone", limits, async () => {
  let gone = false;
  serve = (socket) => {
    socket.on("data", () => socket.write("ok"));
    socket.on("close", () => {
      gone = true;
    });
    socket.on("end", () => socket.end());
  };
  const client = await rig.open("plain");
  client.send("x");
  await client.until((text) => text === "ok");
  client.socket.resetAndDestroy();
  while (!gone) await wait(5);
});

it("tries as often as it may, then gives the client up", limits, async () => {
  const before = (await rig.proxy.stat("cluster.refused.upstream_cx_connect_fail")) ?? 0;
  const client = await rig.open("refused");
  assert.equal(await client.untilClosed(), "");
  assert.deepEqual(await rig.logged("refused"), ["refused tcp UF,URX 0 0 refused - -"]);
  const failed = await rig.proxy.stat("cluster.refused.upstream_cx_connect_fail");
  assert.equal((failed ?? 0) - before, 3);
  assert.equal(await rig.proxy.stat("cluster.refused.upstream_cx_connect_attempts_exceeded"), 1);
});

it("closes the client's connection where the cluster has no endpoint", limits, async () => {
  const client = await rig.open("empty");
  assert.equal(await client.untilClosed(), "");
  assert.deepEqual(await rig.logged("empty"), ["empty tcp UH 0 0 empty - -"]);
});

it("closes a connection on which nothing moves, and an old one", limits, async () => {
  serve = echo;
  const idle = await rig.open("idle");
  const aged = await rig.open("aged");
  assert.equal(await idle.untilClosed(), "");
  await aged.untilClosed();
  assert.equal(await rig.proxy.stat("tcp.idle.idle_timeout"), 1);
  assert.equal(await rig.proxy.stat("tcp.aged.max_downstream_connection_duration"), 1);
  const [line] = await rig.logged("aged");
  assert.equal(line, "aged tcp DT 0 0 upstream max_connection_duration_exceeded -");
});

it("spreads connections over weighted clusters", limits, async () => {
  serve = echo;
  const flags = new Set<string>();
  for (let count = 1; flags.size < 2; count++) {
    const client = await rig.open("weighted");
    client.socket.end();
    await client.untilClosed();
    const lines = await rig.logged("weighted", count);
    for (const line of lines) flags.add(line.split(" ")[5] ?? "");
  }
  assert.deepEqual([...flags].sort(), ["refused", "upstream"]);
});

it("stops reading from a side whose peer does not take what was read", limits, async () => {
  const size = 16 * 1024 * 1024;
  serve = (socket) => {
    socket.pause();
    socket.on("end", () => socket.end());
  };
  const client = await rig.open("small");
  client.socket.write(Buffer.alloc(size, 97));
  client.socket.end();
  const paused = "tcp.small.downstream_flow_control_paused_reading_total";
  while (((await rig.proxy.stat(paused)) ?? 0) === 0) await wait(5);
  let received = 0;
  const upstream = rig.sockets.at(-1) as Socket;
  upstream.on("data", (bytes: Buffer) => {
    received += bytes.length;
  });
  upstream.resume();
  await client.untilClosed();
  assert.equal(received, size);
});

it("holds a fast upstream back for a slow client, and loses nothing", limits, async () => {
  const size = 16 * 1024 * 1024;
  serve = (socket) => socket.end(Buffer.alloc(size, 98));
  const client = await rig.open("small");
  client.socket.pause();
  // The upstream cannot have written everything: nobody has taken it.
  while ((rig.sockets.at(-1)?.writableLength ?? 0) === 0) await wait(5);
  client.socket.resume();
  client.socket.end();
  assert.equal((await client.untilClosed()).length, size);
});

it("proxies TLS to plaintext", limits, async () => {
  serve = echo;
  const ca = readFileSync(join(FIXTURES, "ca.pem"));
  const socket = connectTls({
    host: "127.0.0.1",
    port: rig.proxy.port("secure"),
    ca,
    checkServerIdentity: () => undefined,
  });
  let text = "";
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
    if (text === "<secret>") socket.end();
  });
  socket.write("secret");
  await new Promise((resolve) => socket.once("close", resolve));
  assert.equal(text, "<secret>bye");
});

it("proxies plaintext to TLS", limits, async () => {
  const client = await rig.open("onward");
  client.send("hidden");
  assert.equal(await client.until((text) => text.endsWith("}")), "{hidden}");
  client.socket.end();
  await client.untilClosed();
});

it("counts under tcp.<stat_prefix>", limits, async () => {
  assert.ok(((await rig.proxy.stat("tcp.plain.downstream_cx_total")) ?? 0) >= 4);
  assert.ok(((await rig.proxy.stat("tcp.small.downstream_cx_rx_bytes_total")) ?? 0) >= 16_777_216);
  assert.equal(await rig.proxy.stat("cluster.upstream.upstream_cx_active"), 0);
});
