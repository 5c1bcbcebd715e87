/**
 * TypeScript filters of TCP chains, on real sockets: the callbacks of a Wasm network filter in the
 * same order, and handlers that wait.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { untilLogged } from "../harness/filter-rig.ts";
import { TcpRig, tcpCluster } from "../harness/tcp-rig.ts";

const limits = { timeout: 20_000 };
const folder = mkdtempSync(join(tmpdir(), "granary-null-tcp-"));

const IMPORT = 'import type { ConnectionContext, NetworkFilter } from "granary";\n';
const scripts = {
  recorder: `export default {
    onNewConnection: (c) => c.log.info("new"),
    onDownstreamData: (c, { size, endOfStream }) =>
      c.log.info("down " + size + " " + endOfStream + " " + c.downstream.text()),
    onUpstreamData: (c, { size, endOfStream }) =>
      c.log.info("up " + size + " " + endOfStream + " " + c.upstream.text()),
    onDownstreamClose: (c, by) => c.log.info("downclose " + by),
    onUpstreamClose: (c) => c.log.info("upclose"),
    onLog: (c) => c.log.info("log " + c.properties.text("xds", "cluster_name")),
    onDone: (c) => c.log.info("done"),
  } satisfies NetworkFilter;`,
  /** Asks before there is a connection to the upstream, and closes where the answer is no. */
  asking: `export async function onNewConnection(c: ConnectionContext) {
    const { status } = await c.httpCall("service", { path: "/may-connect" });
    c.log.info("answer " + status);
    if (status !== 200) c.close();
  }`,
  /** Waits for each piece's approval; the pieces that are let go are in upper case. */
  slow: `type Event = { endOfStream: boolean };
  export async function onDownstreamData(c: ConnectionContext, { endOfStream }: Event) {
    if (endOfStream) return;
    const text = c.downstream.text();
    c.log.info("sees " + text);
    await c.httpCall("service", { path: "/piece" });
    c.downstream.replace(text.toUpperCase());
    c.log.info("lets go " + c.downstream.text());
  }
  export async function onUpstreamData(c: ConnectionContext, { endOfStream }: Event) {
    if (endOfStream) return;
    await c.sleep(1);
    c.upstream.append("!");
  }`,
  /** Lets bytes pass when it has four, or at the end. */
  four: `export const onDownstreamData: NetworkFilter["onDownstreamData"] = (c, { size, endOfStream }) => {
    c.log.info("down " + c.downstream.text());
    return size < 4 && !endOfStream ? "pause" : "continue";
  };`,
  /** The same, decided after a wait. */
  fourLater: `export async function onDownstreamData(c: ConnectionContext, { size, endOfStream }: { size: number; endOfStream: boolean }) {
    c.log.info("down " + c.downstream.text());
    await c.sleep(1);
    return size < 4 && !endOfStream ? "pause" : "continue";
  }`,
  held: `export function onUpstreamData(c: ConnectionContext) {
    void c.sleep(1).then(() => { c.upstream.replace("held"); c.continueUpstream(); });
    return "pause" as const;
  }`,
  stuck: `export async function onDownstreamData(c: ConnectionContext) {
    c.signal.addEventListener("abort", () => c.root.log.info("aborted"));
    c.log.info("waits");
    await new Promise(() => {});
  }`,
  broken: `export async function onDownstreamData(c: ConnectionContext) {
    await c.sleep(1);
    throw new Error("broken");
  }`,
  strange: `export const onDownstreamData = () => "pauseAndBuffer";`,
};

let rig: TcpRig;
let service: FakeUpstream;
let may = 200;
/** Requests for `/piece` that are not answered yet. */
const pieces: (() => void)[] = [];

function echo(socket: Socket): void {
  socket.on("data", (bytes) => socket.write(`<${bytes.toString("latin1")}>`));
  socket.on("end", () => socket.end());
}

before(async () => {
  service = await FakeUpstream.listen({
    onRequest: ({ target }, connection) => {
      const answer = (): void => void connection.write(plainResponse(may, ""));
      if (target === "/piece") pieces.push(answer);
      else answer();
    },
  });
  const fileOf = (name: string): string => join(folder, `${name}.ts`);
  for (const [name, text] of Object.entries(scripts)) writeFileSync(fileOf(name), IMPORT + text);
  const impatient = {
    metadata: { filter_metadata: { "granary.wasm": { handler_wait_max: "0.2s" } } },
  };
  rig = await TcpRig.start(
    [
      ...Object.keys(scripts).map((name) => ({ name, filters: { [name]: fileOf(name) } })),
      { name: "impatient", filters: { impatient: fileOf("stuck") }, listener: impatient },
      {
        name: "open",
        filters: { open: fileOf("broken") },
        plugin: { failure_policy: "FAIL_OPEN" },
      },
      { name: "two", filters: { first: fileOf("fourLater"), second: fileOf("recorder") } },
    ],
    echo,
    [tcpCluster("service", service.port)],
  );
});

after(async () => {
  await rig?.stop();
  await service?.close();
  rmSync(folder, { recursive: true });
});

/** Sends the pieces, each when the one before has come back, and reads to the end. */
async function talk(name: string, ...texts: readonly string[]): Promise<string> {
  const client = await rig.open(name);
  for (const text of texts) {
    client.send(text);
    await client.until((got) => got.endsWith(">") || got.endsWith("!"));
  }
  client.socket.end();
  return client.untilClosed();
}

/** Without what the echo and a filter put around them. */
function lettersOf(text: string): string {
  return text.replaceAll(/[<>!]/g, "");
}

it("a filter hears what a Wasm filter hears, in the same order", limits, async () => {
  assert.equal(await talk("recorder", "hello"), "<hello>");
  const lines = await rig.linesUntil("recorder", "log");
  assert.deepEqual(lines, [
    "new",
    "down 5 false hello",
    "up 7 false <hello>",
    "down 0 true ",
    "up 0 true ",
    "upclose",
    "downclose local",
    "done",
    "log upstream",
  ]);
});

it("a connection waits for a handler before there is an upstream", limits, async () => {
  assert.equal(await talk("asking", "hello"), "<hello>");
  may = 403;
  const upstreams = rig.sockets.length;
  const client = await rig.open("asking");
  client.send("x");
  assert.equal(await client.untilClosed(), "");
  assert.equal(rig.sockets.length, upstreams);
  may = 200;
  assert.deepEqual(await rig.linesUntil("asking", "answer 403"), ["answer 200", "answer 403"]);
});

it("what comes while a handler waits is kept, and shown to the next one", limits, async () => {
  const client = await rig.open("slow");
  client.send("ab");
  while (pieces.length === 0) await rig.proxy.stat("server.uptime");
  client.send("cd");
  // The second piece is with the proxy once a later connection has been served.
  await talk("recorder", "x");
  pieces.shift()?.();
  await rig.linesUntil("slow", "sees cd");
  pieces.shift()?.();
  // The two may reach the upstream, and its answers the filter, as one or as two.
  const isWhole = (text: string): boolean => text.endsWith("!") && lettersOf(text) === "ABCD";
  const whole = await client.until(isWhole);
  client.socket.end();
  assert.equal(await client.untilClosed(), whole);
  const lines = await rig.linesUntil("slow", "lets go CD");
  assert.deepEqual(lines.slice(0, 4), ["sees ab", "lets go AB", "sees cd", "lets go CD"]);
});

for (const name of ["four", "fourLater"]) {
  it(`${name}: bytes that are paused are shown again with those that follow`, limits, async () => {
    const client = await rig.open(name);
    client.send("ab");
    await rig.linesUntil(name, "down ab");
    client.send("cd");
    const whole = await client.until((text) => lettersOf(text) === "abcd");
    client.socket.end();
    assert.equal(await client.untilClosed(), whole);
    const lines = await rig.linesUntil(name, "down abcd");
    assert.deepEqual(lines.slice(0, 2), ["down ab", "down abcd"]);
  });
}

it("filters behind one that waits see the bytes when it lets them go", limits, async () => {
  assert.equal(await talk("two", "abcd"), "<abcd>");
  assert.deepEqual((await rig.linesUntil("second", "down")).slice(0, 2), [
    "new",
    "down 4 false abcd",
  ]);
});

it("bytes of the upstream can be held, changed and resumed from elsewhere", limits, async () => {
  const client = await rig.open("held");
  client.send("x");
  assert.equal(await client.until((text) => text === "held"), "held");
  client.socket.destroy();
});

it("a client that leaves ends the wait of its handler", limits, async () => {
  const client = await rig.open("stuck");
  client.send("x");
  await rig.linesUntil("stuck", "waits");
  client.socket.resetAndDestroy();
  await rig.linesUntil("stuck", "aborted");
  assert.equal(await rig.proxy.stat("wasm.stuck.vm_failed"), null);
});

it("a handler that waits too long closes its connection", limits, async () => {
  const client = await rig.open("impatient");
  client.send("x");
  assert.equal(await client.untilClosed(), "");
  const line = "onDownstreamData has waited for 0.2 s (handler_wait_max): its stream is failed";
  assert.ok((await rig.linesUntil("impatient", "onDownstreamData")).includes(line));
});

it("an error after waiting closes the connection, or lets it go on", limits, async () => {
  const closed = await rig.open("broken");
  closed.send("x");
  assert.equal(await closed.untilClosed(), "");
  assert.equal(await talk("open", "x"), "<x>");
});

it("an action that connections do not have is an error", limits, async () => {
  const client = await rig.open("strange");
  client.send("x");
  assert.equal(await client.untilClosed(), "");
  const told = /TypeError: onDownstreamData returned "pauseAndBuffer"/;
  await untilLogged(rig.proxy, (line) => told.test(line));
});
