/**
 * Clusters over real sockets, for tests that talk to a fake upstream.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { Turn } from "../../src/base/turn.ts";
import type { ClusterConfig } from "../../src/config/types.ts";
import { BodySlab } from "../../src/shm/body-slab.ts";
import { createBodySlab } from "../../src/shm/body-slab-layout.ts";
import { createClusterSet, socketConnectors } from "../../src/upstream/cluster-set.ts";
import { type DnsResolver, systemDns } from "../../src/upstream/dns.ts";
import type { Cluster, ClusterSet, UpstreamRequest } from "../../src/upstream/types.ts";
import { clusterConfig, endpointConfig } from "./cluster-config.ts";
import { requestHeaders } from "./cluster-rig.ts";
import { FakeMetrics } from "./fake-metrics.ts";
import { FakeUpstream, type FakeUpstreamOptions } from "./fake-upstream.ts";
import { prng } from "./prng.ts";
import { UpstreamRecorder } from "./upstream-recorder.ts";

const SLAB_BYTES = 16 * 1024 * 1024;

export interface RealAttempt {
  readonly request: UpstreamRequest;
  readonly events: UpstreamRecorder;
}

export class RealClusters {
  readonly metrics = new FakeMetrics();
  readonly slab = new BodySlab(createBodySlab(SLAB_BYTES));
  readonly clusters: ClusterSet;
  /** Chunks that the slab itself keeps. */
  readonly #leasedAtStart = this.slab.leasedCount;

  constructor(configs: readonly ClusterConfig[], dns: DnsResolver = systemDns) {
    this.clusters = createClusterSet({
      clusters: configs,
      metrics: this.metrics,
      slab: this.slab,
      connectorsOf: socketConnectors,
      turn: new Turn(systemClock),
      random: prng(11),
      dns,
    });
  }

  /** The first cluster, which tests call "a". */
  get cluster(): Cluster {
    const cluster = this.clusters.get("a");
    assert.ok(cluster !== null);
    return cluster;
  }

  stat(name: string): number {
    return this.metrics.valueOf(`cluster.a.${name}`);
  }

  begin(): RealAttempt {
    const events = new UpstreamRecorder();
    const request = this.cluster.request(events, { triedAddresses: [] });
    assert.ok(request !== null, this.cluster.lastFailure);
    return { request, events };
  }

  /** Sends a request without a body. */
  send(method = "GET"): RealAttempt {
    const attempt = this.begin();
    attempt.request.sendHeaders(requestHeaders(method), true);
    return attempt;
  }

  /** Sends a GET and waits for the end, however it ends. */
  async exchange(): Promise<UpstreamRecorder> {
    const { events } = this.send();
    await events.over;
    return events;
  }

  /** Closes everything; nothing may be left of any request. */
  async close(): Promise<void> {
    this.clusters.close();
    // Sockets close, and give their memory back, in the turns after.
    for (let i = 0; i < 50 && this.slab.leasedCount > this.#leasedAtStart; i++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    assert.equal(this.slab.leasedCount, this.#leasedAtStart, "slab chunks are still leased");
    for (const gauge of ["cx_active", "rq_active", "rq_pending_active"]) {
      assert.equal(this.stat(`upstream_${gauge}`), 0, gauge);
    }
  }
}

/** Runs `body` with a fake upstream and a cluster "a" over it, and closes both. */
export async function withUpstream(
  options: FakeUpstreamOptions,
  overrides: Partial<ClusterConfig>,
  body: (real: RealClusters, upstream: FakeUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await FakeUpstream.listen(options);
  const endpoints = [endpointConfig("127.0.0.1", upstream.port)];
  const real = new RealClusters([clusterConfig({ endpoints, ...overrides })]);
  try {
    await body(real, upstream);
    await real.close();
  } finally {
    real.clusters.close();
    await upstream.close();
  }
}
