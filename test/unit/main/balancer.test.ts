import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Balancer } from "../../../src/main/balancer.ts";
import type { ConnectionTarget } from "../../../src/main/silo-thread.ts";

function target(index: number, openConnections = 0): ConnectionTarget {
  return { index, openConnections, give: () => undefined };
}

function take(balancer: Balancer, count: number): (number | undefined)[] {
  return Array.from({ length: count }, () => balancer.next()?.index);
}

describe("balancer", () => {
  it("has no target before one is added and after the last is removed", () => {
    const balancer = new Balancer("roundRobin");
    assert.equal(balancer.next(), null);
    const only = target(0);
    balancer.add(only);
    balancer.add(only);
    assert.equal(balancer.targetCount, 1);
    balancer.remove(only);
    assert.equal(balancer.next(), null);
  });

  it("gives every target the same number in turn", () => {
    const balancer = new Balancer("roundRobin");
    for (const index of [2, 0, 1]) balancer.add(target(index));
    const counts = new Map<number | undefined, number>();
    for (const index of take(balancer, 300)) counts.set(index, (counts.get(index) ?? 0) + 1);
    assert.deepEqual([...counts.values()], [100, 100, 100]);
  });

  it("goes on evenly over those that are left when one is removed", () => {
    const balancer = new Balancer("roundRobin");
    const targets = [target(0), target(1), target(2)];
    for (const each of targets) balancer.add(each);
    take(balancer, 2);
    const [first] = targets;
    if (first !== undefined) balancer.remove(first);
    const taken = take(balancer, 10);
    assert.equal(taken.filter((index) => index === 1).length, 5);
    assert.equal(taken.filter((index) => index === 2).length, 5);
  });

  it("prefers the target with the fewest connections, equals in turn", () => {
    const balancer = new Balancer("fewestConnections");
    for (const each of [target(0, 5), target(1, 2), target(2, 2)]) balancer.add(each);
    const taken = take(balancer, 6);
    assert.ok(!taken.includes(0));
    assert.ok(taken.includes(1) && taken.includes(2));
  });
});
