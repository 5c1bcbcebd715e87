import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import {
  type AdminAccess,
  type AdminServer,
  createAdminServer,
} from "../../../src/admin/server.ts";
import { setLogSink } from "../../../src/base/log.ts";
import { FakeSource } from "./fake-source.ts";

interface Running {
  readonly source: FakeSource;
  readonly server: AdminServer;
  readonly port: number;
  readonly log: AdminAccess[];
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

async function start(t: TestContext, host = "127.0.0.1"): Promise<Running> {
  const source = new FakeSource();
  const log: AdminAccess[] = [];
  const server = createAdminServer({
    address: { host, port: 0 },
    source,
    accessLog: (access) => log.push(access),
  });
  const port = await server.listen();
  t.after(() => server.close());
  return {
    source,
    server,
    port,
    log,
    fetch: (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init),
  };
}

const POST = { method: "POST" };

/** Sends bytes and returns everything that comes until the peer closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.setEncoding("latin1");
  let received = "";
  socket.on("data", (text: string) => {
    received += text;
  });
  socket.on("error", () => {});
  socket.write(bytes);
  await once(socket, "close");
  return received;
}

test("answers carry the headers of Envoy's admin", async (t) => {
  const { fetch } = await start(t);
  const response = await fetch("/ready");
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "LIVE\n");
  assert.equal(response.headers.get("content-type"), "text/plain; charset=UTF-8");
  assert.equal(response.headers.get("cache-control"), "no-cache, max-age=0");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  assert.equal(response.headers.get("server"), "granary");
});

test("a server that is not live is not ready", async (t) => {
  const { fetch, source } = await start(t);
  source.serverState = "DRAINING";
  const response = await fetch("/ready");
  assert.equal(response.status, 503);
  assert.equal(await response.text(), "DRAINING\n");
});

test("an unknown path answers 404 with the list of commands", async (t) => {
  const { fetch } = await start(t);
  const response = await fetch("/nope");
  assert.equal(response.status, 404);
  const body = await response.text();
  const help = await (await fetch("/help")).text();
  assert.equal(body, `invalid path. ${help}`);
  assert.match(help, /^admin commands are:\n {2}\/: Admin home page\n/);
  assert.match(help, /\n {2}\/quitquitquit \(POST\): exit the server\n/);
  assert.match(help, /\n {6}type: Stat types to include\.; One of \(All, Counters,/);
});

test("what changes the server needs POST", async (t) => {
  const { fetch, source } = await start(t);
  const paths = [
    "/quitquitquit",
    "/drain_listeners",
    "/reset_counters",
    "/reload",
    "/reopen_logs",
    "/healthcheck/fail",
    "/healthcheck/ok",
    "/logging",
  ];
  for (const path of paths) {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const response = await fetch(path, { method });
      assert.equal(response.status, 405);
      assert.equal(await response.text(), `Method ${method} not allowed, POST required.`);
    }
  }
  assert.deepEqual(source.calls, []);
});

test("POST changes the server and answers OK", async (t) => {
  const { fetch, source } = await start(t);
  for (const path of [
    "/reset_counters",
    "/reopen_logs",
    "/healthcheck/fail",
    "/healthcheck/ok",
    "/drain_listeners",
    "/drain_listeners?graceful&skip_exit&inboundonly",
  ]) {
    assert.equal(await (await fetch(path, POST)).text(), "OK\n");
  }
  assert.deepEqual(source.calls, [
    "resetCounters",
    "reopenLogs",
    "healthcheck fail",
    "healthcheck ok",
    'drain {"graceful":false,"skipExit":false,"inboundOnly":false}',
    'drain {"graceful":true,"skipExit":true,"inboundOnly":true}',
  ]);
});

test("the server quits after the answer has left", async (t) => {
  const { source, port } = await start(t);
  const received = await raw(
    port,
    "POST /quitquitquit HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  );
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(received, /\r\n\r\nOK\n$/);
  assert.deepEqual(source.calls, ["quit"]);
});

test("reads answer under every method", async (t) => {
  const { fetch } = await start(t);
  for (const method of ["POST", "PUT", "DELETE"]) {
    assert.equal(await (await fetch("/ready", { method })).text(), "LIVE\n");
  }
  const head = await fetch("/ready", { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), "5");
  assert.equal(await head.text(), "");
});

test("a form of the home page sends its parameters in the body", async (t) => {
  const { fetch } = await start(t);
  const body = new URLSearchParams({ level: "debug" });
  const answer = await (await fetch("/logging", { method: "POST", body })).text();
  assert.match(answer, /^active loggers:\n {2}main: debug\n/);
});

test("paths and parameters are decoded, and a plus in a filter stays a plus", async (t) => {
  const { fetch, source } = await start(t);
  source.root.counter("aab").inc();
  source.root.counter("a b").inc();
  assert.equal(await (await fetch("/%73tats?filter=^a+b$")).text(), "aab: 1\n");
  assert.equal(await (await fetch("/stats?filter=a%20b")).text(), "a b: 1\n");
  assert.equal(await (await fetch("/stats?filter=%zz")).text(), "");
});

test("heads and bodies that are too long are refused", async (t) => {
  const { fetch, port } = await start(t);
  const body = "x".repeat(100_000);
  assert.equal((await fetch("/logging", { method: "POST", body })).status, 413);
  const head = `GET /stats?filter=${"a".repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`;
  assert.match(await raw(port, head), /^HTTP\/1\.1 431 /);
  assert.match(await raw(port, "NOT HTTP\r\n\r\n"), /^HTTP\/1\.1 400 /);
});

test("a handler that fails answers 500 and the next request is served", async (t) => {
  const lines: string[] = [];
  setLogSink((line) => lines.push(line));
  const { fetch, source } = await start(t);
  source.running = { ...source.running, bootstrapJson: "no json" };
  const response = await fetch("/config_dump");
  assert.equal(response.status, 500);
  assert.ok(!(await response.text()).includes("at "), "no stack leaves the server");
  assert.match(lines.join(""), /\/config_dump/);
  assert.equal((await fetch("/ready")).status, 200);
});

test("every answered request is logged once", async (t) => {
  const { port, log } = await start(t);
  await raw(port, "GET /ready?a=b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  await raw(port, "GET /nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  assert.deepEqual(
    log.map(({ method, target, status }) => `${method} ${target} ${status}`),
    ["GET /ready?a=b 200", "GET /nope 404"],
  );
  assert.equal(log[0]?.bodyBytes, 5);
  assert.equal(log[0]?.peerAddress, "127.0.0.1");
});

test("close ends open connections, and a port that is taken is an error of listen", async (t) => {
  const { server, port, source } = await start(t);
  const other = createAdminServer({
    address: { host: "127.0.0.1", port },
    source,
    accessLog: null,
  });
  await assert.rejects(other.listen(), { code: "EADDRINUSE" });
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const closed = once(socket, "close");
  socket.on("error", () => {});
  await Promise.all([server.close(), closed]);
});
