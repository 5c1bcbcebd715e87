/** Wasm network filters in front of tcp_proxy. The orders of callbacks are Envoy 1.40's. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, it } from "node:test";
import { type Callbacks, type Script, scriptedGuest } from "../harness/scripted-guest.ts";
import { TcpRig } from "../harness/tcp-rig.ts";

const limits = { timeout: 20_000 };
const A = "(local.get $a)";
const B = "(local.get $b)";
const CONTINUE = "(i32.const 0)";
const STOP = "(i32.const 1)";

const recorder = (s: Script): Callbacks => ({
  proxy_on_new_connection: [s.note("new"), CONTINUE],
  proxy_on_downstream_data: [s.note("down", A, B), s.getBuffer("bytes", 2), CONTINUE],
  proxy_on_upstream_data: [s.note("up", A, B), s.getBuffer("bytes", 3), CONTINUE],
  proxy_on_downstream_connection_close: [s.note("downclose", A)],
  proxy_on_upstream_connection_close: [s.note("upclose", A)],
  proxy_on_done: [s.note("done"), "(i32.const 1)"],
  proxy_on_log: [s.note("log"), s.getProperty("cluster", ["xds", "cluster_name"])],
  proxy_on_delete: [s.note("delete")],
});

const guests = {
  recorder: scriptedGuest(recorder),
  /** Stops new connections until its timer runs. */
  gate: scriptedGuest((s) => ({
    ...recorder(s),
    proxy_on_vm_start: [s.setTick(20), "(i32.const 1)"],
    proxy_on_new_connection: [s.note("new"), s.save(), STOP],
    proxy_on_tick: [
      `(if (global.get $saved) (then ${s.note("tick")} ${s.effective()} ${s.resume(2)}
        (global.set $saved (i32.const 0))))`,
    ],
  })),
  /** Lets bytes of the client pass when it has four. */
  four: scriptedGuest((s) => ({
    ...recorder(s),
    proxy_on_downstream_data: [
      s.note("down", A, B),
      s.getBuffer("bytes", 2),
      `(i32.and (i32.lt_u ${A} (i32.const 4)) (i32.eqz ${B}))`,
    ],
  })),
  /** Holds the upstream's bytes until its timer runs. */
  hold: scriptedGuest((s) => ({
    ...recorder(s),
    proxy_on_vm_start: [s.setTick(20), "(i32.const 1)"],
    proxy_on_upstream_data: [s.note("up", A, B), s.save(), STOP],
    proxy_on_tick: [
      `(if (global.get $saved) (then ${s.note("tick")} ${s.effective()}
        ${s.setBuffer(3, "held")} ${s.resume(3)} (global.set $saved (i32.const 0))))`,
    ],
  })),
  edit: scriptedGuest((s) => ({
    proxy_on_downstream_data: [s.setBuffer(2, "asked"), CONTINUE],
    proxy_on_upstream_data: [s.setBuffer(3, "told"), CONTINUE],
  })),
  close: scriptedGuest((s) => ({
    ...recorder(s),
    proxy_on_downstream_data: ["(drop (call $proxy_close_stream (i32.const 2)))", CONTINUE],
  })),
  /** Chooses the cluster by filter state: {1: "envoy.tcp_proxy.cluster", 2: "nobody"}. */
  choose: scriptedGuest((s) => ({
    proxy_on_new_connection: [
      s.status(
        "choose",
        `(call $proxy_call_foreign_function ${s.slice("set_envoy_filter_state")}
          ${s.slice("\n\x17envoy.tcp_proxy.cluster\x12\x06nobody")} (i32.const 0) (i32.const 0))`,
      ),
      CONTINUE,
    ],
  })),
  trapNew: scriptedGuest(() => ({ proxy_on_new_connection: ["(unreachable)"] })),
  trapData: scriptedGuest(() => ({ proxy_on_downstream_data: ["(unreachable)"] })),
  /** Calls that belong to HTTP. */
  strange: scriptedGuest((s) => ({
    proxy_on_downstream_data: [
      s.status("cont0", "(call $proxy_continue_stream (i32.const 0))"),
      s.status("close1", "(call $proxy_close_stream (i32.const 1))"),
      s.reply(200, "no reply"),
      s.getHeader(0, ":path"),
      s.getBuffer("body", 0),
      s.getBuffer("other", 3),
      s.getProperty("path", ["request", "path"]),
      s.getProperty("protocol", ["request", "protocol"]),
      CONTINUE,
    ],
  })),
};

let rig: TcpRig;

function echo(socket: Socket): void {
  socket.on("data", (bytes) => socket.write(`<${bytes.toString("latin1")}>`));
  socket.on("end", () => socket.end());
}

before(async () => {
  const open = { failure_policy: "FAIL_OPEN" };
  rig = await TcpRig.start(
    [
      ...Object.entries(guests).map(([name, code]) => ({ name, filters: { [name]: code } })),
      { name: "open", filters: { open: guests.trapData }, plugin: open },
      { name: "two", filters: { first: guests.four, second: guests.recorder } },
    ],
    echo,
  );
});

after(() => rig?.stop());

/** The upstream may see what was held as one piece or as two. */
const isAbcd = (text: string): boolean => text.replaceAll(/[<>]/g, "") === "abcd";

async function talk(name: string, ...pieces: readonly string[]): Promise<string> {
  const client = await rig.open(name);
  for (const piece of pieces) {
    client.send(piece);
    await client.until((text) => text.endsWith(">"));
  }
  client.socket.end();
  return client.untilClosed();
}

it("a filter hears of a connection, its bytes, its ends, in this order", limits, async () => {
  assert.equal(await talk("recorder", "hello"), "<hello>");
  const lines = await rig.linesUntil("recorder", "delete");
  assert.deepEqual(lines, [
    "new 2 0",
    "down 5 0",
    "bytes 0 hello",
    "up 7 0",
    "bytes 0 <hello>",
    "down 0 1",
    "bytes 0 ",
    "up 0 1",
    "bytes 0 ",
    "upclose 0 0",
    "downclose 1 0",
    "done 2 0",
    "log 2 0",
    "cluster 0 upstream",
    "delete 2 0",
  ]);
});

it("a new connection waits until the filter resumes it, unread", limits, async () => {
  assert.equal(await talk("gate", "early"), "<early>");
  const lines = await rig.linesUntil("gate", "delete");
  assert.deepEqual(lines.slice(0, 4), ["new 2 0", "tick 1 0", "down 5 0", "bytes 0 early"]);
});

it(
  "bytes that the filter stops are kept and shown again with those that follow",
  limits,
  async () => {
    const client = await rig.open("four");
    client.send("ab");
    await rig.linesUntil("four", "bytes 0 ab");
    client.send("cd");
    await client.until(isAbcd);
    client.socket.end();
    await client.untilClosed();
    const lines = await rig.linesUntil("four", "delete");
    assert.deepEqual(lines.slice(1, 5), ["down 2 0", "bytes 0 ab", "down 4 0", "bytes 0 abcd"]);
  },
);

it("bytes of the upstream can be held, changed and resumed", limits, async () => {
  const client = await rig.open("hold");
  client.send("x");
  assert.equal(await client.until((text) => text === "held"), "held");
  client.socket.destroy();
});

it("bytes of both directions can be replaced", limits, async () => {
  const client = await rig.open("edit");
  client.send("x");
  await client.until((text) => text === "told");
  client.socket.destroy();
});

it("a filter closes the connection; what it saw last goes nowhere", limits, async () => {
  const client = await rig.open("close");
  client.send("x");
  assert.equal(await client.untilClosed(), "");
  const lines = await rig.linesUntil("close", "delete");
  assert.deepEqual(lines, [
    "new 2 0",
    "downclose 1 0",
    "done 2 0",
    "log 2 0",
    "cluster 0 upstream",
    "delete 2 0",
  ]);
  assert.deepEqual(await rig.logged("close"), ["close tcp - 1 0 upstream - -"]);
});

it("a filter chooses the cluster of its connection", limits, async () => {
  const client = await rig.open("choose");
  assert.equal(await client.untilClosed(), "");
  assert.deepEqual(await rig.linesUntil("choose", "choose"), ["choose 0"]);
  assert.deepEqual(await rig.logged("choose"), ["choose tcp NC 0 0 nobody - -"]);
  assert.equal(await rig.proxy.stat("tcp.choose.downstream_cx_no_route"), 1);
});

it("a trap closes the connection, or the filter is skipped, by its policy", limits, async () => {
  for (const name of ["trapNew", "trapData"]) {
    const client = await rig.open(name);
    client.send("x");
    assert.equal(await client.untilClosed(), "", name);
  }
  assert.equal(await talk("open", "x"), "<x>");
});

it("two filters see bytes in order, and back in the other order", limits, async () => {
  const client = await rig.open("two");
  client.send("ab");
  await rig.linesUntil("first", "bytes 0 ab");
  assert.deepEqual(await rig.linesUntil("second", "new"), ["new 2 0"]);
  client.send("cd");
  await client.until(isAbcd);
  client.socket.end();
  await client.untilClosed();
  await rig.linesUntil("first", "delete");
  const second = await rig.linesUntil("second", "delete");
  assert.deepEqual(second.slice(0, 3), ["new 2 0", "down 4 0", "bytes 0 abcd"]);
  const all = rig.proxy.log.split("\n").map((line) => /log (first|second) .*: up/.exec(line)?.[1]);
  const order = all.filter((name) => name !== undefined);
  assert.deepEqual(order.slice(0, 2), ["second", "first"]);
});

it("what belongs to HTTP has no effect on a connection", limits, async () => {
  assert.equal(await talk("strange", "x"), "<x>");
  const lines = await rig.linesUntil("strange", "protocol");
  assert.deepEqual(lines.slice(0, 7), [
    "cont0 0",
    "close1 0",
    ":path 2",
    "body 0 ",
    "other 0 ",
    "path 1",
    "protocol 1",
  ]);
});
