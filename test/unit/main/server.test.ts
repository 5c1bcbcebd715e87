import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setLogLevel } from "../../../src/base/log.ts";
import type { ListenerConfig } from "../../../src/config/types.ts";
import { Server } from "../../../src/main/server.ts";
import { nextServerPhase, SERVER_PHASES } from "../../../src/main/server-states.ts";
import { ManualClock } from "../../harness/manual-clock.ts";

setLogLevel("off");

const AT_ONCE = { graceful: false, skipExit: false, inboundOnly: false };

interface Rig {
  readonly server: Server;
  readonly clock: ManualClock;
  /** What the server did, in order. */
  readonly acts: string[];
}

/** Two listeners: the first inbound, the second outbound. */
function rig(
  startFailure: string | null = null,
  strategy: "gradual" | "immediate" = "gradual",
): Rig {
  const acts: string[] = [];
  const clock = new ManualClock();
  const listeners = [1, 2].map((trafficDirection, id) => ({
    config: { trafficDirection } as unknown as ListenerConfig,
    seat: { id, transport: "codec", port: 1 } as const,
  }));
  const server = new Server({
    running: { listeners },
    clock,
    acceptor: {
      close: () => acts.push("close all"),
      closeListeners: (indexes) => acts.push(`close ${indexes.join(",")}`),
    },
    supervisor: {
      openConnections: 3,
      start: async () => {
        if (startFailure !== null) throw new Error(startFailure);
      },
      setDrainClose: (spanMs) => acts.push(`drain close ${spanMs}`),
      drainListeners: (ids) => acts.push(`drain ${ids.join(",")}`),
      drain: () => acts.push("drain"),
      stop: async (graceMs) => {
        acts.push(`stop ${graceMs}`);
        return 0;
      },
    },
    drainTimeMs: 60_000,
    drainStrategy: strategy,
    onDraining: (draining, accepting) => acts.push(`draining ${draining}, accepting ${accepting}`),
  });
  return { server, clock, acts };
}

describe("server", () => {
  it("is live once every silo is ready, and not while health checks are made to fail", async () => {
    const { server, acts } = rig();
    assert.equal(server.isLive, false);
    await server.start();
    assert.equal(server.isLive, true);
    server.setHealthcheck("fail");
    assert.equal(server.isLive, false);
    assert.equal(server.drainCloseMs, 0);
    server.setHealthcheck("ok");
    assert.equal(server.isLive, true);
    assert.deepEqual(acts, ["drain close 0", "drain close null"]);
  });

  it("passes on why a silo did not start", async () => {
    const { server } = rig("silo 0 did not start: no memory");
    await assert.rejects(server.start(), /no memory/);
    assert.equal(server.isLive, false);
  });

  it("closes the doors before it stops the silos, after at most ten seconds, once", async () => {
    const { server, acts } = rig();
    await server.start();
    server.quit();
    server.quit();
    await server.ended;
    server.quit();
    assert.deepEqual(acts, ["close all", "stop 10000"]);
    assert.equal(server.phase, "stopped");
  });

  it("closes every listener and drains the silos at /drain_listeners, and stays", async () => {
    const { server, acts } = rig();
    await server.start();
    server.drainListeners(AT_ONCE);
    assert.deepEqual(acts, ["close 0,1", "draining 2, accepting 0", "drain"]);
    assert.equal(server.phase, "draining");
    server.quit();
    await server.ended;
  });

  it("closes inbound listeners alone when asked, and the others go on", async () => {
    const { server, acts } = rig();
    await server.start();
    server.drainListeners({ ...AT_ONCE, inboundOnly: true });
    assert.deepEqual(acts, ["close 0", "draining 1, accepting 1", "drain 0"]);
  });

  it("announces first and closes after the drain time when asked gracefully", async () => {
    const { server, acts, clock } = rig();
    await server.start();
    server.drainListeners({ ...AT_ONCE, graceful: true });
    clock.advance(59_999);
    const announced = ["drain close 60000"];
    assert.deepEqual(acts, announced);
    clock.advance(1);
    assert.deepEqual(acts, [...announced, "close 0,1", "draining 2, accepting 0", "drain"]);
  });

  it("never closes the listeners with skip_exit", async () => {
    const { server, acts, clock } = rig();
    await server.start();
    server.drainListeners({ ...AT_ONCE, graceful: true, skipExit: true });
    clock.advance(120_000);
    assert.deepEqual(acts, ["drain close 60000"]);
  });

  it("closes with every answer at once by the strategy immediate", async () => {
    const { server, acts } = rig(null, "immediate");
    await server.start();
    server.drainListeners({ ...AT_ONCE, graceful: true });
    assert.deepEqual(acts, ["drain close 0"]);
  });
});

describe("server phases", () => {
  it("reach stopping from every phase but the last by quit", () => {
    for (const phase of ["initializing", "live", "draining", "stopping"] as const) {
      assert.equal(nextServerPhase(phase, "quit"), "stopping");
    }
    assert.equal(Object.keys(SERVER_PHASES).length, 5);
  });

  it("assert on pairs that are not in the table", () => {
    assert.throws(() => nextServerPhase("stopped", "ready"), /event ready in phase stopped/);
    assert.throws(() => nextServerPhase("live", "ended"), /event ended in phase live/);
  });
});
