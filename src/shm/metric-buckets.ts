/**
 * Log-linear buckets of histograms: 25 to a decade from 0.01 to 10^11, each at most 14 % wide,
 * and inclusive at their upper end as Prometheus' `le` is. Envoy's default bounds (0.5 ...
 * 3,600,000) all are bounds of buckets, so cumulative counts at them are exact. A pure table.
 * @hot per-request
 */

/** Upper ends within a decade, in tenths. */
const MANTISSA_TENTHS = [
  11, 12, 13, 14, 15, 16, 18, 20, 22, 25, 28, 30, 33, 36, 40, 45, 50, 55, 60, 65, 70, 75, 80, 90,
  100,
] as const;
const PER_DECADE = MANTISSA_TENTHS.length;
const EXPONENT_MIN = -2;
const EXPONENT_END = 11;
const DECADES = EXPONENT_END - EXPONENT_MIN;

/** Bucket 0 holds values <= 0, bucket 1 (0, 0.01], the last what is above the last bound. */
export const BUCKET_COUNT = 2 + DECADES * PER_DECADE + 1;

/**
 * A value of decade d (index 0: [0.01, 0.1)) times the one and divided by the other is its mantissa
 * in tenths. Two factors, because only powers of ten from 1 up are exact.
 */
const TENTHS_FACTOR = Float64Array.from({ length: DECADES }, (_, d) =>
  Math.max(1, 10 ** (1 - EXPONENT_MIN - d)),
);
const TENTHS_DIVISOR = Float64Array.from({ length: DECADES }, (_, d) =>
  Math.max(1, 10 ** (EXPONENT_MIN + d - 1)),
);
const DECADE_TOP = Float64Array.from({ length: DECADES }, (_, d) => 10 ** (EXPONENT_MIN + d + 1));
/** Bucket within the decade by tenths rounded up, 10..100. */
const BY_TENTHS = Uint8Array.from({ length: 101 }, (_, tenths) =>
  Math.max(
    0,
    MANTISSA_TENTHS.findIndex((bound) => tenths <= bound),
  ),
);

/** Upper bound of every bucket, inclusive; the first is 0, the last Infinity. */
export const BUCKET_BOUNDS: Float64Array = Float64Array.from({ length: BUCKET_COUNT }, (_, i) => {
  if (i === 0) return 0;
  if (i === 1) return 0.01;
  if (i === BUCKET_COUNT - 1) return Number.POSITIVE_INFINITY;
  const tenths = MANTISSA_TENTHS[(i - 2) % PER_DECADE] ?? 100;
  return Number(`${tenths}e${EXPONENT_MIN - 1 + Math.trunc((i - 2) / PER_DECADE)}`);
});

/** The bucket of `value`. @param value any number; NaN counts as 0. @returns 0..BUCKET_COUNT-1 */
export function bucketOf(value: number): number {
  if (!(value > 0)) return 0;
  if (value <= 0.01) return 1;
  let decade = 0;
  while (decade < DECADES && value > (DECADE_TOP[decade] ?? 0)) decade++;
  if (decade === DECADES) return BUCKET_COUNT - 1;
  const tenths = Math.ceil((value * (TENTHS_FACTOR[decade] ?? 1)) / (TENTHS_DIVISOR[decade] ?? 1));
  return 2 + decade * PER_DECADE + (BY_TENTHS[Math.min(tenths, 100)] ?? 0);
}
