import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Breaker } from "../../../src/upstream/breakers.ts";
import { CLUSTER_STATS, ClusterStats, EndpointCounts } from "../../../src/upstream/stats.ts";
import { FakeMetrics } from "../../harness/fake-metrics.ts";

describe("cluster stats", () => {
  test("every row has a handle under its own name", () => {
    const metrics = new FakeMetrics();
    const stats = new ClusterStats(metrics.scope("cluster.a"));
    assert.deepEqual(Object.keys(stats.handles), Object.keys(CLUSTER_STATS));
    stats.handles.upstream_rq_total.inc();
    stats.handles.upstream_cx_active.inc();
    stats.handles.upstream_rq_time.record(4);
    assert.equal(metrics.valueOf("cluster.a.upstream_rq_total"), 1);
    assert.equal(metrics.valueOf("cluster.a.upstream_cx_active"), 1);
    assert.deepEqual(metrics.recordsOf("cluster.a.upstream_rq_time"), [4]);
  });

  test("an answer counts as completed, in its class and under its own code", () => {
    const metrics = new FakeMetrics();
    const stats = new ClusterStats(metrics);
    for (const status of [100, 200, 204, 204, 301, 404, 503, 599]) stats.countResponse(status);
    const counted = (name: string): number => metrics.valueOf(`upstream_rq_${name}`);
    assert.equal(counted("completed"), 8);
    assert.deepEqual(
      ["1xx", "2xx", "3xx", "4xx", "5xx"].map((name) => counted(name)),
      [1, 3, 1, 1, 2],
    );
    assert.deepEqual(
      ["200", "204", "404", "503", "500"].map((name) => counted(name)),
      [1, 2, 1, 1, 0],
    );
  });

  test("a status out of range is completed and nothing else", () => {
    const metrics = new FakeMetrics();
    const stats = new ClusterStats(metrics);
    stats.countResponse(600);
    stats.countResponse(99);
    assert.equal(metrics.valueOf("upstream_rq_completed"), 2);
    assert.equal(metrics.valueOf("upstream_rq_600"), 0);
  });

  test("endpoint counts are shown under Envoy's names", () => {
    const counts = new EndpointCounts();
    counts.rqTimeout = 3;
    assert.deepEqual(counts.toRecord(), {
      cx_active: 0,
      cx_connect_fail: 0,
      cx_total: 0,
      rq_active: 0,
      rq_error: 0,
      rq_success: 0,
      rq_timeout: 3,
      rq_total: 0,
    });
  });
});

describe("circuit breaker", () => {
  test("gives out as many as its maximum, and shows while it is open", () => {
    const metrics = new FakeMetrics();
    const breaker = new Breaker(2, metrics.gauge("open"));
    assert.deepEqual(
      [breaker.acquire(), breaker.acquire(), breaker.acquire()],
      [true, true, false],
    );
    assert.equal(metrics.valueOf("open"), 1);
    breaker.release();
    assert.equal(metrics.valueOf("open"), 0);
    assert.equal(breaker.acquire(), true);
  });

  test("stays open until what was forced beyond the maximum is given back", () => {
    const metrics = new FakeMetrics();
    const breaker = new Breaker(1, metrics.gauge("open"));
    breaker.force();
    breaker.force();
    breaker.release();
    assert.equal(breaker.acquire(), false);
    assert.equal(metrics.valueOf("open"), 1);
    breaker.release();
    assert.equal(breaker.acquire(), true);
  });

  test("a maximum of zero is always open", () => {
    const metrics = new FakeMetrics();
    assert.equal(new Breaker(0, metrics.gauge("open")).acquire(), false);
    assert.equal(metrics.valueOf("open"), 1);
  });

  test("giving back what was not taken is a programmer error", () => {
    const breaker = new Breaker(1, new FakeMetrics().gauge("open"));
    assert.throws(() => breaker.release(), /not acquired/);
  });
});
