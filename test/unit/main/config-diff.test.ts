import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GranaryConfig } from "../../../src/config/types.ts";
import { diffConfigs, isEmptyDiff } from "../../../src/main/config-diff.ts";

const listener = (name: string, port: number, more: object = {}) => ({
  name,
  address: { host: "127.0.0.1", port },
  backlog: 1,
  ...more,
});

/** Only what a comparison reads. */
function config(parts: object): GranaryConfig {
  const empty = { node: { id: "n" }, admin: null, listeners: [], clusters: [] };
  return { ...empty, ...parts } as unknown as GranaryConfig;
}

describe("configurations compared", () => {
  it("tell what was added, changed and removed, by name and value", () => {
    const bytes = (value: number) => ({ name: "c", bytes: Uint8Array.of(value) });
    const before = config({
      listeners: [listener("a", 1), listener("b", 2)],
      clusters: [bytes(1), { name: "same", x: [1] }],
    });
    const after = config({
      listeners: [listener("b", 3), listener("d", 4)],
      clusters: [{ name: "same", x: [1] }, bytes(2)],
    });
    const diff = diffConfigs(before, after);
    const names = (list: readonly { name: string }[]) => list.map(({ name }) => name);
    assert.deepEqual(names(diff.listeners.added), ["d"]);
    assert.deepEqual(names(diff.listeners.modified), ["b"]);
    assert.deepEqual(diff.listeners.removed, ["a"]);
    assert.deepEqual(names(diff.clusters.modified), ["c"]);
    assert.deepEqual(diff.clusters.added, []);
    assert.deepEqual(diff.refusals, []);
    assert.equal(isEmptyDiff(diff), false);
  });

  it("do not differ by the order of things", () => {
    const one = [listener("a", 1), listener("b", 2)];
    const diff = diffConfigs(config({ listeners: one }), config({ listeners: one.toReversed() }));
    assert.equal(isEmptyDiff(diff), true);
  });

  it("refuse what is fixed at the start", () => {
    const after = config({ node: { id: "m" }, admin: { accessLogs: [] }, statTags: {} });
    assert.deepEqual(
      diffConfigs(config({}), after).refusals.map((line) => line.split(":")[0]),
      ["node", "admin", "stats_config"],
    );
  });

  it("tell whether plugins of the server differ", () => {
    const before = config({ services: [1], statSinks: [], statsFlushMs: 5 });
    for (const part of [{ services: [2] }, { statSinks: [1] }, { statsFlushMs: 6 }]) {
      const diff = diffConfigs(before, { ...before, ...part } as unknown as GranaryConfig);
      assert.deepEqual([diff.server, isEmptyDiff(diff), diff.refusals], [true, false, []]);
    }
    assert.equal(diffConfigs(before, { ...before }).server, false);
  });

  it("refuse another backlog on a socket that stays, not on another one", () => {
    const before = config({ listeners: [listener("a", 1)] });
    const same = config({ listeners: [listener("a", 1, { backlog: 2 })] });
    const other = config({ listeners: [listener("a", 5, { backlog: 2 })] });
    assert.match(diffConfigs(before, same).refusals[0] ?? "", /tcp_backlog_size cannot change/);
    assert.deepEqual(diffConfigs(before, other).refusals, []);
  });
});
