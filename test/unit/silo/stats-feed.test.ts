import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MetricSnapshot, ScalarSample } from "../../../src/metrics/snapshot.ts";
import { encodeStats, StatsFeed } from "../../../src/silo/stats-feed.ts";
import type { Plugin } from "../../../src/vm/types.ts";

const sample = (
  kind: ScalarSample["kind"],
  name: string,
  value: number | bigint,
): ScalarSample => ({ kind, name, value, used: true });

/** Reads the buffer as a guest does. */
function decode(bytes: Uint8Array): unknown[] {
  const buffer = Buffer.from(bytes);
  const blocks: unknown[] = [];
  for (let start = 0; start < buffer.length; ) {
    const end = start + buffer.readUInt32LE(start);
    const isCounters = buffer.readUInt32LE(start + 4) === 1;
    const stats: unknown[] = [];
    for (let at = start + 12; at < end; ) {
      const length = buffer.readUInt32LE(at);
      const name = buffer.toString("utf8", at + 4, at + 4 + length);
      at = (at + 4 + length + 7) & ~7;
      const value = buffer.readBigUInt64LE(at);
      stats.push(isCounters ? [name, value, buffer.readBigUInt64LE(at + 8)] : [name, value]);
      at += isCounters ? 16 : 8;
    }
    assert.equal(buffer.readUInt32LE(start + 8), stats.length);
    blocks.push([isCounters ? "counters" : "gauges", ...stats]);
    start = end;
  }
  return blocks;
}

function feedOf(scalars: readonly ScalarSample[]) {
  const received: unknown[][] = [];
  const plugin = {
    statsUpdate: (stats: Uint8Array) => received.push(decode(stats)),
  } as unknown as Plugin;
  const source: { scalars: readonly ScalarSample[] } = { scalars };
  const feed = new StatsFeed(
    { take: (): MetricSnapshot => ({ scalars: source.scalars, histograms: [] }) },
    [plugin],
  );
  return { feed, received, source };
}

describe("stats for sinks", () => {
  it("are laid out as Envoy 1.40 lays them out", () => {
    const counters = [
      sample("counter", "http.admin.downstream_cx_total", 1),
      sample("counter", "cluster.up.external.upstream_rq_completed", 2),
    ];
    const stats = encodeStats(
      { kind: "counter", samples: counters, deltas: [1n, 2n] },
      { kind: "gauge", samples: [], deltas: [] },
    );
    // The first two stats of a buffer that Envoy passed to a sink; its block went on behind them.
    const envoy =
      "1e000000687474702e61646d696e2e646f776e73747265616d5f63785f746f74616c0000" +
      "0100000000000000010000000000000029000000636c75737465722e75702e6578746572" +
      "6e616c2e757073747265616d5f72715f636f6d706c65746564000000" +
      "02000000000000000200000000000000";
    const hex = Buffer.from(stats).toString("hex");
    assert.equal(hex.slice(24, 24 + envoy.length), envoy);
    assert.equal(hex.slice(0, 24), "800000000100000002000000");
    assert.equal(hex.slice(256), "0c0000000200000000000000");
  });

  it("say how much each counter grew since the last flush", () => {
    const { feed, received, source } = feedOf([sample("counter", "c", 5), sample("gauge", "g", 7)]);
    feed.flush();
    source.scalars = [sample("counter", "c", 8), sample("gauge", "g", 6)];
    feed.flush();
    assert.deepEqual(received, [
      [
        ["counters", ["c", 5n, 5n]],
        ["gauges", ["g", 7n]],
      ],
      [
        ["counters", ["c", 8n, 3n]],
        ["gauges", ["g", 6n]],
      ],
    ]);
  });

  it("leave out what was never written, and wrap negative values to 64 bits", () => {
    const unused = { ...sample("counter", "unused", 0), used: false };
    const { feed, received } = feedOf([unused, sample("gauge", "below", -1)]);
    feed.flush();
    assert.deepEqual(received, [[["counters"], ["gauges", ["below", 2n ** 64n - 1n]]]]);
  });

  it("take names of several bytes a letter, and values of plugins", () => {
    const { feed, received } = feedOf([sample("counter", "größe", 2n ** 60n)]);
    feed.flush();
    assert.deepEqual(received[0]?.[0], ["counters", ["größe", 2n ** 60n, 2n ** 60n]]);
  });
});
