import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BUCKET_BOUNDS, BUCKET_COUNT, bucketOf } from "../../../src/shm/metric-buckets.ts";

const bound = (bucket: number): number => BUCKET_BOUNDS[bucket] ?? Number.NaN;

test("bounds ascend from 0 to infinity", () => {
  assert.equal(BUCKET_BOUNDS.length, BUCKET_COUNT);
  assert.equal(bound(0), 0);
  assert.equal(bound(BUCKET_COUNT - 1), Number.POSITIVE_INFINITY);
  for (let i = 1; i < BUCKET_COUNT; i++) assert.ok(bound(i) > bound(i - 1), String(i));
});

test("a bound from 0.01 up lies in its own bucket, and what is above it in the next", () => {
  for (let i = 2; i < BUCKET_COUNT - 1; i++) {
    if (bound(i) >= 1) assert.equal(bucketOf(bound(i)), i, String(bound(i)));
    assert.equal(bucketOf(bound(i) * 1.0001), i + 1, `above ${bound(i)}`);
  }
});

test("every value lies above the bound before its bucket and not above its own", () => {
  // A bound below 1 has no exact binary form: values next to it may go either way.
  const slack = 1e-12;
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), (value) => {
      const bucket = bucketOf(value);
      assert.ok(value <= bound(bucket) * (1 + slack));
      if (bucket > 0) assert.ok(value > bound(bucket - 1) * (1 - slack));
    }),
    { seed: 11, numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (value) => {
      const bucket = bucketOf(value);
      assert.ok(value <= bound(bucket) && value > bound(bucket - 1));
    }),
    { seed: 12, numRuns: 3000 },
  );
});

test("a bucket is at most a seventh wider than it begins", () => {
  for (let i = 2; i < BUCKET_COUNT - 1; i++) {
    assert.ok(bound(i) / bound(i - 1) <= 1 + 1 / 7, `${bound(i - 1)}..${bound(i)}`);
  }
});

test("what is no positive number goes to the first bucket, what is huge to the last", () => {
  for (const value of [0, -1, Number.NaN, Number.NEGATIVE_INFINITY])
    assert.equal(bucketOf(value), 0);
  for (const value of [1.1e11, Number.MAX_VALUE, Number.POSITIVE_INFINITY]) {
    assert.equal(bucketOf(value), BUCKET_COUNT - 1);
  }
});
