/**
 * One of two silos dies under load, in every way it can: the process lives, the other silo's
 * connections lose nothing, and the place is filled. On both transports, in plaintext and under
 * TLS; uWS leaves sockets behind that would end the process without the addon's guard.
 */
import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { pathToFileURL } from "node:url";
import { loadNative, NATIVE_SWITCH } from "../../src/base/native.ts";
import { loadUws } from "../../src/silo/downstream/uws-library.ts";
import { bootstrap, cluster, listener, tlsListener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { BUILD_ROOT, type ProxyProcess, startProxy } from "../harness/proxy.ts";
import { RawClient } from "../harness/raw-client.ts";

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const CLIENTS = 16;
/** Answers that each surviving connection gets after the place is filled. */
const MORE = 20;

const uws = await loadUws();
const NO_ADDON = loadNative().kind === "loaded" ? false : "needs the native addon";
const NO_UWS = uws.kind === "absent" ? uws.reason : false;

let upstream: FakeUpstream;

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (_request, connection) => connection.write(plainResponse(200, "ok")),
  });
});

after(() => upstream.close());

interface Setting {
  readonly transport: "codec" | "uws";
  readonly isTls: boolean;
  readonly fate: string;
}

function start({ transport, isTls, fate }: Setting, env = {}): Promise<ProxyProcess> {
  const yaml = bootstrap(
    [isTls ? tlsListener() : listener()],
    [cluster("upstream", upstream.port)],
  );
  const preload = pathToFileURL(`${BUILD_ROOT}/test/harness/silo-fate.js`).href;
  return startProxy({
    yaml,
    concurrency: 2,
    args: ["--transport", transport, "--component-log-level", "main:debug"],
    env: { ...env, GRANARY_TEST_FATE: fate, NODE_OPTIONS: `--import ${preload}` },
  });
}

function open(port: number, isTls: boolean): Promise<RawClient> {
  const to = { port, host: "127.0.0.1", rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const socket = isTls ? connectTls(to) : connectTcp(to);
    socket.once(isTls ? "secureConnect" : "connect", () => resolve(new RawClient(socket)));
    socket.once("error", reject);
  });
}

/** Asks again and again on one connection until it is told to stop, or the connection ends. */
class Load {
  readonly done: Promise<void>;
  lost = false;
  answers = 0;
  #stopAt = Number.POSITIVE_INFINITY;

  constructor(client: RawClient) {
    this.done = this.#run(client);
  }

  stopAfter(more: number): void {
    this.#stopAt = this.answers + more;
  }

  async #run(client: RawClient): Promise<void> {
    try {
      while (this.answers < this.#stopAt) {
        client.send(GET);
        const before = client.received.length;
        await client.until((text) => text.length > before && text.endsWith("ok"));
        this.answers++;
      }
    } catch {
      this.lost = true;
    }
    client.close();
  }
}

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((resolve) => setImmediate(resolve));
}

const SETTINGS: readonly Setting[] = [
  { transport: "uws", isTls: false, fate: "throws an error" },
  { transport: "uws", isTls: true, fate: "throws an error" },
  { transport: "uws", isTls: false, fate: "exits" },
  { transport: "uws", isTls: true, fate: "exits" },
  { transport: "uws", isTls: true, fate: "stands still" },
  { transport: "codec", isTls: true, fate: "throws an error" },
  { transport: "codec", isTls: false, fate: "exits" },
];

for (const setting of SETTINGS) {
  const { transport, isTls, fate } = setting;
  const skip = NO_ADDON || (transport === "uws" && NO_UWS);
  const name = `${transport}, ${isTls ? "TLS" : "plaintext"}: a silo ${fate} under load`;
  test(`${name}, and the other one loses nothing`, { skip }, async () => {
    const proxy = await start(setting);
    const port = proxy.port("main");
    const loads: Load[] = [];
    for (let i = 0; i < CLIENTS; i++) loads.push(new Load(await open(port, isTls)));
    await until(() => loads.every(({ answers }) => answers > 1));
    proxy.process.kill("SIGUSR2");
    const readies = () => proxy.log.split("silo 0: starting -> ready").length - 1;
    await until(() => readies() === 2);
    for (const load of loads) load.stopAfter(MORE);
    await Promise.all(loads.map(({ done }) => done));
    const lost = loads.filter((load) => load.lost);
    assert.equal(lost.length, CLIENTS / 2, proxy.log);
    // The new silo serves: connections go to the two in turn.
    const fresh = await Promise.all([open(port, isTls), open(port, isTls)]);
    for (const client of fresh) {
      client.send(GET);
      await client.until((text) => text.endsWith("ok"));
      client.close();
    }
    assert.equal(await proxy.stop(), 0, proxy.log);
  });
}

describe("without the addon", { skip: NO_UWS }, () => {
  for (const isTls of [false, true]) {
    test(`uWS ${isTls ? "under TLS" : "in plaintext"} is stopped in order under load`, async () => {
      const setting = { transport: "uws", isTls, fate: "exits" } as const;
      const proxy = await start(setting, { [NATIVE_SWITCH]: "off" });
      const port = proxy.port("main");
      const clients = await Promise.all([open(port, isTls), open(port, isTls)]);
      const loads = clients.map((client) => new Load(client));
      await until(() => loads.every(({ answers }) => answers > 1));
      assert.equal(await proxy.stop(), 0, proxy.log);
      // Every answer was whole: the last of each connection said that it closes.
      await Promise.all(loads.map(({ done }) => done));
      for (const { received } of clients) assert.match(received, /ok$/);
    });
  }
});
