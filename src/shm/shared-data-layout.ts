/**
 * Layout of the region of shared data: a hash table whose buckets head chains of entries, and the
 * heap the entries lie in. The number of buckets follows the cap, so the table is never rehashed.
 *
 *   entry, in a heap block:
 *   byte 0      4      8     12      16        20         24       32    then at a multiple of 8
 *        +------+------+-----+-------+----------+-----------+--------+-----+-----+-------+
 *        | next | hash | cas | space | keyBytes | valueBytes| expiry | key | pad | value |
 *        +------+------+-----+-------+----------+-----------+--------+-----+-----+-------+
 *   next = reference of the next entry of the bucket; space = namespace | flags;
 *   expiry = Float64, milliseconds since the Unix epoch, 0 = never
 *
 * Ordering. An entry is written whole before one store of the link that leads to it publishes it,
 * and its bytes never change afterwards but for the expiry, the flags, and the 8-byte counter of
 * `add`, each one store. So a thread killed anywhere leaves the old entry or the new one, never a
 * mixture, and readers hold the lock of the stripe.
 */

import { heapFields, heapPages, SHAPE, STRIPES } from "./heap-layout.ts";
import { attachRegion, CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

/** Words of an entry's header. */
export const ENTRY = {
  next: 0,
  hash: 1,
  cas: 2,
  space: 3,
  keyBytes: 4,
  valueBytes: 5,
  expiry: 6,
  headerBytes: 32,
} as const;

/** Namespaces that Granary itself uses: names of namespaces, and of queues. */
export const INTERNAL_SPACE = { spaces: 0, queues: 1, count: 2 } as const;

/** One bucket for so many bytes of the cap: twice the smallest entry. */
const BYTES_PER_BUCKET = 128;

/** @param pages of the heap, with the unused first one */
function layoutOf(pages: number, buckets: number) {
  return defineLayout({
    name: "shared data",
    magic: "GRNd",
    version: 1,
    fields: {
      ...heapFields(pages),
      hashKey: {
        type: "u32",
        count: 2,
        unit: "bits",
        writer: "creator",
        note: "secret of the hash, random",
        align: CACHE_LINE_BYTES,
      },
      casCounter: {
        type: "i32",
        count: 1,
        unit: "CAS number",
        writer: "any, by Atomics",
        note: "last CAS number given out, 0 is skipped; of all namespaces",
        align: CACHE_LINE_BYTES,
      },
      names: {
        type: "i32",
        count: INTERNAL_SPACE.count,
        unit: "identity",
        writer: "any, by Atomics",
        note: "last number given to a namespace, to a queue",
        align: CACHE_LINE_BYTES,
      },
      buckets: {
        type: "i32",
        count: buckets,
        unit: "reference",
        writer: "holder of the stripe's lock, by Atomics",
        note: "first entry of the chain; bucket b belongs to stripe b modulo 32",
        align: CACHE_LINE_BYTES,
      },
    },
  });
}

export type SharedDataLayout = ReturnType<typeof layoutOf>;

export function sharedDataLayout(capBytes: number): SharedDataLayout {
  const wanted = Math.max(STRIPES, capBytes / BYTES_PER_BUCKET);
  return layoutOf(heapPages(capBytes), 2 ** Math.ceil(Math.log2(wanted)));
}

/**
 * A region for at most `capBytes` of entries; memory comes as it is touched. Thread: main.
 * @param random uniform in [0, 1); the hash key comes from it
 */
export function createSharedDataRegion(capBytes: number, random: () => number): SharedArrayBuffer {
  const layout = sharedDataLayout(capBytes);
  const region = createRegion(layout);
  const { shape, hashKey, names, buckets } = layout.fields;
  const sizes = new Int32Array(region, shape.offset, SHAPE.words);
  sizes[SHAPE.pages] = heapPages(capBytes);
  sizes[SHAPE.buckets] = buckets.count;
  const key = new Uint32Array(region, hashKey.offset, 2);
  key[0] = Math.floor(random() * 2 ** 32);
  key[1] = Math.floor(random() * 2 ** 32);
  new Int32Array(region, names.offset, INTERNAL_SPACE.count).fill(INTERNAL_SPACE.count - 1);
  return region;
}

/** Asserts that `region` is one of shared data and returns its layout. Thread: any. */
export function attachSharedData(region: SharedArrayBuffer): SharedDataLayout {
  // The shape stands at the same place in every layout of this kind.
  const { offset } = layoutOf(1, STRIPES).fields.shape;
  const sizes = new Int32Array(region, offset, SHAPE.words);
  const layout = layoutOf(sizes[SHAPE.pages] ?? 0, sizes[SHAPE.buckets] ?? 0);
  attachRegion(layout, region);
  return layout;
}
