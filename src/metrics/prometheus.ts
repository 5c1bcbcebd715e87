/**
 * The one door to prom-client: its exposition format over collectors that read a snapshot. A
 * registry lives for one scrape, because what is defined changes while the proxy runs.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Family, familiesOf, type Labels } from "./families.ts";
import { cumulativeCounts, DEFAULT_BOUNDS } from "./quantiles.ts";
import type { HistogramSample, MetricSnapshot } from "./snapshot.ts";
import { DEFAULT_TAG_RULES, type TagRules } from "./tags.ts";

interface Series {
  readonly metricName: string;
  readonly labels: Labels;
  readonly value: number;
}
type Exposition = Omit<Awaited<ReturnType<Counter["get"]>>, "values"> & { values: Series[] };

class CounterCollector extends Counter {
  readonly #series: Series[];
  constructor(family: Family, series: Series[]) {
    super({ name: family.name, help: family.help, registers: [] });
    this.#series = series;
  }
  override async get(): Promise<Exposition> {
    return { ...(await super.get()), values: this.#series };
  }
}

class GaugeCollector extends Gauge {
  readonly #series: Series[];
  constructor(family: Family, series: Series[]) {
    super({ name: family.name, help: family.help, registers: [] });
    this.#series = series;
  }
  override async get(): Promise<Exposition> {
    return { ...(await super.get()), values: this.#series };
  }
}

class HistogramCollector extends Histogram {
  readonly #head: { readonly name: string; readonly help: string };
  readonly #series: Series[];
  constructor(family: Family, series: Series[]) {
    super({ name: family.name, help: family.help, registers: [] });
    this.#head = { name: family.name, help: family.help };
    this.#series = series;
  }
  /** What the registry asks a histogram for; `get` of prom-client is built on it. */
  getForPromString(): Promise<object> {
    return Promise.resolve({ ...this.#head, type: "histogram", values: this.#series });
  }
}

/** Content type of the text that `renderPrometheus` makes. */
export const PROMETHEUS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * The snapshot as Prometheus text (version 0.0.4), with HELP and TYPE for every family.
 * @param helpTexts by family, from `helpTexts()`
 */
export async function renderPrometheus(
  snapshot: MetricSnapshot,
  helpTexts: ReadonlyMap<string, string>,
  tagRules: TagRules = DEFAULT_TAG_RULES,
): Promise<string> {
  const registry = new Registry();
  for (const family of familiesOf(snapshot, helpTexts, tagRules)) {
    registry.registerMetric(collectorOf(family));
  }
  return registry.metrics();
}

function collectorOf(family: Family): CounterCollector | GaugeCollector | HistogramCollector {
  const series: Series[] = [];
  for (const { labels, sample } of family.series) {
    if (sample.kind === "histogram") histogramSeries(series, family.name, labels, sample);
    else series.push({ metricName: family.name, labels, value: Number(sample.value) });
  }
  switch (family.kind) {
    case "counter":
      return new CounterCollector(family, series);
    case "gauge":
      return new GaugeCollector(family, series);
    case "histogram":
      return new HistogramCollector(family, series);
  }
}

function histogramSeries(
  into: Series[],
  name: string,
  labels: Labels,
  sample: HistogramSample,
): void {
  const counts = cumulativeCounts(sample.buckets);
  for (const [index, bound] of DEFAULT_BOUNDS.entries()) {
    into.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: String(bound) },
      value: counts[index] ?? 0,
    });
  }
  into.push({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: "+Inf" },
    value: sample.count,
  });
  into.push({ metricName: `${name}_sum`, labels, value: sample.sum });
  into.push({ metricName: `${name}_count`, labels, value: sample.count });
}
