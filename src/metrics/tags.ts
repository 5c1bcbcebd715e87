/**
 * Splits a stat name into a family name and labels: `cluster.a.upstream_rq_200` is the family
 * `cluster.upstream_rq` with envoy_cluster_name="a" and envoy_response_code="200".
 * Source: Envoy, well_known_names.cc (default tag extraction) and prometheus_stats.cc (names).
 */
import { PLUGIN_METRIC_PREFIX } from "./plugin-metrics.ts";

interface TagRow {
  readonly label: string;
  /** Group 1 is cut out of the name, group 2 is the value. Linear in the length of a name. */
  readonly pattern: RegExp;
}

const ADDRESS = String.raw`(?:[_.\d]+|[_[\]a-fA-F\d]+)`;

const TAGS = [
  { label: "envoy_response_code", pattern: /_rq(_(\d{3}))$/d },
  { label: "envoy_response_code_class", pattern: /_rq_((\d))xx$/d },
  { label: "envoy_cluster_name", pattern: /^cluster\.(([^.]+)\.)/d },
  { label: "envoy_http_conn_manager_prefix", pattern: /^http\.(([^.]+)\.)/d },
  {
    label: "envoy_http_conn_manager_prefix",
    pattern: new RegExp(String.raw`^listener\.${ADDRESS}\.http\.(([^.]+)\.)`, "d"),
  },
  {
    label: "envoy_listener_address",
    pattern: new RegExp(String.raw`^listener\.((${ADDRESS})\.)`, "d"),
  },
  {
    label: "envoy_wasm_plugin",
    pattern: /^wasm\.(?!envoy\.)((.+)\.)vm_(?:reload_|failed|cut_off)/d,
  },
] as const satisfies readonly TagRow[];

export interface TaggedName {
  /** The name without its tags, still with dots. */
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Cuts the tags out of `name`. Metrics of plugins keep their names whole. */
export function extractTags(name: string): TaggedName {
  if (name.startsWith(PLUGIN_METRIC_PREFIX)) return { family: name, labels: {} };
  const labels: Record<string, string> = {};
  const cuts: (readonly [number, number])[] = [];
  for (const { label, pattern } of TAGS) {
    const match = pattern.exec(name);
    const range = match?.indices?.[1];
    if (match === null || range === undefined) continue;
    labels[label] = match[2] ?? "";
    cuts.push(range);
  }
  cuts.sort((a, b) => b[0] - a[0]);
  let family = name;
  for (const [start, end] of cuts) family = family.slice(0, start) + family.slice(end);
  return { family, labels };
}

/**
 * The Prometheus name of a family: `envoy_` and the name with invalid characters as underscores.
 * Metrics of plugins go without any prefix, as in Envoy.
 * @returns null when a plugin's name does not begin as Prometheus demands; Envoy leaves it out too.
 */
export function prometheusName(family: string): string | null {
  if (!family.startsWith(PLUGIN_METRIC_PREFIX)) return `envoy_${sanitise(family)}`;
  const name = sanitise(family.slice(PLUGIN_METRIC_PREFIX.length));
  return /^[a-zA-Z_]/.test(name) ? name : null;
}

function sanitise(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, "_");
}
