/**
 * One silo's real parts without sockets, for benchmarks: connections whose peers are the benchmark.
 */
import { systemClock } from "../../src/base/clock.ts";
import { parseCommandLine } from "../../src/main/cli.ts";
import { loadProgram, type Program } from "../../src/main/configuration.ts";
import type { CpuPool } from "../../src/main/cpu-pool.ts";
import { setEngineFlags } from "../../src/main/engine-flags.ts";
import { LogWriter } from "../../src/main/log-writer.ts";
import { SharedMemory } from "../../src/main/shared-memory.ts";
import { TapWriter } from "../../src/main/tap-writer.ts";
import { ReadWindow } from "../../src/net/read-window.ts";
import type { ConnectEvents, Connection } from "../../src/net/types.ts";
import type { BodyChunk } from "../../src/shm/body-chunk.ts";
import { BodySlab } from "../../src/shm/body-slab.ts";
import { createBodySlab } from "../../src/shm/body-slab-layout.ts";
import { createMetricRegion } from "../../src/shm/metric-layout.ts";
import { createServices } from "../../src/silo/create-services.ts";
import { CodecConnection } from "../../src/silo/downstream/codec.ts";
import { HttpManager } from "../../src/silo/http-manager.ts";
import { bootstrap, cluster, listener } from "../../test/harness/config.ts";

const REQUEST = Buffer.from(
  "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wrk/4.1\r\nAccept: */*\r\n\r\n",
);
const RESPONSE = Buffer.from(
  `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 01:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 100\r\nLast-Modified: Wed, 25 Nov 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nETag: "6564-64"\r\nAccept-Ranges: bytes\r\n\r\n${"x".repeat(100)}`,
);

/** A connection whose peer is the benchmark. */
export class BenchConnection implements Connection {
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

/**
 * Loads a configuration with these filters (YAML flow text) before the router, as main does; `more`:
 * flow text of further fields of the cluster.
 */
export async function loadFilters(
  filters: readonly string[],
  pool: CpuPool,
  more = "",
): Promise<Program> {
  setEngineFlags();
  const text = bootstrap([listener({ filters })], [cluster("upstream", 9000, more)]);
  const parsed = parseCommandLine(["--config-yaml", text], 1);
  if (parsed.kind !== "run") throw new Error("the command line is not understood");
  const loaded = await loadProgram(parsed.options, pool);
  if (loaded.kind === "problems") throw new Error(loaded.text);
  return loaded.program;
}

/** Connections of the clients and of the upstream over one silo's real parts. */
export class SiloRig {
  readonly clients: BenchConnection[] = [];
  readonly upstreams: BenchConnection[] = [];
  readonly #slab = new BodySlab(createBodySlab(64 * 1024 * 1024));

  /** @param connections of clients */
  constructor({ config, modules }: Program, connections: number) {
    const memory = new SharedMemory({ dataBytes: 8 * 1024 * 1024, policy: "refuse" }, systemClock);
    const metricRegions = [createMetricRegion()];
    const shared = memory.seat(0);
    const logRing = new LogWriter(1, "drop").boot(0);
    const tapRing = new TapWriter([this.#slab.region]).boot(0);
    const services = createServices(
      { index: 0, concurrency: 1, config, modules, metricRegions, shared, logRing, tapRing },
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
    for (let i = 0; i < connections; i++) {
      const codec = new CodecConnection({ manager, connectionClosed: () => undefined });
      const connection = new BenchConnection(codec as unknown as ConnectEvents, this.#slab, "idle");
      codec.attach(connection, null);
      this.clients.push(connection);
    }
  }

  /** The first requests wait for connections to the upstream; throws when one gets no answer. */
  async start(): Promise<void> {
    this.ask();
    await new Promise((resolve) => setImmediate(resolve));
    this.#answerAll();
    if (this.clients.some((client) => client.written === 0)) throw new Error("no answer");
  }

  /** One request on every client connection, then the answers. */
  turn(): void {
    this.ask();
    this.#answerAll();
  }

  /** One request on every client connection. */
  ask(): void {
    for (const client of this.clients) client.receive(REQUEST);
  }

  #answerAll(): void {
    for (const upstream of this.upstreams) {
      if (upstream.written === 0) continue;
      upstream.written = 0;
      upstream.receive(RESPONSE);
    }
  }
}
