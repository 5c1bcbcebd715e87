import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DnsAnswer, DnsResolver } from "../../../src/upstream/dns.ts";
import { endpointConfig } from "../../harness/cluster-config.ts";
import { ClusterRig, OK } from "../../harness/cluster-rig.ts";

/** Answers each look-up with what the test set last, in the same turn. */
class PlayedDns implements DnsResolver {
  addresses: readonly string[] | null = ["10.0.0.1"];
  resolve(_query: unknown, done: (answer: DnsAnswer) => void): void {
    done({ addresses: this.addresses, ttlMs: -1, failure: "" });
  }
}

function dnsRig(type: "strictDns" | "logicalDns") {
  const dns = new PlayedDns();
  const rig = new ClusterRig({ type, endpoints: [endpointConfig("a.test", 80)] }, dns);
  const refresh = (addresses: readonly string[] | null): void => {
    dns.addresses = addresses;
    rig.clock.advance(5000);
  };
  return { rig, refresh };
}

function addresses(rig: ClusterRig): string[] {
  return rig.cluster.describe().map((row) => row.endpoint.address);
}

describe("cluster", () => {
  test("without endpoints there is no healthy upstream", () => {
    const rig = new ClusterRig({ endpoints: [] });
    assert.equal(rig.open(), null);
    assert.equal(rig.cluster.lastFailure, "noHealthyUpstream");
    assert.equal(rig.stat("upstream_cx_none_healthy"), 1);
  });

  test("endpoints are used in turn, each with its own connections", () => {
    const endpoints = [endpointConfig("10.0.0.1", 80), endpointConfig("10.0.0.2", 80)];
    const rig = new ClusterRig({ endpoints });
    for (let i = 0; i < 4; i++) rig.get();
    const used = rig.targets.map((target) => target.address);
    assert.equal(new Set(used.slice(0, 2)).size, 2);
    assert.deepEqual(used.slice(2), used.slice(0, 2));
    assert.equal(rig.stat("membership_total"), 2);
  });

  test("a retry goes to an endpoint that was not tried", () => {
    const endpoints = [endpointConfig("10.0.0.1", 80), endpointConfig("10.0.0.2", 80)];
    const rig = new ClusterRig({ endpoints });
    for (let i = 0; i < 3; i++) rig.open(["10.0.0.1:80"]);
    assert.deepEqual(
      rig.targets.map((target) => target.address),
      ["10.0.0.2:80", "10.0.0.2:80", "10.0.0.2:80"],
    );
  });

  test("an endpoint gets its one connection although others use up max_connections", () => {
    const endpoints = [endpointConfig("10.0.0.1", 80), endpointConfig("10.0.0.2", 80)];
    const rig = new ClusterRig({ endpoints, maxConnections: 1 });
    for (let i = 0; i < 4; i++) rig.get();
    assert.equal(rig.connections.length, 2);
    assert.equal(rig.stat("upstream_cx_overflow"), 3);
  });

  test("the alternative name is used for stats, colons are not", () => {
    const rig = new ClusterRig({ altStatName: "b:80" });
    rig.get();
    assert.equal(rig.metrics.valueOf("cluster.b_80.upstream_cx_total"), 1);
  });
});

describe("cluster with strict DNS", () => {
  test("endpoints that stay keep their connections and counts", () => {
    const { rig, refresh } = dnsRig("strictDns");
    const connection = rig.warm();
    refresh(["10.0.0.1", "10.0.0.2"]);
    assert.deepEqual(addresses(rig), ["10.0.0.1:80", "10.0.0.2:80"]);
    assert.ok(!connection.destroyed);
    assert.equal(rig.cluster.describe()[0]?.stats["rq_total"], 1);
    assert.equal(rig.stat("membership_change"), 2);
  });

  test("endpoints that go finish what runs and close what is idle", () => {
    const { rig, refresh } = dnsRig("strictDns");
    const idle = rig.warm();
    rig.get();
    const { events } = rig.get();
    rig.connection(1).events.onConnect();
    idle.receive(OK);
    refresh(["10.0.0.2"]);
    assert.deepEqual(addresses(rig), ["10.0.0.2:80"]);
    assert.ok(idle.destroyed);
    rig.connection(1).receive(OK);
    assert.equal(events.log.at(-1), "data ok end");
    assert.ok(rig.connection(1).destroyed);
  });

  test("close reaches endpoints that went", () => {
    const { rig, refresh } = dnsRig("strictDns");
    const { events } = rig.get();
    rig.connection(0).events.onConnect();
    refresh(["10.0.0.2"]);
    rig.cluster.close();
    assert.equal(events.log.at(-1), "reset localReset");
    assert.equal(rig.stat("upstream_cx_active"), 0);
    assert.equal(rig.clock.timerCount, 0);
  });

  test("no address left means no healthy upstream; a failure keeps what is known", () => {
    const { rig, refresh } = dnsRig("strictDns");
    refresh(null);
    assert.equal(rig.cluster.endpointCount, 1);
    refresh([]);
    assert.equal(rig.cluster.endpointCount, 0);
    assert.equal(rig.open(), null);
  });
});

describe("cluster with logical DNS", () => {
  test("new connections go to the new address, existing ones stay", () => {
    const { rig, refresh } = dnsRig("logicalDns");
    const first = rig.warm();
    refresh(["10.0.0.2", "10.0.0.1"]);
    assert.deepEqual(addresses(rig), ["10.0.0.2:80"]);
    assert.ok(!first.destroyed);
    const kept = rig.get();
    assert.equal(kept.events.connection?.endpoint.address, "10.0.0.1:80");
    const moved = rig.get();
    rig.connection(1).events.onConnect();
    assert.equal(moved.events.connection?.endpoint.address, "10.0.0.2:80");
    assert.equal(rig.cluster.describe()[0]?.stats["cx_total"], 2);
  });
});
