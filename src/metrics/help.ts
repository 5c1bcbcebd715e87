/**
 * Help texts by family name, from the rows of the catalogue and of other parts (clusters).
 */
import {
  ACCESS_LOG_STATS,
  BODY_COPY_STATS,
  CALLOUT_STATS,
  CLUSTER_MANAGER_STATS,
  CONFIG_RELOAD_STATS,
  HTTP_STATS,
  HTTP2_STATS,
  LISTENER_HTTP_STATS,
  LISTENER_MANAGER_STATS,
  LISTENER_STATS,
  METRIC_REGION_STATS,
  PROXY_PROTOCOL_STATS,
  SERVER_STATS,
  SHARED_DATA_STATS,
  SHARED_QUEUE_STATS,
  WASM_RUNTIME_STATS,
} from "./catalogue.ts";
import { FILTER_VARIANT_STATS, SHADOW_STATS, TAP_STATS, XDS_STATS } from "./dynamic-stats.ts";
import type { MetricRows } from "./handles.ts";
import {
  WASM_CALLBACK_STATS,
  WASM_COST_STATS,
  WASM_HOSTCALL_STATS,
  WASM_PLUGIN_STATS,
} from "./plugin-stats.ts";
import { extractTags } from "./tags.ts";

/** Rows and the prefix of a name as it would stand in `/stats`; `x` where a tag's value stands. */
export type HelpSource = readonly [prefix: string, rows: MetricRows];

const BUILT_IN: readonly HelpSource[] = [
  ["http.x", HTTP_STATS],
  ["listener.0.0.0.0_0", LISTENER_STATS],
  ["listener.0.0.0.0_0.http.x", LISTENER_HTTP_STATS],
  ["server", SERVER_STATS],
  ["listener_manager", LISTENER_MANAGER_STATS],
  ["cluster_manager", CLUSTER_MANAGER_STATS],
  ["config_reload", CONFIG_RELOAD_STATS],
  ["listener_manager.lds", XDS_STATS],
  ["cluster_manager.cds", XDS_STATS],
  ["http.x.rds.x", XDS_STATS],
  ["http.x.wasm_filter.x.x", FILTER_VARIANT_STATS],
  ["http.x.tap", TAP_STATS],
  ["granary.shadow.x", SHADOW_STATS],
  ["granary.access_logs", ACCESS_LOG_STATS],
  ["granary.body.bytes_copied", BODY_COPY_STATS],
  ["granary.metrics", METRIC_REGION_STATS],
  ["granary.shared_data", SHARED_DATA_STATS],
  ["granary.shared_queues", SHARED_QUEUE_STATS],
  ["wasm.envoy.wasm.runtime.v8", WASM_RUNTIME_STATS],
  ["wasm.envoy.wasm.runtime.null", WASM_RUNTIME_STATS],
  ["wasm.x", WASM_PLUGIN_STATS],
  ["wasm.x", WASM_COST_STATS],
  ["wasm.x.cost.x", WASM_CALLBACK_STATS],
  ["wasm.x.cost.x", WASM_HOSTCALL_STATS],
  ["granary.callouts", CALLOUT_STATS],
  ["http2", HTTP2_STATS],
  ["proxy_proto", PROXY_PROTOCOL_STATS],
];

/**
 * Help by family name, for `renderPrometheus`.
 * @param more rows that live elsewhere: `["cluster.x", CLUSTER_STATS]`
 */
export function helpTexts(more: readonly HelpSource[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [prefix, rows] of [...BUILT_IN, ...more]) {
    for (const [name, row] of Object.entries(rows)) {
      const { family } = extractTags(`${prefix}.${name}`);
      // The rows of one class of statuses share a family, whose help names none of them.
      const text = /_rq_\dxx$/.test(name) ? "Answers by class of status" : row.help;
      texts.set(family, text);
    }
  }
  texts.set("cluster.upstream_rq", "Answers by status");
  return texts;
}
