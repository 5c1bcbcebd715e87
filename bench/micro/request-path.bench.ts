/**
 * Everything a request costs in our own code: bytes of a request in, codec, filters, router, pool,
 * bytes to the upstream; bytes of the response in and back. Without sockets and system calls, so the
 * figure holds on a busy machine. CPU time a request, best of 300
 * rounds; 64 connections take turns, as under load.
 *
 * `node dist/bench/micro/request-path.bench.js [--profile]`; the profile goes to build/.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { systemClock } from "../../src/base/clock.ts";
import { parseCommandLine } from "../../src/main/cli.ts";
import { loadProgram, type Program } from "../../src/main/configuration.ts";
import { CpuPool } from "../../src/main/cpu-pool.ts";
import { LogWriter } from "../../src/main/log-writer.ts";
import { SharedMemory } from "../../src/main/shared-memory.ts";
import { ReadWindow } from "../../src/net/read-window.ts";
import type { ConnectEvents, Connection } from "../../src/net/types.ts";
import type { BodyChunk } from "../../src/shm/body-chunk.ts";
import { BodySlab } from "../../src/shm/body-slab.ts";
import { createMetricRegion } from "../../src/shm/metric-layout.ts";
import { createServices } from "../../src/silo/create-services.ts";
import { CodecConnection } from "../../src/silo/downstream/codec.ts";
import { HttpManager } from "../../src/silo/http-manager.ts";
import { bootstrap, cluster, listener, wasmFilter } from "../../test/harness/config.ts";

const REQUEST = Buffer.from(
  "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wrk/4.1\r\nAccept: */*\r\n\r\n",
);
const RESPONSE = Buffer.from(
  `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 01:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 100\r\nLast-Modified: Wed, 25 Nov 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nETag: "6564-64"\r\nAccept-Ranges: bytes\r\n\r\n${"x".repeat(100)}`,
);
const FILTER = "examples/filters/rust/add-header/add-header.wasm";
const CONNECTIONS = 64;
/** Event loop turns a round; each is a request on every connection. */
const TURNS = 10;
const ROUNDS = 300;
const WARM_UP_TURNS = 1000;
const PROFILE_TURNS = 800;

/** A connection whose peer is the benchmark. */
class BenchConnection implements Connection {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 40_000;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 8080;
  readonly tls = null;
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly pendingBytes = 0;
  readonly events: ConnectEvents;
  readonly #window: ReadWindow;
  #buffer: Uint8Array;
  #begun = false;
  /** Bytes written since they were last taken. */
  written = 0;

  constructor(events: ConnectEvents, slab: BodySlab, keeps: "idle" | "always") {
    this.events = events;
    this.#window = new ReadWindow(slab, keeps);
    this.#buffer = this.#window.first();
  }

  receive(bytes: Uint8Array): void {
    if (this.#begun) this.#buffer = this.#window.next() ?? this.#buffer;
    this.#begun = true;
    this.#buffer.set(bytes);
    this.#window.filled(bytes.byteLength);
    this.events.onBytes(this.#buffer, bytes.byteLength);
  }

  chunkOf(start: number, end: number): BodyChunk {
    return this.#window.chunkOf(start, end);
  }
  expectBody(): void {
    this.#window.expectBody();
  }
  bodyDone(): void {
    this.#window.bodyDone();
  }
  writeText(text: string): boolean {
    this.written += text.length;
    return true;
  }
  writeTextAndChunk(text: string, chunk: BodyChunk): boolean {
    this.written += (text + chunk.latin1()).length;
    return true;
  }
  writeChunk(chunk: BodyChunk): boolean {
    this.written += chunk.byteLength;
    return true;
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  closeAfterFlush(): void {}
  destroy(): void {}
  reset(): void {}
}

async function load(filters: number, pool: CpuPool): Promise<Program> {
  const each = wasmFilter({ name: "bench", code: `{filename: "${FILTER}"}` });
  const listeners = [listener({ filters: new Array<string>(filters).fill(each) })];
  const text = bootstrap(listeners, [cluster("upstream", 9000)]);
  const parsed = parseCommandLine(["--config-yaml", text], 1);
  if (parsed.kind !== "run") throw new Error("the command line is not understood");
  const loaded = await loadProgram(parsed.options, pool);
  if (loaded.kind === "problems") throw new Error(loaded.text);
  return loaded.program;
}

/** Connections of the clients and of the upstream over one silo's real parts. */
class Rig {
  readonly clients: BenchConnection[] = [];
  readonly upstreams: BenchConnection[] = [];
  readonly #slab = new BodySlab(64 * 1024 * 1024);

  constructor({ config, modules }: Program) {
    const memory = new SharedMemory({ dataBytes: 8 * 1024 * 1024, policy: "refuse" }, systemClock);
    const metricRegions = [createMetricRegion()];
    const shared = memory.seat(0);
    const logRing = new LogWriter(1, "drop", systemClock).boot(0);
    const services = createServices(
      { index: 0, concurrency: 1, config, modules, metricRegions, shared, logRing },
      this.#slab,
      () => ({
        connect: (_, events) => {
          const connection = new BenchConnection(events, this.#slab, "always");
          this.upstreams.push(connection);
          queueMicrotask(() => events.onConnect());
          return connection;
        },
        connectHttp2: () => {
          throw new Error("the benchmark speaks HTTP/1.1");
        },
      }),
    );
    const failures = services.plugins.start();
    const [listenerConfig] = config.listeners;
    const chain = listenerConfig?.filterChains[0];
    if (listenerConfig === undefined || chain?.kind !== "http" || failures.length > 0)
      throw new Error(failures.join());
    const manager = new HttpManager(services, listenerConfig, chain);
    for (let i = 0; i < CONNECTIONS; i++) {
      const codec = new CodecConnection({ manager, connectionClosed: () => undefined });
      const connection = new BenchConnection(codec as unknown as ConnectEvents, this.#slab, "idle");
      codec.attach(connection, null);
      this.clients.push(connection);
    }
  }

  /** One request on every client connection, then the answers. */
  turn(): void {
    for (const client of this.clients) client.receive(REQUEST);
    this.answerAll();
  }

  answerAll(): void {
    for (const upstream of this.upstreams) {
      if (upstream.written === 0) continue;
      upstream.written = 0;
      upstream.receive(RESPONSE);
    }
  }

  answered(): number {
    return this.clients.filter((client) => client.written > 0).length;
  }
}

/** Turns of their own event loop iterations, as reads of a busy proxy. */
async function run(rig: Rig, turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) {
    rig.turn();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Prints CPU time a request of the best and the median round. */
async function measure(name: string, rig: Rig): Promise<void> {
  await run(rig, WARM_UP_TURNS);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await run(rig, TURNS);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / TURNS / CONNECTIONS);
  }
  times.sort((a, b) => a - b);
  const [best, median] = [times[0] ?? 0, times[ROUNDS >> 1] ?? 0].map((us) => us.toFixed(2));
  process.stdout.write(`${name.padEnd(34)} best ${best} us  median ${median} us\n`);
}

/** Runs `body` under the profilers and writes what they found. */
async function profile(name: string, body: () => Promise<void>): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 100 });
  await session.post("Profiler.start");
  await body();
  const cpu = await session.post("Profiler.stop");
  const sampling = { samplingInterval: 16384, includeObjectsCollectedByMajorGC: true };
  await session.post("HeapProfiler.startSampling", {
    ...sampling,
    includeObjectsCollectedByMinorGC: true,
  });
  await body();
  const heap = await session.post("HeapProfiler.stopSampling");
  mkdirSync("build", { recursive: true });
  writeFileSync(`build/${name}.cpuprofile`, JSON.stringify(cpu.profile));
  writeFileSync(`build/${name}.heapprofile`, JSON.stringify(heap.profile));
  session.disconnect();
}

const counts = process.argv
  .slice(2)
  .filter((word) => /^\d$/.test(word))
  .map(Number);
const pool = new CpuPool(systemClock);
for (const filters of counts.length > 0 ? counts : [0, 1, 2, 4, 8]) {
  const rig = new Rig(await load(filters, pool));
  // The first answers wait for connections.
  for (const client of rig.clients) client.receive(REQUEST);
  await new Promise((resolve) => setImmediate(resolve));
  rig.answerAll();
  if (rig.answered() !== CONNECTIONS) throw new Error(`${rig.answered()} connections answered`);
  const name = `a request through ${filters} filter(s)`;
  await measure(name, rig);
  if (process.argv.includes("--profile")) {
    await profile(`request-path-${filters}`, () => run(rig, PROFILE_TURNS));
  }
}
process.exit(0);
