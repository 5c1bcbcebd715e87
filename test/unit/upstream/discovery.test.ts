import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClusterConfig } from "../../../src/config/types.ts";
import { createDiscovery, type FoundEndpoint } from "../../../src/upstream/discovery.ts";
import type { DnsAnswer, DnsQuery, DnsResolver } from "../../../src/upstream/dns.ts";
import { ClusterStats } from "../../../src/upstream/stats.ts";
import { clusterConfig, endpointConfig } from "../../harness/cluster-config.ts";
import { FakeMetrics } from "../../harness/fake-metrics.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

/** Answers when the test says so. */
class FakeDns implements DnsResolver {
  readonly asked: { readonly query: DnsQuery; readonly done: (answer: DnsAnswer) => void }[] = [];
  resolve(query: DnsQuery, done: (answer: DnsAnswer) => void): void {
    this.asked.push({ query, done });
  }
  /** Answers the oldest open question. */
  answer(addresses: readonly string[] | null, ttlMs = -1): void {
    const next = this.asked.shift();
    assert.ok(next !== undefined, "nobody asked");
    next.done({ addresses, ttlMs, failure: addresses === null ? "ESERVFAIL" : "" });
  }
}

function start(overrides: Partial<ClusterConfig>) {
  const dns = new FakeDns();
  const clock = new ManualClock();
  const metrics = new FakeMetrics();
  const config = clusterConfig({
    type: "strictDns",
    dnsRefreshMs: 5000,
    endpoints: [endpointConfig("a.test", 80)],
    ...overrides,
  });
  const handles = new ClusterStats(metrics).handles;
  const discovery = createDiscovery({ config, dns, clock, handles });
  const found: string[][] = [];
  discovery.start((endpoints: readonly FoundEndpoint[]) => {
    found.push(endpoints.map((endpoint) => endpoint.info.address));
  });
  return { dns, clock, metrics, discovery, found };
}

describe("discovery", () => {
  test("a static cluster has its endpoints at once and asks nobody", () => {
    const { dns, found } = start({
      type: "static",
      endpoints: [endpointConfig("10.0.0.1", 80), endpointConfig("::1", 81)],
    });
    assert.deepEqual(found, [["10.0.0.1:80", "[::1]:81"]]);
    assert.equal(dns.asked.length, 0);
  });

  test("strict DNS takes every address of every name once", () => {
    const { dns, found } = start({
      endpoints: [endpointConfig("a.test", 80), endpointConfig("b.test", 80)],
    });
    dns.answer(["10.0.0.1", "10.0.0.2"]);
    dns.answer(["10.0.0.2", "10.0.0.3"]);
    assert.deepEqual(found.at(-1), ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
  });

  test("names are asked again after the refresh time, and equal answers change nothing", () => {
    const { dns, clock, found, metrics } = start({});
    dns.answer(["10.0.0.1"]);
    clock.advance(4999);
    assert.equal(dns.asked.length, 0);
    clock.advance(1);
    dns.answer(["10.0.0.1"]);
    clock.advance(5000);
    dns.answer(["10.0.0.9"]);
    assert.deepEqual(found, [["10.0.0.1:80"], ["10.0.0.9:80"]]);
    assert.equal(metrics.valueOf("update_attempt"), 3);
    assert.equal(metrics.valueOf("update_success"), 3);
  });

  test("a failed look-up keeps what is known and is tried again", () => {
    const { dns, clock, found, metrics } = start({});
    dns.answer(["10.0.0.1"]);
    clock.advance(5000);
    dns.answer(null);
    clock.advance(5000);
    assert.equal(dns.asked.length, 1);
    assert.deepEqual(found, [["10.0.0.1:80"]]);
    assert.equal(metrics.valueOf("update_failure"), 1);
  });

  test("an empty answer empties a strict cluster and leaves a logical one as it is", () => {
    const strict = start({});
    strict.dns.answer(["10.0.0.1"]);
    strict.clock.advance(5000);
    strict.dns.answer([]);
    assert.deepEqual(strict.found.at(-1), []);
    const logical = start({ type: "logicalDns" });
    logical.dns.answer(["10.0.0.1"]);
    logical.clock.advance(5000);
    logical.dns.answer([]);
    assert.deepEqual(logical.found, [["10.0.0.1:80"]]);
  });

  test("logical DNS takes the first address of the newest answer", () => {
    const { dns, clock, found } = start({ type: "logicalDns" });
    dns.answer(["10.0.0.1", "10.0.0.2"]);
    clock.advance(5000);
    dns.answer(["10.0.0.2", "10.0.0.1"]);
    assert.deepEqual(found, [["10.0.0.1:80"], ["10.0.0.2:80"]]);
  });

  test("the TTL decides when asked to respect it", () => {
    const { dns, clock } = start({ respectDnsTtl: true });
    assert.equal(dns.asked[0]?.query.wantTtl, true);
    dns.answer(["10.0.0.1"], 60_000);
    clock.advance(59_999);
    assert.equal(dns.asked.length, 0);
    clock.advance(1);
    dns.answer(["10.0.0.1"]);
    clock.advance(5000);
    assert.equal(dns.asked.length, 1);
  });

  test("it is ready after the first answer of every name, also after a failure", async () => {
    const { dns, discovery } = start({
      endpoints: [endpointConfig("a.test", 80), endpointConfig("b.test", 80)],
    });
    let ready = false;
    void discovery.ready.then(() => {
      ready = true;
    });
    dns.answer(["10.0.0.1"]);
    await Promise.resolve();
    assert.equal(ready, false);
    dns.answer(null);
    await discovery.ready;
  });

  test("a stopped discovery asks no more and takes no late answer", () => {
    const { dns, clock, discovery, found } = start({});
    discovery.stop();
    dns.answer(["10.0.0.1"]);
    clock.advance(60_000);
    assert.deepEqual(found, []);
    assert.equal(dns.asked.length, 0);
  });
});
