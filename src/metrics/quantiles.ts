/**
 * Percentiles and counts under given bounds, from the buckets of one histogram. Pure functions of
 * the reader's side.
 */
import { BUCKET_BOUNDS, BUCKET_COUNT } from "../shm/metric-buckets.ts";

/** Percentiles that `/stats` shows. Source: Envoy, supported quantiles. */
export const PERCENTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100] as const;

/** Envoy's default bounds, for Prometheus and `histogram_buckets`. All are bounds of buckets. */
export const DEFAULT_BOUNDS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
  600_000, 1_800_000, 3_600_000,
] as const;

/** Lower end of a bucket, exclusive but for the first. */
export function lowerBound(bucket: number): number {
  return bucket === 0 ? 0 : (BUCKET_BOUNDS[bucket - 1] ?? 0);
}

/** Upper end of a bucket, inclusive; the last bucket has no end and answers its beginning. */
export function upperBound(bucket: number): number {
  return bucket >= BUCKET_COUNT - 1 ? lowerBound(bucket) : (BUCKET_BOUNDS[bucket] ?? 0);
}

/** Values at PERCENTILES, interpolated inside the buckets; null when nothing was recorded. */
export function percentilesOf(buckets: Float64Array): readonly number[] | null {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  return PERCENTILES.map((percent) => valueAt(buckets, (total * percent) / 100));
}

function valueAt(buckets: Float64Array, rank: number): number {
  let below = 0;
  let last = 0;
  for (let bucket = 0; bucket < buckets.length; bucket++) {
    const count = buckets[bucket] ?? 0;
    if (count === 0) continue;
    last = bucket;
    if (below + count >= rank) {
      const share = Math.max(0, rank - below) / count;
      return lowerBound(bucket) + (upperBound(bucket) - lowerBound(bucket)) * share;
    }
    below += count;
  }
  return upperBound(last);
}

/** How many values were <= each of `bounds`, which ascend. */
export function cumulativeCounts(
  buckets: Float64Array,
  bounds: readonly number[] = DEFAULT_BOUNDS,
): readonly number[] {
  const counts: number[] = [];
  let bucket = 0;
  let sum = 0;
  for (const bound of bounds) {
    while (bucket < buckets.length && (BUCKET_BOUNDS[bucket] ?? 0) <= bound) {
      sum += buckets[bucket] ?? 0;
      bucket++;
    }
    counts.push(sum);
  }
  return counts;
}
