import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, describe, it } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { setLogLevel } from "../../../src/base/log.ts";
import { Acceptor } from "../../../src/main/acceptor.ts";
import { Balancer } from "../../../src/main/balancer.ts";
import { SiloReserve } from "../../../src/main/silo-reserve.ts";
import { SUPERVISION, Supervisor } from "../../../src/main/supervisor.ts";
import { ManualClock } from "../../harness/manual-clock.ts";
import {
  ask,
  client,
  fakePlan,
  LOOPBACK,
  NATIVE,
  NEEDS_NATIVE,
  openSocketCount,
  turnsUntil,
} from "./fixtures/sockets.ts";

setLogLevel("off");

const ENTRY = new URL("./fixtures/fake-silo.js", import.meta.url);

interface Rig {
  readonly door: Acceptor;
  readonly clock: ManualClock;
  readonly supervisor: Supervisor;
  readonly reserve: SiloReserve;
  readonly retired: number[];
  /** What debuggers do. */
  readonly debugging: { isOn: boolean };
  /** Behaviour of the silos that are started from now on, by index. */
  readonly behaviours: string[];
}

function rig(concurrency: number, ...behaviours: string[]): Rig {
  const door = new Acceptor(present(NATIVE, "addon"), new Balancer("roundRobin"));
  const clock = new ManualClock();
  const retired: number[] = [];
  const debugging = { isOn: false };
  const reserve = new SiloReserve(ENTRY, clock);
  const supervisor = new Supervisor({
    entry: ENTRY,
    concurrency,
    clock,
    registry: door,
    isDebugged: () => debugging.isOn,
    reserve,
    plan: (index) => fakePlan(index, behaviours[index] ?? ""),
    retire: (index) => retired.push(index),
  });
  return { door, clock, supervisor, reserve, retired, debugging, behaviours };
}

async function open(door: Acceptor): Promise<number> {
  const ports = await door.open([LOOPBACK]);
  return Array.isArray(ports) ? ((ports as number[])[0] ?? 0) : assert.fail(JSON.stringify(ports));
}

/** Two clients, one on each of two silos: [on silo 0, on silo 1]. */
async function oneOnEach(port: number): Promise<[Socket, Socket]> {
  const first = await client(port);
  const second = await client(port);
  const answer = await ask(first, "who");
  await ask(second, "who");
  return answer.startsWith("0:") ? [first, second] : [second, first];
}

describe("supervisor", NEEDS_NATIVE, () => {
  const rigs: Rig[] = [];
  const make = (...arguments_: Parameters<typeof rig>) => {
    const made = rig(...arguments_);
    rigs.push(made);
    return made;
  };
  after(async () => {
    for (const each of rigs) {
      each.door.close();
      await each.supervisor.stop(0);
    }
  });

  it("serves on both silos once both are ready, and ends with no descriptor left", async () => {
    const before = openSocketCount();
    const { door, supervisor } = make(2);
    await supervisor.start();
    const [zero, one] = await oneOnEach(await open(door));
    assert.equal(await ask(zero, "a"), "0:a");
    assert.equal(await ask(one, "b"), "1:b");
    assert.equal(supervisor.openConnections, 2);
    door.close();
    const closed = Promise.all([once(zero, "close"), once(one, "close")]);
    zero.resume();
    one.resume();
    await supervisor.stop(0);
    await closed;
    await turnsUntil(() => openSocketCount() <= before);
    assert.deepEqual(
      supervisor.silos.map((silo) => silo.state),
      ["stopped", "stopped"],
    );
  });

  it("replaces a silo that throws while the other one serves on", async () => {
    const { door, supervisor, retired } = make(2);
    await supervisor.start();
    const old = supervisor.silos[0];
    const port = await open(door);
    const [zero, one] = await oneOnEach(port);
    zero.on("error", () => undefined);
    const closed = once(zero, "close");
    zero.write("throw");
    await closed;
    assert.equal(await ask(one, "still"), "1:still");
    await turnsUntil(() => supervisor.silos[0]?.state === "ready");
    assert.notEqual(supervisor.silos[0], old);
    assert.deepEqual(retired, [0]);
    const [again] = await oneOnEach(port);
    assert.equal(await ask(again, "new"), "0:new");
  });

  it("fills the place of a silo that died with the thread in reserve, then makes another", async () => {
    const { door, supervisor, clock, reserve } = make(2);
    await supervisor.start();
    assert.equal(reserve.isFilled, false, "silos that start have the processors first");
    clock.advance(2_000);
    assert.equal(reserve.isFilled, true);
    const port = await open(door);
    const [zero, one] = await oneOnEach(port);
    zero.on("error", () => undefined);
    const closed = once(zero, "close");
    zero.write("throw");
    await closed;
    await turnsUntil(() => supervisor.silos[0]?.state === "ready");
    assert.equal(reserve.isFilled, false, "it was taken");
    const [again] = await oneOnEach(port);
    assert.equal(await ask(again, "new"), "0:new");
    assert.equal(await ask(one, "still"), "1:still");
    clock.advance(2_000);
    assert.equal(reserve.isFilled, true);
  });

  it("goes on without a reserve that dies while it waits", async () => {
    const worker = new URL("./fixtures/dies.js", import.meta.url);
    const clock = new ManualClock();
    const reserve = new SiloReserve(worker, clock);
    reserve.fillLater();
    clock.advance(2_000);
    assert.equal(reserve.isFilled, true);
    await turnsUntil(() => !reserve.isFilled);
    assert.equal(reserve.take(), null);
    await reserve.close();
  });

  it("waits longer before each restart of a silo that dies again and again", async () => {
    const { door, supervisor, behaviours, clock, retired } = make(1);
    await supervisor.start();
    behaviours[0] = "throw at start";
    const visitor = await client(await open(door));
    visitor.on("error", () => undefined);
    visitor.write("exit");
    await turnsUntil(() => retired.length === 2);
    const second = supervisor.silos[0];
    clock.advance(249);
    assert.equal(supervisor.silos[0], second);
    behaviours[0] = "";
    clock.advance(1);
    assert.notEqual(supervisor.silos[0], second);
    await turnsUntil(() => supervisor.silos[0]?.state === "ready");
  });

  it("kills a silo without heartbeat and gives its untaken connections to the next", async () => {
    const { door, supervisor, behaviours, clock } = make(1, "take nothing");
    await supervisor.start();
    const visitor = await client(await open(door));
    const answer = ask(visitor, "x");
    await turnsUntil(() => supervisor.openConnections === 1);
    behaviours[0] = "";
    clock.advance(SUPERVISION.lookMs * (SUPERVISION.missesMax + 1));
    assert.equal(await answer, "0:x");
    visitor.destroy();
  });

  it("leaves a silo without heartbeat alone while a debugger may have stopped it", async () => {
    const { supervisor, clock, debugging } = make(1);
    await supervisor.start();
    debugging.isOn = true;
    const [silo] = supervisor.silos;
    clock.advance(SUPERVISION.lookMs * (SUPERVISION.missesMax * 3));
    assert.equal(silo?.state, "ready");
    debugging.isOn = false;
    clock.advance(SUPERVISION.lookMs * (SUPERVISION.missesMax + 1));
    assert.notEqual(silo?.state, "ready");
    await turnsUntil(() => supervisor.silos[0]?.state === "ready");
  });

  it("bears a silo that stands still in the start of an update's plugins for longer", async () => {
    const { door, supervisor, behaviours, clock } = make(1, "take nothing");
    await supervisor.start();
    const visitor = await client(await open(door));
    const answer = ask(visitor, "x");
    await turnsUntil(() => supervisor.openConnections === 1);
    const silo = present(supervisor.silos[0], "silo 0");
    silo.isPreparing = true;
    clock.advance(SUPERVISION.lookMs * (SUPERVISION.missesMax + 1));
    assert.equal(silo.state, "ready");
    behaviours[0] = "";
    clock.advance(SUPERVISION.lookMs * SUPERVISION.startMissesMax);
    assert.equal(await answer, "0:x");
    visitor.destroy();
  });

  it("starts nothing when one silo fails to start, and says why", async () => {
    for (const [behaviour, message] of [
      ["throw at start", /cannot start/],
      ["fail at start", /silo 1 did not start: no such plugin/],
    ] as const) {
      const { supervisor } = make(2, "", behaviour);
      await assert.rejects(supervisor.start(), message);
      assert.deepEqual(
        supervisor.silos.map((silo) => silo.state),
        ["stopped", "stopped"],
      );
    }
  });

  it("does not replace a silo that dies while draining", async () => {
    const { door, supervisor, retired } = make(1);
    await supervisor.start();
    const visitor = await client(await open(door));
    await ask(visitor, "x");
    supervisor.drain();
    visitor.on("error", () => undefined);
    visitor.write("exit");
    await turnsUntil(() => retired.length === 1);
    assert.equal(supervisor.silos[0]?.state, "stopped");
  });

  it("answers null to a control call whose silo ended", async () => {
    const { supervisor } = make(1, "exit on clusters");
    await supervisor.start();
    const silo = present(supervisor.silos[0], "silo 0");
    supervisor.drain();
    assert.equal(await silo.call((remote) => remote.clusters()), null);
    assert.equal(await silo.call((remote) => remote.clusters()), null);
  });
});
