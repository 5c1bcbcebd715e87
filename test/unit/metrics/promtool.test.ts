import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import * as catalogue from "../../../src/metrics/catalogue.ts";
import { handlesOf } from "../../../src/metrics/handles.ts";
import { helpTexts } from "../../../src/metrics/help.ts";
import { PluginMetrics } from "../../../src/metrics/plugin-metrics.ts";
import { PluginCostStats, wasmPluginStats } from "../../../src/metrics/plugin-stats.ts";
import { renderPrometheus } from "../../../src/metrics/prometheus.ts";
import { SiloRecorder } from "../../../src/metrics/recorder.ts";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";
import { MetricWriter } from "../../../src/shm/metric-writer.ts";
import { CLUSTER_STATS } from "../../../src/upstream/stats.ts";

const promtool = process.env["PROMTOOL"] ?? "promtool";
const missing = spawnSync(promtool, ["--version"]).error !== undefined;

/** Remarks that Envoy's own names earn; the names are kept, because dashboards know them. */
const STYLE = [
  /counter metrics should have "_total" suffix$/,
  /non-counter metrics should not have "_total" suffix$/,
  /metric names should not contain abbreviated units$/,
  /use base unit "seconds" instead of "days"$/,
];

async function everything(): Promise<string> {
  const region = createMetricRegion();
  const writer = new MetricWriter(region);
  const root = new SiloRecorder(writer);
  catalogue.httpStats(root, 'od"d\\pre\nfix').downstream_rq_time.record(3);
  catalogue.listenerStats(root, "[::1]:80");
  catalogue.listenerHttpStats(root, "[::1]:80", "in");
  catalogue.serverStats(root);
  catalogue.listenerManagerStats(root);
  catalogue.clusterManagerStats(root);
  catalogue.wasmRuntimeStats(root, "v8");
  wasmPluginStats(root, "a plugin");
  const costs = new PluginCostStats(root, "a plugin");
  costs.callback("proxy_on_log").calls.inc();
  costs.hostcall("proxy_log").hostcalls.inc();
  handlesOf(CLUSTER_STATS, root.scope("cluster.up")).upstream_rq_time.record(1);
  root.counter("cluster.up.upstream_rq_200").inc();
  const plugins = new PluginMetrics(writer, []);
  for (const kind of [0, 1, 2]) plugins.define(kind, "clash");
  return renderPrometheus(
    new MetricSnapshots([region]).take(),
    helpTexts([["cluster.x", CLUSTER_STATS]]),
  );
}

test("promtool finds no error, and no fault but the style of Envoy's names", {
  skip: missing ? "promtool is not installed (Debian package prometheus)" : false,
}, async () => {
  const { status, stdout, stderr } = spawnSync(promtool, ["check", "metrics"], {
    input: await everything(),
    encoding: "utf8",
  });
  const remarks = `${stdout}${stderr}`.split("\n").filter((line) => line !== "");
  assert.deepEqual(
    remarks.filter((line) => !STYLE.some((style) => style.test(line))),
    [],
  );
  // 0: nothing to say; 3: remarks on style; 1: errors.
  assert.ok(status === 0 || status === 3, String(status));
});

test("every built-in metric has a help text of its own", async () => {
  const text = await everything();
  assert.ok(text.length > 1000);
  const bare = [...text.matchAll(/^# HELP (envoy_\S+) ((?:Counter|Gauge|Histogram) .*)$/gm)];
  assert.deepEqual(
    bare.map((match) => match[0]),
    [],
  );
});
