/**
 * A new configuration takes the place of the old one while requests run: only what changed is
 * replaced, and streams finish on what they began with.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { bootstrap, cluster, listener, wasmFilter } from "../harness/config.ts";
import {
  FakeUpstream,
  type FakeUpstreamConnection,
  plainResponse,
} from "../harness/fake-upstream.ts";
import { untilLogged } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { exchange, RawClient } from "../harness/raw-client.ts";
import { type Callbacks, CONTINUE, type Script, scriptedGuest } from "../harness/scripted-guest.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_LAST = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const HOLD = "GET /hold HTTP/1.1\r\nhost: a\r\n\r\n";

let directory: string;
let upstream: FakeUpstream;
let proxy: ProxyProcess;
/** Connections whose request is held, in order of arrival. */
let held: FakeUpstreamConnection[];
let onHeld: () => void;

/** Adds `x-filter: <version>` to answers and says when it starts. */
function stamp(version: string): (s: Script) => Callbacks {
  return (s: Script) => ({
    proxy_on_vm_start: [s.note(`start ${version}`), "(i32.const 1)"],
    proxy_on_response_headers: [s.add(2, "x-filter", version), CONTINUE],
  });
}

function code(version: string): string {
  const path = join(directory, `${version}.wasm`);
  writeFileSync(path, scriptedGuest(stamp(version)));
  return `{filename: ${JSON.stringify(path)}}`;
}

function filter(version: string, configuration?: string): string {
  const given = configuration === undefined ? {} : { configuration };
  return wasmFilter({ name: "stamp", code: code(version), ...given });
}

const answerRoute = (body: string): string =>
  `[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ${body}}}}]`;

const forwarding = (more: { filters?: string[]; clusterMore?: string } = {}): string =>
  bootstrap(
    [listener({ filters: more.filters ?? [] })],
    [cluster("upstream", upstream.port, more.clusterMore ?? "")],
  );

async function ask(client: RawClient, request = GET): Promise<string> {
  const before = client.received.length;
  client.send(request);
  const whole = await client.until((text) => /\r\n\r\n[\s\S]*ok$/.test(text.slice(before)));
  return whole.slice(before);
}

function nextHeld(): Promise<void> {
  return new Promise((resolve) => {
    onHeld = resolve;
  });
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "granary-reload-"));
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      if (!request.head.includes(" /hold")) return connection.write(plainResponse(200, "ok"));
      held.push(connection);
      return onHeld();
    },
  });
  proxy = await startProxy({ yaml: forwarding(), concurrency: 2 });
});

beforeEach(async () => {
  held = [];
  onHeld = () => undefined;
  const { status, body } = await proxy.reload(forwarding());
  assert.equal(status, 200, body);
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
  await upstream.close();
  rmSync(directory, { recursive: true });
});

describe("reload", () => {
  it("of the same file changes nothing and says so", async () => {
    const version = await proxy.stat("config_reload.version");
    const { status, body } = await proxy.admin("/reload", "POST");
    assert.equal(status, 200);
    assert.equal(body, `OK: version ${version}, no change\n`);
    assert.equal(await proxy.stat("config_reload.version"), version);
  });

  it("gives new requests the new routes on connections that are open", async () => {
    const client = await RawClient.open(proxy.port("main"));
    assert.match(await ask(client), /^HTTP\/1.1 200/);
    const port = proxy.port("main");
    await proxy.reload(bootstrap([listener({ routes: answerRoute("new-ok") })], []));
    assert.equal(proxy.port("main"), port);
    assert.match(await ask(client), /new-ok$/);
    client.close();
  });

  it("lets a stream finish on the plugin and cluster it began with", async () => {
    await proxy.reload(forwarding({ filters: [filter("one")] }));
    const client = await RawClient.open(proxy.port("main"));
    const arrived = nextHeld();
    client.send(HOLD);
    await arrived;
    const { body } = await proxy.reload(
      forwarding({ filters: [filter("two")], clusterMore: "connect_timeout: 3s" }),
    );
    assert.match(body, /listeners: 1 modified; clusters: 1 modified/);
    held[0]?.write(plainResponse(200, "late ok"));
    const late = await client.until((text) => text.endsWith("late ok"));
    assert.match(late, /x-filter: one\r\n/);
    assert.match(await ask(client), /x-filter: two\r\n/);
    client.close();
  });

  it("leaves plugins alone when a cluster changes, and connections when a plugin does", async () => {
    await proxy.reload(forwarding({ filters: [filter("kept")] }));
    const starts = () => proxy.log.split("\n").filter((line) => line.includes("start kept")).length;
    const before = starts();
    assert.ok(before >= 2, "one VM on each silo");
    await proxy.reload(
      forwarding({ filters: [filter("kept")], clusterMore: "connect_timeout: 4s" }),
    );
    assert.equal(starts(), before);
    const total = () => proxy.stat("cluster.upstream.upstream_cx_total");
    const client = await RawClient.open(proxy.port("main"));
    await ask(client);
    const connections = await total();
    await proxy.reload(
      forwarding({ filters: [filter("kept", "other")], clusterMore: "connect_timeout: 4s" }),
    );
    assert.match(await ask(client), /x-filter: kept\r\n/);
    assert.equal(await total(), connections, "the pool was kept");
    client.close();
  });

  it("opens listeners, and drains those that are removed", async () => {
    const routes = "[{match: {prefix: /}, route: {cluster: upstream}}]";
    const clusters = [cluster("upstream", upstream.port)];
    await proxy.reload(bootstrap([listener(), listener({ name: "second", routes })], clusters));
    const port = proxy.port("second");
    const idle = await RawClient.open(port);
    await ask(idle);
    const busy = await RawClient.open(port);
    const arrived = nextHeld();
    busy.send(HOLD);
    await arrived;
    const kept = await RawClient.open(proxy.port("main"));
    await ask(kept);
    const { body } = await proxy.reload(bootstrap([listener()], clusters));
    assert.match(body, /listeners: 1 removed/);
    await idle.untilClosed();
    held[0]?.write(plainResponse(200, "late ok"));
    assert.match(await busy.untilClosed(), /connection: close\r\n[\s\S]*late ok$/);
    await assert.rejects(RawClient.open(port), /ECONNREFUSED/);
    assert.match(await ask(kept), /ok$/);
    assert.doesNotMatch((await proxy.admin("/listeners")).body, /second/);
    for (const client of [idle, busy, kept]) client.close();
  });

  it("hands the socket of a listener on to one of another name", async () => {
    const port = proxy.port("main");
    const at = (name: string, body: string) =>
      bootstrap([listener({ name, routes: answerRoute(body) })], []).replace(
        "port_value: 0",
        `port_value: ${port}`,
      );
    // The first step fixes the number of a free port; the second one renames the listener on it.
    await proxy.reload(bootstrap([], []));
    assert.match((await proxy.reload(at("first", "first-ok"))).body, /listeners: 1 added/);
    const client = await RawClient.open(port);
    assert.match(await ask(client), /first-ok$/);
    const answer = await proxy.reload(at("renamed", "renamed-ok"));
    assert.equal(answer.status, 200, answer.body);
    assert.match(await exchange(port, GET_LAST), /renamed-ok$/);
    await client.untilClosed();
    client.close();
  });

  it("is refused with every problem told, in the answer, the log, stats and config_dump", async () => {
    const rejected = (await proxy.stat("config_reload.update_rejected")) ?? 0;
    const routes = "[{match: {prefix: /}, route: {cluster: nowhere}}]";
    const { status, body } = await proxy.reload(bootstrap([listener({ routes })], []));
    assert.equal(status, 400);
    assert.match(body, /nowhere/);
    assert.equal(await proxy.stat("config_reload.update_rejected"), rejected + 1);
    const told = /the new configuration is refused, version \d+ goes on/;
    await untilLogged(proxy, (line) => told.test(line));
    const dump = JSON.parse((await proxy.admin("/config_dump")).body);
    assert.match(dump.configs[0].error_state.details, /nowhere/);
    assert.match(JSON.stringify(dump.configs[0].bootstrap), /"upstream"/);
    assert.match(await exchange(proxy.port("main"), GET_LAST), /^HTTP\/1.1 200/);
  });

  it("is done at SIGHUP", async () => {
    proxy.configure(bootstrap([listener({ routes: answerRoute("hup-ok") })], []));
    const version = await proxy.stat("config_reload.version");
    proxy.process.kill("SIGHUP");
    await untilLogged(proxy, (line) => line.includes(`configuration ${Number(version) + 1} is`));
    assert.match(await exchange(proxy.port("main"), GET_LAST), /hup-ok$/);
  });

  it("refuses what cannot change while it runs, and says so", async () => {
    const { status, body } = await proxy.reload(`node: {id: other}\n${forwarding()}`);
    assert.equal(status, 400);
    assert.match(body, /^node: cannot change while Granary runs; restart it$/m);
  });
});
