import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AssertionError } from "../../../src/base/assert.ts";
import { CLASS_BYTES, HEAP_PAGE_BYTES, STRIPE } from "../../../src/shm/heap-layout.ts";
import { attachSharedData, createSharedDataRegion } from "../../../src/shm/shared-data-layout.ts";
import { StripedHeap } from "../../../src/shm/striped-heap.ts";
import { prng } from "../../harness/prng.ts";

const CAP = 1_048_576;

function newHeap(capBytes = CAP): StripedHeap {
  const region = createSharedDataRegion(capBytes, prng(1));
  return new StripedHeap(region, attachSharedData(region).fields);
}

interface Block {
  readonly stripe: number;
  readonly ref: number;
  readonly size: number;
  readonly mark: number;
}

/** Fills a block; whoever overlaps it destroys the pattern. */
function fill(heap: StripedHeap, block: Block): void {
  const at = heap.wordOf(block.ref) * 4;
  heap.bytes.fill(block.mark & 0xff, at, at + block.size);
}

function check(heap: StripedHeap, block: Block): void {
  const at = heap.wordOf(block.ref) * 4;
  const bytes = heap.bytes.subarray(at, at + block.size);
  assert.ok(
    bytes.every((byte) => byte === (block.mark & 0xff)),
    `block ${block.ref} of ${block.size} bytes was overwritten`,
  );
}

const sizes = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 600 }) },
  { weight: 2, arbitrary: fc.integer({ min: 601, max: 8_193 }) },
  { weight: 1, arbitrary: fc.integer({ min: 8_194, max: 5 * HEAP_PAGE_BYTES }) },
);
const steps = fc.array(
  fc.record({
    stripe: fc.integer({ min: 0, max: 2 }),
    size: sizes,
    /** Above one half a block is freed instead. */
    choice: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  { maxLength: 300 },
);

test("blocks never overlap, and when all are freed no page is left in use", () => {
  const heap = newHeap();
  fc.assert(
    fc.property(steps, (list) => {
      const live: Block[] = [];
      for (const [index, { stripe, size, choice }] of list.entries()) {
        if (choice > 0.5 && live.length > 0) {
          const [block] = live.splice(Math.floor(choice * 997) % live.length, 1);
          if (block === undefined) continue;
          check(heap, block);
          heap.release(block.stripe, block.ref);
          continue;
        }
        const ref = heap.allocate(stripe, size);
        if (ref === 0) continue;
        const block = { stripe, ref, size, mark: index };
        fill(heap, block);
        live.push(block);
      }
      for (const block of live) check(heap, block);
      for (const { stripe, ref } of live) heap.release(stripe, ref);
      assert.equal(heap.pagesInUse(), 0);
      for (let stripe = 0; stripe < 3; stripe++) {
        assert.equal(heap.words[heap.stripeWord(stripe, STRIPE.units)], 0);
      }
    }),
    { seed: 4, numRuns: 60 },
  );
});

test("what a repair may keep stays whole, and everything else can be allocated again", () => {
  fc.assert(
    fc.property(steps, fc.integer(), (list, seed) => {
      const heap = newHeap();
      const random = prng(seed);
      const blocks = list.flatMap(({ stripe, size }, mark) => {
        const ref = heap.allocate(stripe, size);
        return ref === 0 ? [] : [{ stripe, ref, size, mark }];
      });
      for (const block of blocks) fill(heap, block);
      const kept = blocks.filter(() => random() < 0.5);
      const gone = blocks.filter((block) => !kept.includes(block));
      for (let stripe = 0; stripe < 3; stripe++) {
        // A stripe that died in the middle: its lists are anything.
        heap.words.fill(
          random() * 2 ** 31,
          heap.stripeWord(stripe, STRIPE.partial),
          heap.stripeWord(stripe, STRIPE.partial + CLASS_BYTES.length),
        );
        const own = kept.filter((block) => block.stripe === stripe);
        heap.repair(stripe, new Set(own.map(({ ref }) => ref)));
      }
      for (const block of kept) check(heap, block);
      for (const { stripe, size } of gone) assert.notEqual(heap.allocate(stripe, size), 0);
      for (const block of kept) check(heap, block);
    }),
    { seed: 5, numRuns: 25 },
  );
});

test("a full heap answers 0, for small blocks and for runs of pages", () => {
  const heap = newHeap();
  let count = 0;
  while (heap.allocate(count % 32, HEAP_PAGE_BYTES) !== 0) count++;
  assert.equal(count, CAP / HEAP_PAGE_BYTES);
  assert.equal(heap.allocate(0, 64), 0);
  assert.equal(heap.allocate(0, 10 * CAP), 0);
});

test("a block belongs to the stripe that allocated it", () => {
  const heap = newHeap();
  const ref = heap.allocate(3, 100);
  assert.throws(() => heap.release(4, ref), AssertionError);
});

test("every size class fits its pages and every size has the smallest class", () => {
  const heap = newHeap();
  for (const bytes of CLASS_BYTES) {
    assert.equal(bytes % 32, 0);
    const units = heap.words[heap.stripeWord(0, STRIPE.units)] as number;
    const ref = heap.allocate(0, bytes);
    assert.equal((heap.words[heap.stripeWord(0, STRIPE.units)] as number) - units, bytes / 32);
    heap.release(0, ref);
  }
});
