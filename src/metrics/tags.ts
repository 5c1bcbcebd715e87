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

/** How the rows of a plugin's own stats begin: a plugin's metrics may be called anything else. */
const PLUGIN_ROWS = [
  "vm_(?:reload_|failed|cut_off|kept_out)",
  "cost\\.",
  "log_lines_",
  "memory_refused",
  "handlers_",
  "calls_suspended",
  "suspension_",
  "waits_refused",
].join("|");

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
    pattern: new RegExp(`^wasm\\.(?!envoy\\.)((.+)\\.)(?:${PLUGIN_ROWS})`, "d"),
  },
  { label: "granary_callback", pattern: /^wasm\..+\.cost\.((\w+)\.)(?:calls|time_us)$/d },
  { label: "granary_hostcall", pattern: /^wasm\..+\.cost\.((\w+)\.)hostcalls$/d },
  { label: "granary_shadow", pattern: /^granary\.shadow\.((.+)\.)\w+$/d },
] as const satisfies readonly TagRow[];

export interface TaggedName {
  /** The name without its tags, still with dots. */
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A tag that the configuration names. */
export interface TagRule {
  readonly name: string;
  /** What is cut out of a stat's name and the value; null: the stat has no such tag. */
  find(
    name: string,
  ): { readonly start: number; readonly end: number; readonly value: string } | null;
}

export interface TagRules {
  /** Whether Envoy's own tags are cut out too. */
  readonly useDefaults: boolean;
  readonly rules: readonly TagRule[];
}

export const DEFAULT_TAG_RULES: TagRules = { useDefaults: true, rules: [] };

/** Between the tags of Istio's names, and between a tag and its value. */
const ISTIO_FIELD = ";.;";
const ISTIO_VALUE = "=.=";

type Cut = readonly [start: number, end: number];
/** A map, because plugins choose names: `constructor` is one like any other. */
type TagValues = Map<string, string>;

/**
 * Cuts the tags out of `name`: those of the configuration, and of built-in stats Envoy's own.
 * Plugins may bring tags in the name itself, as Istio's do: `requests;.;reporter=.=source;.;`.
 */
export function extractTags(name: string, by: TagRules = DEFAULT_TAG_RULES): TaggedName {
  const labels: TagValues = new Map();
  const cuts: Cut[] = [];
  for (const rule of by.rules) {
    const found = rule.find(name);
    if (found === null || labels.has(rule.name)) continue;
    labels.set(rule.name, found.value);
    cuts.push([found.start, found.end]);
  }
  const isOfPlugin = name.startsWith(PLUGIN_METRIC_PREFIX);
  if (!isOfPlugin && by.useDefaults) cutDefaults(name, labels, cuts);
  const rest = withoutCuts(name, cuts);
  const family = isOfPlugin ? cutIstio(rest, labels) : rest;
  return { family, labels: Object.fromEntries(labels) };
}

function cutDefaults(name: string, labels: TagValues, cuts: Cut[]): void {
  for (const { label, pattern } of TAGS) {
    const match = pattern.exec(name);
    const range = match?.indices?.[1];
    if (match === null || range === undefined || labels.has(label)) continue;
    labels.set(label, match[2] ?? "");
    cuts.push(range);
  }
}

/** Cuts may overlap: two tags may lie in one part of the name. */
function withoutCuts(name: string, cuts: Cut[]): string {
  cuts.sort((a, b) => a[0] - b[0]);
  let family = "";
  let from = 0;
  for (const [start, end] of cuts) {
    family += name.slice(from, Math.max(from, start));
    from = Math.max(from, end);
  }
  return family + name.slice(from);
}

/** The family that is left of a plugin's name. */
function cutIstio(name: string, labels: TagValues): string {
  if (!name.includes(ISTIO_FIELD)) return name;
  const kept: string[] = [];
  for (const part of name.split(ISTIO_FIELD)) {
    const at = part.indexOf(ISTIO_VALUE);
    if (at <= 0) kept.push(part);
    else if (!labels.has(part.slice(0, at))) {
      labels.set(part.slice(0, at), part.slice(at + ISTIO_VALUE.length));
    }
  }
  return kept.join("").replace(/_$/, "");
}

/** A label's name as Prometheus takes it. */
export function labelName(tag: string): string {
  const name = sanitise(tag);
  return /^[a-zA-Z_]/.test(name) ? name : `_${name}`;
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
