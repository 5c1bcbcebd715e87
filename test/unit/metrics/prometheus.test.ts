import assert from "node:assert/strict";
import { test } from "node:test";
import {
  httpStats,
  listenerHttpStats,
  listenerStats,
  serverStats,
} from "../../../src/metrics/catalogue.ts";
import { helpTexts } from "../../../src/metrics/help.ts";
import { PluginMetrics } from "../../../src/metrics/plugin-metrics.ts";
import { renderPrometheus } from "../../../src/metrics/prometheus.ts";
import { SiloRecorder } from "../../../src/metrics/recorder.ts";
import { MetricSnapshots } from "../../../src/metrics/snapshot.ts";
import { createMetricRegion } from "../../../src/shm/metric-layout.ts";
import { MetricWriter } from "../../../src/shm/metric-writer.ts";

function column(): { region: SharedArrayBuffer; root: SiloRecorder; plugins: PluginMetrics } {
  const region = createMetricRegion();
  const writer = new MetricWriter(region);
  return { region, root: new SiloRecorder(writer), plugins: new PluginMetrics(writer, []) };
}

const render = (region: SharedArrayBuffer): Promise<string> =>
  renderPrometheus(new MetricSnapshots([region]).take(), helpTexts([]));

test("stat names become Envoy's families and labels", async () => {
  const { region, root } = column();
  httpStats(root, "ingress").downstream_rq_2xx.add(3);
  listenerStats(root, "127.0.0.1:80").downstream_cx_total.inc();
  listenerHttpStats(root, "[::1]:80", "ingress").downstream_rq_completed.inc();
  serverStats(root).live.set(1);
  root.counter("cluster.a.upstream_rq_200").add(7);
  const lines = (await render(region)).split("\n");
  const prefix = 'envoy_http_conn_manager_prefix="ingress"';
  for (const line of [
    `envoy_http_downstream_rq_xx{envoy_response_code_class="2",${prefix}} 3`,
    'envoy_listener_downstream_cx_total{envoy_listener_address="127.0.0.1_80"} 1',
    `envoy_listener_http_downstream_rq_completed{${prefix},envoy_listener_address="[__1]_80"} 1`,
    "envoy_server_live 1",
    'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="a"} 7',
    "# TYPE envoy_http_downstream_rq_xx counter",
    "# HELP envoy_server_live 1 while the server accepts requests",
  ]) {
    assert.ok(lines.includes(line), `${line}\nis not in\n${lines.join("\n")}`);
  }
});

test("every family has one HELP and one TYPE and stands together", async () => {
  const { region, root } = column();
  httpStats(root, "a");
  httpStats(root, "b");
  const text = await render(region);
  const types = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  const helps = [...text.matchAll(/^# HELP (\S+) \S/gm)].map((match) => match[1]);
  assert.equal(new Set(types).size, types.length);
  assert.deepEqual(helps, types);
  const families = text.split(/^# HELP .*$/m).slice(1);
  assert.equal(families.length, types.length);
  assert.ok(types.length > 40);
});

test("a histogram has Envoy's bounds, cumulative counts, a sum and a count", async () => {
  const { region, root } = column();
  const time = httpStats(root, "a").downstream_rq_time;
  for (const value of [0, 1, 1, 5, 7, 4_000_000]) time.record(value);
  const text = await render(region);
  const labels = 'envoy_http_conn_manager_prefix="a"';
  const bucket = (le: string): string | undefined =>
    new RegExp(`^envoy_http_downstream_rq_time_bucket\\{.*le="${le}".*\\} (\\d+)$`, "m").exec(
      text,
    )?.[1];
  assert.equal(bucket("0.5"), "1");
  assert.equal(bucket("1"), "3");
  assert.equal(bucket("5"), "4");
  assert.equal(bucket("10"), "5");
  assert.equal(bucket("3600000"), "5");
  assert.equal(bucket("\\+Inf"), "6");
  assert.ok(text.includes(`envoy_http_downstream_rq_time_sum{${labels}} 4000014`));
  assert.ok(text.includes(`envoy_http_downstream_rq_time_count{${labels}} 6`));
});

test("metrics of plugins go by their own names; what cannot be a name is left out", async () => {
  const { region, plugins } = column();
  plugins.add(plugins.define(0, "my-filter.requests"), 5n);
  plugins.add(plugins.define(0, "2much"), 1n);
  const text = await render(region);
  assert.ok(text.includes("\nmy_filter_requests 5\n"));
  assert.ok(!text.includes("much"));
});

test("names that clash end in separate families, never in a doubled one", async () => {
  const { region, plugins } = column();
  plugins.add(plugins.define(0, "same"), 1n);
  plugins.set(plugins.define(1, "same"), 2n);
  plugins.observe(plugins.define(2, "same"), 3n);
  plugins.add(plugins.define(0, "a.b"), 1n);
  plugins.add(plugins.define(0, "a_b"), 1n);
  plugins.add(plugins.define(0, "same_3_count"), 1n);
  const text = await render(region);
  const series = [...text.matchAll(/^([a-z][^ ]*) /gm)].map((match) => match[1]);
  assert.equal(new Set(series).size, series.length, text);
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(
    (match) => `${match[1]} ${match[2]}`,
  );
  assert.ok(types.includes("same counter"));
  assert.ok(types.includes("same_2 gauge"));
  assert.ok(types.includes("same_4 histogram"), types.join());
});

test("label values and help texts are escaped", async () => {
  const { region, root } = column();
  root.counter('http.a"\\\nb.rq_total').inc();
  assert.ok((await render(region)).includes('envoy_http_conn_manager_prefix="a\\"\\\\\\nb"'));
});
