/**
 * Groups the samples of a snapshot into Prometheus families: one type, one name and one help text
 * each, no two samples with the same labels, no family whose name another one's series take. Names
 * come from configuration and plugins, so any clash has to end in valid exposition.
 */
import type { HistogramSample, MetricSnapshot, ScalarSample } from "./snapshot.ts";
import { extractTags, labelName, prometheusName, type TagRules } from "./tags.ts";

export type MetricSample = ScalarSample | HistogramSample;
export type Labels = Readonly<Record<string, string>>;

export interface Family {
  readonly name: string;
  readonly kind: MetricSample["kind"];
  readonly help: string;
  readonly series: readonly { readonly labels: Labels; readonly sample: MetricSample }[];
}

interface OpenFamily extends Family {
  readonly series: { readonly labels: Labels; readonly sample: MetricSample }[];
  readonly seen: Set<string>;
}

const HISTOGRAM_ENDS = ["_bucket", "_sum", "_count"] as const;

/** What a family says of itself when no row of the catalogue does. */
const DEFAULT_HELP = {
  counter: "Counter",
  gauge: "Gauge",
  histogram: "Histogram",
} as const satisfies Record<MetricSample["kind"], string>;

/** @param helpTexts by family name with dots, as `helpTexts()` makes it */
export function familiesOf(
  snapshot: MetricSnapshot,
  helpTexts: ReadonlyMap<string, string>,
  tagRules: TagRules,
): readonly Family[] {
  const families = new Map<string, OpenFamily>();
  const taken = new Set<string>();
  for (const sample of [...snapshot.scalars, ...snapshot.histograms]) {
    const { family: dotted, labels: tags } = extractTags(sample.name, tagRules);
    const labels = labelsOf(tags);
    const name = prometheusName(dotted);
    if (name === null) continue;
    const key = `${sample.kind}:${name}`;
    let family = families.get(key);
    if (family === undefined) {
      const free = freeName(name, sample.kind, taken);
      const help = helpTexts.get(dotted) ?? `${DEFAULT_HELP[sample.kind]} ${dotted}`;
      family = { name: free, kind: sample.kind, help, series: [], seen: new Set() };
      families.set(key, family);
    }
    const labelKey = JSON.stringify(Object.entries(labels).sort());
    if (family.seen.has(labelKey)) continue;
    family.seen.add(labelKey);
    family.series.push({ labels, sample });
  }
  return [...families.values()];
}

function labelsOf(tags: Labels): Labels {
  return Object.fromEntries(Object.entries(tags).map(([tag, value]) => [labelName(tag), value]));
}

function seriesNames(name: string, kind: MetricSample["kind"]): readonly string[] {
  return kind === "histogram" ? [name, ...HISTOGRAM_ENDS.map((end) => name + end)] : [name];
}

/** `name`, or `name_2`, `name_3`... when another family has taken it. */
function freeName(name: string, kind: MetricSample["kind"], taken: Set<string>): string {
  let candidate = name;
  for (let n = 2; seriesNames(candidate, kind).some((series) => taken.has(series)); n++) {
    candidate = `${name}_${n}`;
  }
  for (const series of seriesNames(candidate, kind)) taken.add(series);
  return candidate;
}
