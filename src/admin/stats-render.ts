/**
 * Samples as `/stats` prints them: text lines and JSON, with histograms in each of Envoy's modes.
 * Pure functions. Source: Envoy, stats_render.cc.
 */
import {
  cumulativeCounts,
  DEFAULT_BOUNDS,
  lowerBound,
  PERCENTILES,
  percentilesOf,
  upperBound,
} from "../metrics/quantiles.ts";
import type { HistogramSample, MetricSnapshot } from "../metrics/snapshot.ts";

export const HISTOGRAM_MODES = ["cumulative", "disjoint", "detailed", "summary"] as const;
export type HistogramMode = (typeof HISTOGRAM_MODES)[number];

interface BucketCounts {
  readonly bound: number;
  readonly interval: number;
  readonly total: number;
}

export function statsText(snapshot: MetricSnapshot, mode: HistogramMode): string {
  const lines = snapshot.scalars.map(({ name, value }) => `${name}: ${value}\n`);
  for (const sample of snapshot.histograms) lines.push(histogramText(sample, mode));
  return lines.join("");
}

export function statsJson(snapshot: MetricSnapshot, mode: HistogramMode): string {
  const stats: object[] = snapshot.scalars.map(({ name, value }) => ({
    name,
    value: Number(value),
  }));
  if (snapshot.histograms.length > 0) {
    stats.push({ histograms: histogramsJson(snapshot.histograms, mode) });
  }
  return JSON.stringify({ stats });
}

/** C's %g: six digits, an exponent from 10^6 on. */
function shortNumber(value: number): string {
  const [mantissa = "", exponent] = value.toPrecision(6).split("e");
  const trimmed = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  if (exponent !== undefined) return `${trimmed}e${exponent.replace(/^([+-])(\d)$/, "$10$2")}`;
  return trimmed;
}

function histogramText(sample: HistogramSample, mode: HistogramMode): string {
  if (mode === "detailed") {
    return (
      `${sample.name}:\n  totals=${rangesText(sample.buckets)}\n` +
      `  intervals=${rangesText(sample.intervalBuckets)}\n  summary=${summaryText(sample)}\n`
    );
  }
  if (!sample.used) return `${sample.name}: No recorded values\n`;
  if (mode === "summary") return `${sample.name}: ${summaryText(sample)}\n`;
  const buckets = bucketCounts(sample, mode).map(
    ({ bound, interval, total }) => `B${shortNumber(bound)}(${interval},${total})`,
  );
  return `${sample.name}: ${buckets.join(" ")}\n`;
}

function summaryText(sample: HistogramSample): string {
  const totals = percentilesOf(sample.buckets);
  if (totals === null) return "No recorded values";
  const interval = intervalPercentiles(sample);
  return PERCENTILES.map(
    (percent, i) => `P${percent}(${interval?.[i] ?? "nan"},${totals[i] ?? "nan"})`,
  ).join(" ");
}

function intervalPercentiles(sample: HistogramSample): readonly number[] | null {
  return sample.intervalBuckets === null ? null : percentilesOf(sample.intervalBuckets);
}

function bucketCounts(
  sample: HistogramSample,
  mode: "cumulative" | "disjoint",
): readonly BucketCounts[] {
  const totals = cumulativeCounts(sample.buckets);
  const intervals = sample.intervalBuckets === null ? [] : cumulativeCounts(sample.intervalBuckets);
  const at = (counts: readonly number[], i: number): number =>
    (counts[i] ?? 0) - (mode === "disjoint" ? (counts[i - 1] ?? 0) : 0);
  return DEFAULT_BOUNDS.map((bound, i) => ({
    bound,
    interval: at(intervals, i),
    total: at(totals, i),
  }));
}

interface Range {
  readonly lower_bound: number;
  readonly width: number;
  readonly count: number;
}

/** The buckets that hold something. */
function ranges(buckets: Float64Array | null): readonly Range[] {
  const found: Range[] = [];
  for (const [bucket, count] of (buckets ?? []).entries()) {
    if (count === 0) continue;
    const lower = lowerBound(bucket);
    const width = Number((upperBound(bucket) - lower).toPrecision(6));
    found.push({ lower_bound: lower, width, count });
  }
  return found;
}

function rangesText(buckets: Float64Array | null): string {
  return ranges(buckets)
    .map((range) => `${shortNumber(range.lower_bound)},${shortNumber(range.width)}:${range.count}`)
    .join(", ");
}

function histogramsJson(samples: readonly HistogramSample[], mode: HistogramMode): object {
  if (mode === "cumulative" || mode === "disjoint") {
    return samples.map((sample) => ({
      name: sample.name,
      buckets: bucketCounts(sample, mode).map(({ bound, interval, total }) => ({
        upper_bound: bound,
        interval,
        cumulative: total,
      })),
    }));
  }
  if (mode === "detailed") {
    return {
      supported_percentiles: PERCENTILES,
      details: samples.map((sample) => ({
        name: sample.name,
        totals: ranges(sample.buckets),
        intervals: ranges(sample.intervalBuckets),
        percentiles: percentilesJson(sample),
      })),
    };
  }
  return {
    supported_quantiles: PERCENTILES,
    computed_quantiles: samples.map((sample) => ({
      name: sample.name,
      values: percentilesJson(sample),
    })),
  };
}

function percentilesJson(sample: HistogramSample): readonly object[] {
  const totals = percentilesOf(sample.buckets);
  const interval = intervalPercentiles(sample);
  return PERCENTILES.map((_, i) => ({
    cumulative: totals?.[i] ?? null,
    interval: interval?.[i] ?? null,
  }));
}
