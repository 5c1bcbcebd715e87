import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  cumulativeCounts,
  DEFAULT_BOUNDS,
  PERCENTILES,
  percentilesOf,
} from "../../../src/metrics/quantiles.ts";
import { BUCKET_BOUNDS, BUCKET_COUNT, bucketOf } from "../../../src/shm/metric-buckets.ts";

function bucketsOf(values: readonly number[]): Float64Array {
  const buckets = new Float64Array(BUCKET_COUNT);
  for (const value of values) buckets[bucketOf(value)] = (buckets[bucketOf(value)] ?? 0) + 1;
  return buckets;
}

test("Envoy's default bounds all are bounds of buckets", () => {
  const bounds = new Set(BUCKET_BOUNDS);
  for (const bound of DEFAULT_BOUNDS) assert.ok(bounds.has(bound), String(bound));
});

test("cumulative counts are exact at every bound, which counts itself", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4_000_000 }), { maxLength: 200 }), (raw) => {
      const values = [...raw, ...DEFAULT_BOUNDS];
      const counts = cumulativeCounts(bucketsOf(values));
      for (const [i, bound] of DEFAULT_BOUNDS.entries()) {
        assert.equal(counts[i], values.filter((value) => value <= bound).length);
      }
    }),
    { seed: 3, numRuns: 200 },
  );
});

test("percentiles lie within a bucket of the exact ones and ascend", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1 }), (values) => {
      const sorted = [...values].sort((a, b) => a - b);
      const found = percentilesOf(bucketsOf(values)) ?? [];
      assert.equal(found.length, PERCENTILES.length);
      for (const [i, percent] of PERCENTILES.entries()) {
        const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
        const exact = sorted[rank - 1] ?? 0;
        const value = found[i] ?? Number.NaN;
        assert.ok(value >= exact * 0.85 && value <= exact * 1.15, `P${percent} ${value} ${exact}`);
        assert.ok(i === 0 || value >= (found[i - 1] ?? 0));
      }
    }),
    { seed: 4, numRuns: 300 },
  );
});

test("nothing recorded has no percentiles, zeros have zeros, and what is huge stays finite", () => {
  assert.equal(percentilesOf(bucketsOf([])), null);
  assert.deepEqual(new Set(percentilesOf(bucketsOf([0, 0]))), new Set([0]));
  assert.ok((percentilesOf(bucketsOf([1e300])) ?? []).every(Number.isFinite));
});
