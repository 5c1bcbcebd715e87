/**
 * Rows of metrics whose prefix the configuration decides: resources from files, and plugins that
 * routes choose among. Beside `catalogue.ts`.
 */
import { type HandlesOf, handlesOf, type MetricRow, type MetricRows } from "./handles.ts";
import type { MetricScope } from "./types.ts";

const row = <Kind extends MetricRow["kind"]>(kind: Kind, help: string) => ({ kind, help });
const counter = (help: string) => row("counter", help);
const gauge = (help: string) => row("gauge", help);

/** Of each resource that comes from a file: `listener_manager.lds.<row>` and the like. */
export const XDS_STATS = {
  update_attempt: counter("New contents that were looked at"),
  update_success: counter("New contents that were taken"),
  update_rejected: counter("New contents that were refused while the old ones go on"),
  update_time: gauge("When the contents in use were taken, in milliseconds since the epoch"),
  version: gauge("A hash of the version in use"),
} as const satisfies MetricRows;

/** `http.<stat_prefix>.wasm_filter.<filter>.<plugin>.<row>`, where routes choose plugins. */
export const FILTER_VARIANT_STATS = {
  rq_total: counter("Requests that this plugin was chosen for"),
  rq_2xx: counter("Of them, answers with status 2xx"),
  rq_3xx: counter("Of them, answers with status 3xx"),
  rq_4xx: counter("Of them, answers with status 4xx"),
  rq_5xx: counter("Of them, answers with status 5xx"),
} as const satisfies MetricRows;

/** `http.<stat_prefix>.tap.<row>`. */
export const TAP_STATS = {
  rq_tapped: counter("Requests that a tap filter has passed on to be written"),
  rq_dropped: counter("Requests that a tap filter dropped because there was no room on the way"),
} as const satisfies MetricRows;

/** `granary.shadow.<name>.<row>`: what a shadow would have done otherwise. */
export const SHADOW_STATS = {
  streams: counter("Requests that the shadow saw"),
  same: counter("Of them, those that it would have treated in the same way"),
  different: counter("Of them, those that it would have treated otherwise"),
  uncompared: counter("Of them, those that it made a callout for or held too much of"),
  request_headers: counter("Differences in the request headers"),
  request_body: counter("Differences in the request body"),
  request_trailers: counter("Differences in the request trailers"),
  response_headers: counter("Differences in the response headers"),
  response_body: counter("Differences in the response body"),
  response_trailers: counter("Differences in the response trailers"),
  reply: counter("Only one of the two answered by itself or reset, or with another answer"),
  pause: counter("Only one of the two let the request or the response go on"),
  failure: counter("The shadow's VM failed"),
} as const satisfies MetricRows;

export type XdsStats = HandlesOf<typeof XDS_STATS>;

/** @param scope such as `listener_manager.lds` */
export function xdsStats(root: MetricScope, scope: string): XdsStats {
  return handlesOf(XDS_STATS, root.scope(scope));
}
