import assert from "node:assert/strict";
import { test } from "node:test";
import { AssertionError } from "../../../src/base/assert.ts";
import type { BodyChunk } from "../../../src/shm/body-chunk.ts";
import { BodySlab, type SlabLease } from "../../../src/shm/body-slab.ts";
import { BODY_SLAB_LAYOUT, SLAB_CHUNKS } from "../../../src/shm/body-slab-layout.ts";
import { attachRegion } from "../../../src/shm/layout.ts";
import { prng } from "../../harness/prng.ts";

const MIB = 1_048_576;

test("a slab is a region with magic, version and layout that others can attach to", () => {
  const slab = new BodySlab(4 * MIB);
  const region = slab.regions[0] as SharedArrayBuffer;
  assert.equal(attachRegion(BODY_SLAB_LAYOUT, region), region);
});

test("chunks are 64 KiB of shared memory that do not overlap", () => {
  const slab = new BodySlab(4 * MIB);
  const leases = Array.from({ length: SLAB_CHUNKS - 1 }, () => slab.lease());
  const offsets = new Set(leases.map((lease) => lease.bytes.byteOffset));
  offsets.add(slab.window.byteOffset);
  assert.equal(offsets.size, SLAB_CHUNKS);
  for (const { bytes } of leases) {
    assert.equal(bytes.byteLength, 65_536);
    assert.ok(bytes.buffer instanceof SharedArrayBuffer);
    assert.equal((bytes.byteOffset - slab.window.byteOffset) % 65_536, 0);
  }
});

test("a chunk is free again when the lessee and the last view have let it go", () => {
  const slab = new BodySlab(4 * MIB);
  const before = slab.leasedCount;
  const lease = slab.lease();
  lease.bytes.write("hello");
  const first = lease.view(0, 2);
  const second = lease.view(2, 5);
  assert.equal(Buffer.from(second.bytes).toString(), "llo");
  assert.equal(second.slot, lease.slot);
  first.retain();
  first.release();
  lease.release();
  first.release();
  assert.equal(slab.leasedCount, before + 1);
  second.release();
  assert.equal(slab.leasedCount, before);
  assert.equal(slab.lease(), lease);
});

test("misuse of a lease is a programmer's error", () => {
  const slab = new BodySlab(4 * MIB);
  const lease = slab.lease();
  lease.release();
  assert.throws(() => lease.release(), AssertionError);
  assert.throws(() => lease.view(0, 1), AssertionError);
});

test("more slabs are made on demand, and beyond the cap chunks are heap memory", () => {
  const slab = new BodySlab(8 * MIB);
  const leases = Array.from({ length: 2 * SLAB_CHUNKS - 1 }, () => slab.lease());
  assert.equal(slab.regions.length, 2);
  assert.equal(slab.heapLeaseCount, 0);
  const heap = slab.lease();
  assert.equal(heap.slot, -1);
  assert.ok(heap.bytes.buffer instanceof ArrayBuffer);
  assert.equal(heap.bytes.byteLength, 65_536);
  assert.equal(slab.heapLeaseCount, 1);
  heap.view(0, 1).release();
  heap.release();
  for (const lease of leases) lease.release();
  assert.equal(slab.leasedCount, 1);
  assert.notEqual(slab.lease().slot, -1);
});

test("the counters in shared memory follow the leases", () => {
  const slab = new BodySlab(4 * MIB);
  const { leased } = BODY_SLAB_LAYOUT.fields;
  const words = new Uint32Array(slab.regions[0] as SharedArrayBuffer, leased.offset, 2);
  const leases = [slab.lease(), slab.lease()];
  assert.deepEqual([...words], [3, 3]);
  for (const lease of leases) lease.release();
  assert.deepEqual([...words], [1, 3]);
});

test("after a million streams no chunk is lost and none is leased twice", () => {
  const slab = new BodySlab(8 * MIB);
  const random = prng(8);
  /** Streams that are open: their chunk, and a view that somebody kept longer. */
  const open: {
    readonly lease: SlabLease;
    readonly kept: BodyChunk | null;
    readonly mark: number;
  }[] = [];
  const busy = new Set<number>();
  for (let stream = 0; stream < 1_000_000; stream++) {
    const lease = slab.lease();
    if (lease.slot >= 0) {
      assert.ok(!busy.has(lease.slot));
      busy.add(lease.slot);
    }
    lease.bytes.writeUInt32LE(stream, 0);
    const view = lease.view(0, 4);
    if (random() < 0.3) view.retain();
    else view.release();
    open.push({ lease, kept: view.references > 0 ? view : null, mark: stream });
    while (open.length > random() * 60) {
      const [ended] = open.splice(Math.floor(random() * open.length), 1);
      if (ended === undefined) break;
      assert.equal(ended.lease.bytes.readUInt32LE(0), ended.mark);
      if (ended.lease.slot >= 0) busy.delete(ended.lease.slot);
      ended.lease.release();
      while ((ended.kept?.references ?? 0) > 0) ended.kept?.release();
    }
  }
  for (const { lease, kept } of open) {
    lease.release();
    while ((kept?.references ?? 0) > 0) kept?.release();
  }
  assert.equal(slab.leasedCount, 1, "the shared window alone");
  const { leased } = BODY_SLAB_LAYOUT.fields;
  const counts = slab.regions.map((region) => new Uint32Array(region, leased.offset, 1)[0] ?? -1);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    1,
  );
});
