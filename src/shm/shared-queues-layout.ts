/**
 * Layout of the region of shared queues: a row of words per queue, who registered it and for how
 * many items each of them is still to be told, the bells of the threads, and the heap of the items.
 *
 *   item, in a heap block:
 *   byte 0      4           8
 *        +------+-----------+-------+
 *        | next | dataBytes | data  |
 *        +------+-----------+-------+
 *
 * Ordering. An item is written whole before one store links it (to `head`, or to `next` of the last
 * item). Taking the first one out is one store to `head`. So the chain from `head` is the truth at
 * any moment; `tail`, `count` and `bytes` are made anew from it when a holder of the lock died. The
 * item is linked before `ready` counts it, and counted before the bell is rung.
 */

import { LIMITS } from "../base/limits.ts";
import { BELL_STRIDE } from "./bells.ts";
import { HEAP_PAGE_BYTES, heapFields, heapPages, SHAPE } from "./heap-layout.ts";
import { attachRegion, CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

/** Threads that can be told of items. */
export const SEATS = 1_024;

/** Words of a queue. Whoever holds the lock of its stripe (queue modulo 32) writes them. */
export const QUEUE = {
  head: 0,
  tail: 1,
  count: 2,
  bytes: 3,
  /** Registered at least once. */
  exists: 4,
  /** Seat that registered last, plus 1. */
  lastSeat: 5,
  /** Seat that was told last, when all are told in turn. */
  turn: 6,
  /** 0 = tell the last registrant, 1 = each registrant in turn. */
  inTurn: 7,
  /** 0 = a full queue drops its oldest item, 1 = it refuses the new one. */
  refuses: 8,
  /** Items at most; 0 = the default. */
  itemsMax: 9,
  words: 16,
} as const;

export const ITEM = { next: 0, dataBytes: 1, headerBytes: 8 } as const;

/** Queues of the process; number 0 is none. */
export const QUEUE_ROWS = LIMITS.sharedQueuesCount + 1;

function layoutOf(pages: number) {
  return defineLayout({
    name: "shared queues",
    magic: "GRNq",
    version: 1,
    fields: {
      ...heapFields(pages),
      bells: {
        type: "i32",
        count: SEATS * BELL_STRIDE,
        unit: "0 or 1",
        writer: "any, by Atomics",
        note: "one per thread: there are items it is to be told of",
        align: CACHE_LINE_BYTES,
      },
      queues: {
        type: "i32",
        count: QUEUE_ROWS * QUEUE.words,
        unit: "words, see QUEUE",
        writer: "holder of the stripe's lock; head and exists by Atomics",
        note: "by number of the queue, which belongs to the stripe of its number modulo 32",
        align: CACHE_LINE_BYTES,
      },
      registered: {
        type: "i32",
        count: QUEUE_ROWS * SEATS,
        unit: "0 or 1",
        writer: "the thread of the seat and main, by Atomics",
        note: "by queue and seat: a plugin of that thread has registered the queue",
        align: CACHE_LINE_BYTES,
      },
      ready: {
        type: "i32",
        count: QUEUE_ROWS * SEATS,
        unit: "items",
        writer: "any, by Atomics",
        note: "by queue and seat: items that the thread is still to be told of",
        align: CACHE_LINE_BYTES,
      },
    },
  });
}

export type SharedQueuesLayout = ReturnType<typeof layoutOf>;

export function sharedQueuesLayout(capBytes: number): SharedQueuesLayout {
  return layoutOf(heapPages(capBytes));
}

/** A region for at most `capBytes` of items; memory comes as it is touched. Thread: main. */
export function createSharedQueuesRegion(capBytes: number): SharedArrayBuffer {
  const layout = sharedQueuesLayout(capBytes);
  const region = createRegion(layout);
  const sizes = new Int32Array(region, layout.fields.shape.offset, SHAPE.words);
  sizes[SHAPE.pages] = layout.fields.pages.count / HEAP_PAGE_BYTES;
  return region;
}

/** Asserts that `region` is one of shared queues and returns its layout. Thread: any. */
export function attachSharedQueues(region: SharedArrayBuffer): SharedQueuesLayout {
  const { offset } = layoutOf(1).fields.shape;
  const layout = layoutOf(new Int32Array(region, offset, SHAPE.words)[SHAPE.pages] ?? 0);
  attachRegion(layout, region);
  return layout;
}
