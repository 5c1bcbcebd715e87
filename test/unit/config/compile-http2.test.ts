/** HTTP/2 options, of clusters and of listeners. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bootstrapText, load } from "./bootstrap-text.ts";
import { cluster, hcm } from "./good-config.ts";

const SETTINGS = "interval: 30s, timeout: 2.5s, connection_idle_interval: 10s";
const options = (more: string): string =>
  `http2_protocol_options: {connection_keepalive: {${more}}}`;

describe("connection_keepalive", () => {
  test("of a cluster, with Envoy's jitter where none is given", () => {
    assert.deepEqual(cluster(options(SETTINGS)).http2?.keepalive, {
      intervalMs: 30_000,
      timeoutMs: 2_500,
      jitterPercent: 15,
      idleMs: 10_000,
    });
    const none = cluster(options("timeout: 1s, interval_jitter: {value: 0}"));
    assert.deepEqual(none.http2?.keepalive, {
      intervalMs: 0,
      timeoutMs: 1_000,
      jitterPercent: 0,
      idleMs: 0,
    });
  });

  test("of clients; what has no meaning for them is told", () => {
    const holes = { hcm: options(SETTINGS) };
    assert.equal(hcm(holes).http2.keepalive?.intervalMs, 30_000);
    const paths = load(bootstrapText(holes)).warnings.map(({ path }) => path);
    assert.equal(paths.length, 1);
    assert.match(paths[0] ?? "", /connection_keepalive\.connection_idle_interval$/);
  });

  test("needs a timeout, and intervals that are some", () => {
    for (const wrong of ["interval: 30s", "timeout: 0s", "timeout: 1s, interval: 0.0001s"]) {
      assert.equal(load(bootstrapText({ cluster: options(wrong) })).config, null, wrong);
    }
  });
});
