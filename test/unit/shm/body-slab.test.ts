import assert from "node:assert/strict";
import { test } from "node:test";
import { AssertionError } from "../../../src/base/assert.ts";
import { BodySlab, type SlabLease } from "../../../src/shm/body-slab.ts";
import { attachBodySlab, createBodySlab } from "../../../src/shm/body-slab-layout.ts";
import { ChunkHolder } from "../../../src/shm/chunk-holder.ts";

const CHUNK = 65_536;

/** A slab with its window and `count` chunks to lease. */
function slabOf(count: number): BodySlab {
  return new BodySlab(createBodySlab((1 + count) * CHUNK));
}

function leaseAll(slab: BodySlab, count: number): SlabLease[] {
  return Array.from({ length: count }, () => slab.lease());
}

test("a slab is a region with magic, version and layout that others can attach to", () => {
  const region = createBodySlab(4 * CHUNK);
  assert.equal(attachBodySlab(region).fields.holds.count, 4);
  assert.throws(() => attachBodySlab(new SharedArrayBuffer(region.byteLength)), AssertionError);
});

test("chunks are 64 KiB of shared memory that do not overlap", () => {
  const slab = slabOf(63);
  const leases = leaseAll(slab, 63);
  const offsets = new Set(leases.map((lease) => lease.bytes.byteOffset));
  offsets.add(slab.window.byteOffset);
  assert.equal(offsets.size, 64);
  for (const { bytes } of leases) {
    assert.equal(bytes.byteLength, CHUNK);
    assert.equal(bytes.buffer, slab.region);
    assert.equal((bytes.byteOffset - slab.window.byteOffset) % CHUNK, 0);
  }
});

test("a chunk is free again when the lessee and the last view have let it go", () => {
  const slab = slabOf(8);
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
  const lease = slabOf(8).lease();
  lease.release();
  assert.throws(() => lease.release(), AssertionError);
  assert.throws(() => lease.view(0, 1), AssertionError);
  assert.throws(() => lease.hold(), AssertionError);
});

test("beyond the region chunks are heap memory, which no other thread can hold", () => {
  const slab = slabOf(10);
  const leases = leaseAll(slab, 10);
  assert.equal(slab.heapLeaseCount, 0);
  const heap = slab.lease();
  assert.equal(heap.slot, -1);
  assert.ok(heap.bytes.buffer instanceof ArrayBuffer);
  assert.equal(heap.bytes.byteLength, CHUNK);
  assert.equal(slab.heapLeaseCount, 1);
  const view = heap.view(0, 1);
  assert.equal(view.hold(), false);
  view.release();
  heap.release();
  for (const lease of leases) lease.release();
  assert.equal(slab.leasedCount, 1);
  assert.notEqual(slab.lease().slot, -1);
});

test("the counters in shared memory follow the leases", () => {
  const slab = slabOf(8);
  const { leased } = attachBodySlab(slab.region).fields;
  const words = new Uint32Array(slab.region, leased.offset, 2);
  const leases = leaseAll(slab, 2);
  assert.deepEqual([...words], [3, 3]);
  for (const lease of leases) lease.release();
  assert.deepEqual([...words], [1, 3]);
});

test("another thread finds the bytes by their offset, and sees and changes the counts", () => {
  const slab = slabOf(8);
  const holder = new ChunkHolder(slab.region);
  const lease = slab.lease();
  lease.bytes.write("hello");
  const view = lease.view(1, 4);
  assert.equal(view.hold(), true);
  assert.equal(holder.bytes(view.offset, 3).toString(), "ell");
  assert.deepEqual(holder.references(view.offset), { owner: 2, holders: 1 });
  holder.retain(view.offset);
  view.release();
  lease.release();
  assert.deepEqual(holder.references(view.offset), { owner: 0, holders: 2 });
  holder.release(view.offset);
  holder.release(view.offset);
  assert.throws(() => holder.release(view.offset), AssertionError);
  assert.throws(() => holder.bytes(view.offset, 3), AssertionError);
  assert.throws(() => holder.references(0), AssertionError);
});

test("a chunk that another thread holds is not leased again until it lets go", () => {
  const slab = slabOf(2);
  const holder = new ChunkHolder(slab.region);
  const [held, other] = leaseAll(slab, 2) as [SlabLease, SlabLease];
  const view = held.view(0, 8);
  view.hold();
  view.release();
  assert.equal(held.isViewed, true, "a read may not go there");
  held.release();
  assert.deepEqual([slab.leasedCount, slab.heldCount], [3, 1]);
  assert.equal(slab.lease().slot, -1);
  other.release();
  assert.equal(slab.lease(), other);
  holder.release(view.offset);
  assert.equal(slab.lease(), held);
  assert.equal(held.isViewed, false);
});

test("a successor of a dead owner has every chunk but those that others still hold", () => {
  const slab = slabOf(8);
  const holder = new ChunkHolder(slab.region);
  const leases = leaseAll(slab, 5);
  leases[3]?.bytes.write("kept");
  leases[3]?.hold();
  const offset = leases[3]?.bytes.byteOffset ?? 0;
  const successor = new BodySlab(slab.region);
  assert.deepEqual([successor.leasedCount, successor.heldCount], [2, 1]);
  for (const lease of leaseAll(successor, 7)) lease.bytes.fill(0xff);
  assert.deepEqual([successor.leasedCount, successor.heapLeaseCount], [9, 0]);
  assert.equal(holder.bytes(offset, 4).toString(), "kept");
  holder.release(offset);
  assert.equal(successor.lease().bytes.byteOffset, offset);
});
