/**
 * `node dist/bench/silo-death.js [--rounds 10]`: a silo of two dies under load, on each transport;
 * how long its place is empty, from the death as the client sees it to a new silo that takes
 * connections, and whether the other silo lost anything. Results go to docs/perf.md by hand.
 */
import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bootstrap, cluster, listener } from "../test/harness/config.ts";
import { FakeUpstream, plainResponse } from "../test/harness/fake-upstream.ts";
import { BUILD_ROOT, type ProxyProcess, startProxy } from "../test/harness/proxy.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "10" } } });
const CLIENTS = 16;
const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const FATES = ["throws an error", "exits"];

interface Load {
  answers: number;
  /** When its connection closed; 0 = it is open. */
  closedMs: number;
  stop(): void;
}

function load(port: number): Load {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const made = { answers: 0, closedMs: 0, stop: () => socket.destroy() };
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text;
    if (!received.endsWith("ok")) return;
    received = "";
    made.answers++;
    socket.write(GET);
  });
  socket.on("connect", () => socket.write(GET));
  socket.on("error", () => undefined);
  socket.on("close", () => {
    made.closedMs = performance.now();
  });
  return made;
}

const READY = "silo 0: starting -> ready";
const readies = (proxy: ProxyProcess): number => proxy.log.split(READY).length - 1;

/** Milliseconds for which the place was empty. */
async function die(transport: string, fate: string, upstream: FakeUpstream): Promise<number> {
  const preload = pathToFileURL(`${BUILD_ROOT}/test/harness/silo-fate.js`).href;
  const proxy = await startProxy({
    yaml: bootstrap([listener()], [cluster("upstream", upstream.port)]),
    concurrency: 2,
    args: ["--transport", transport, "--component-log-level", "main:debug"],
    env: { GRANARY_TEST_FATE: fate, NODE_OPTIONS: `--import ${preload}` },
  });
  const loads = Array.from({ length: CLIENTS }, () => load(proxy.port("main")));
  while (loads.some(({ answers }) => answers < 3)) await wait(1);
  // The reserve is filled two seconds after the start.
  await wait(3_500 + Math.random() * 200);
  proxy.process.kill("SIGUSR2");
  while (readies(proxy) < 2) await new Promise((resolve) => setImmediate(resolve));
  const readyMs = performance.now();
  const closed = loads.filter(({ closedMs }) => closedMs > 0);
  if (closed.length !== CLIENTS / 2) throw new Error(`${closed.length} connections were lost`);
  const before = loads.reduce((sum, { answers }) => sum + answers, 0);
  await wait(50);
  if (loads.reduce((sum, { answers }) => sum + answers, 0) === before) {
    throw new Error("the other silo does not serve");
  }
  for (const each of loads) each.stop();
  await proxy.stop();
  return readyMs - Math.min(...closed.map(({ closedMs }) => closedMs));
}

const upstream = await FakeUpstream.listen({
  onRequest: (_, connection) => connection.write(plainResponse(200, "ok")),
});
for (const transport of ["codec", "uws"]) {
  const times: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    times.push(await die(transport, FATES[round % FATES.length] ?? "exits", upstream));
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string =>
    (times[Math.floor((times.length - 1) * share)] ?? 0).toFixed(0);
  process.stdout.write(
    `${transport}: the place was empty for ${at(0.5)} ms (median), ${at(1)} ms (most), ` +
      `${times.length} deaths, half of the connections lost, none of the others\n`,
  );
}
await upstream.close();
