/**
 * Layout of a byte ring with one producer and one consumer: records of any length, one after the
 * other, at multiples of 4.
 *
 *   record:  | length u32 | bytes | padding to 4 |      length WRAP: the rest is unused, go on at 0
 *
 * `head` and `tail` count bytes that were ever written and read, modulo 2^32; their difference is
 * what lies in the ring. Each stands on a line of its own, so the two threads do not take the line
 * of the other's counter from each other.
 *
 * Ordering. The producer writes a record, then publishes it by Atomics.store of `head`; the
 * consumer loads `head` before it reads. The consumer is done with bytes before it stores `tail`;
 * the producer loads `tail` before it writes over them.
 *
 * Waking. After publishing, the producer loads `tail`; if the consumer had read everything before,
 * it may sleep and is woken. The consumer stores `tail`, then looks at `head` again before it
 * sleeps. One of the two sees the other's store, so no record is left lying with a sleeping
 * consumer. A producer that waits for room sets `waiting` and sleeps on `tail` in the same way.
 */
import { CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

/** Bytes of a ring: a power of two. */
export const RING_BYTES = 4_194_304;
/** In place of a length: the record begins at 0. */
export const WRAP = 0xffffffff;

export const RING_LAYOUT = defineLayout({
  name: "ring",
  magic: "GRNr",
  version: 1,
  fields: {
    head: {
      type: "i32",
      count: 1,
      unit: "bytes",
      writer: "producer, by Atomics",
      note: "written so far, modulo 2^32",
      align: CACHE_LINE_BYTES,
    },
    waiting: {
      type: "i32",
      count: 1,
      unit: "0 or 1",
      writer: "producer sets, consumer clears, by Atomics",
      note: "the producer sleeps on `tail` until there is room",
      align: CACHE_LINE_BYTES,
    },
    tail: {
      type: "i32",
      count: 1,
      unit: "bytes",
      writer: "consumer, by Atomics",
      note: "read so far, modulo 2^32",
      align: CACHE_LINE_BYTES,
    },
    records: {
      type: "u8",
      count: RING_BYTES,
      unit: "bytes",
      writer: "producer",
      note: "records; those between tail and head are read only",
      align: CACHE_LINE_BYTES,
    },
  },
});

/** Thread: main. */
export function createRing(): SharedArrayBuffer {
  return createRegion(RING_LAYOUT);
}
