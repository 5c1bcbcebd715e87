/**
 * One cluster over fake connections: the test plays the router, the kernel and the upstream.
 */
import { Turn } from "../../src/base/turn.ts";
import type { ClusterConfig } from "../../src/config/types.ts";
import { HeaderMap } from "../../src/http/header-map.ts";
import { BodyChunk } from "../../src/shm/body-chunk.ts";
import { UpstreamCluster } from "../../src/upstream/cluster.ts";
import type { DnsResolver } from "../../src/upstream/dns.ts";
import type { EndpointInfo, UpstreamRequest } from "../../src/upstream/types.ts";
import { clusterConfig, endpointConfig } from "./cluster-config.ts";
import { FakeConnection } from "./fake-connection.ts";
import { FakeMetrics } from "./fake-metrics.ts";
import { ManualClock } from "./manual-clock.ts";
import { prng } from "./prng.ts";
import { UpstreamRecorder } from "./upstream-recorder.ts";

const NO_DNS: DnsResolver = { resolve: () => {} };

export interface Attempt {
  readonly request: UpstreamRequest;
  readonly events: UpstreamRecorder;
}

export class ClusterRig {
  readonly clock = new ManualClock();
  readonly metrics = new FakeMetrics();
  readonly connections: FakeConnection[] = [];
  /** Where each connection went, beside `connections`. */
  readonly targets: EndpointInfo[] = [];
  readonly cluster: UpstreamCluster;

  constructor(overrides: Partial<ClusterConfig> = {}, dns: DnsResolver = NO_DNS) {
    this.cluster = new UpstreamCluster({
      config: clusterConfig({ endpoints: [endpointConfig("10.0.0.1", 80)], ...overrides }),
      metrics: this.metrics,
      turn: new Turn(this.clock),
      random: prng(3),
      dns,
      connect: (target, events) => {
        const connection = new FakeConnection(events);
        this.connections.push(connection);
        this.targets.push(target);
        return connection;
      },
      connectHttp2: () => {
        throw new Error("no HTTP/2 in this rig");
      },
    });
    this.cluster.start();
  }

  /** A counter or gauge of the cluster. */
  stat(name: string): number {
    return this.metrics.valueOf(`cluster.a.${name}`);
  }

  connection(index: number): FakeConnection {
    const connection = this.connections[index];
    if (connection === undefined) throw new Error(`no connection ${index} was made`);
    return connection;
  }

  /** Starts an attempt without sending anything; null when it is refused. */
  open(tried: readonly string[] = []): Attempt | null {
    const events = new UpstreamRecorder();
    const request = this.cluster.request(events, { triedAddresses: tried });
    return request === null ? null : { request, events };
  }

  /** Starts an attempt that must not be refused. */
  begin(): Attempt {
    const attempt = this.open();
    if (attempt === null) throw new Error(`refused: ${this.cluster.lastFailure}`);
    return attempt;
  }

  /** A GET that is sent completely. */
  get(): Attempt {
    const attempt = this.begin();
    attempt.request.sendHeaders(requestHeaders("GET"), true);
    return attempt;
  }

  /** An idle connection in the pool, made by a first exchange. */
  warm(): FakeConnection {
    const index = this.connections.length;
    this.get();
    const connection = this.connection(index);
    connection.events.onConnect();
    connection.receive(OK);
    connection.writes.length = 0;
    return connection;
  }
}

export const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

export function requestHeaders(
  method: string,
  more: readonly (readonly [string, string])[] = [],
): HeaderMap {
  return HeaderMap.of([
    [":authority", "a.test"],
    [":path", "/"],
    [":method", method],
    [":scheme", "http"],
    ...more,
  ]);
}

export function chunk(text: string): BodyChunk {
  return BodyChunk.ofHeap(Buffer.from(text, "latin1"));
}

/** Until what was deferred to the end of the turn has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
