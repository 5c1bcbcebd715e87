/**
 * The fields that every region with a striped heap has: locks, one row of words per stripe, and
 * pages of 16 KiB that stripes claim one by one. Address space for all pages is there from the
 * start and memory comes with the first touch, so a heap grows up to its cap and nobody waits for
 * it to grow.
 *
 *   reference = offset from `pages` in units of 32 bytes; 0 = none (page 0 is never given out)
 *
 *   pageOwners word:  0 = free, else (stripe + 1) << 8 | class, class 0..14 as in CLASS_BYTES,
 *                     LARGE_HEAD or LARGE_TAIL
 */
import { CACHE_LINE_BYTES, type FieldRow } from "./layout.ts";

export const STRIPES = 32;
export const LOCK_STRIDE = 16;
export const HEAP_PAGE_BYTES = 16_384;
export const UNIT_BYTES = 32;
export const PAGE_UNITS = HEAP_PAGE_BYTES / UNIT_BYTES;

/** Sizes of small blocks, multiples of UNIT_BYTES; bigger ones take whole pages. */
export const CLASS_BYTES = [
  64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 3_072, 4_096, 5_440, 8_192,
] as const;
export const LARGE_HEAD = CLASS_BYTES.length;
export const LARGE_TAIL = LARGE_HEAD + 1;

/** Words of a stripe. Whoever holds its lock writes them. */
export const STRIPE = {
  /** Entries of a table, items of queues. */
  entries: 0,
  /** Units of 32 bytes in blocks that are in use. */
  units: 1,
  /** Where the search for what can go stands. */
  hand: 2,
  evicted: 3,
  expired: 4,
  refused: 5,
  repaired: 6,
  /** Entries that have an expiry. */
  timed: 7,
  /** By class: the first page with room, 0 = none. */
  partial: 8,
  words: 32,
} as const;

/** Words of a page. Whoever holds the lock of the stripe that owns the page writes them. */
export const PAGE = {
  /** First free block: its index + 1, 0 = none. A free block's first word is the next. */
  free: 0,
  /** Blocks in use; of a large run its pages. */
  used: 1,
  next: 2,
  previous: 3,
  /** Blocks from this index on were never in use. */
  fresh: 4,
  words: 8,
} as const;

/** Words of `shape`, by index. */
export const SHAPE = { pages: 0, buckets: 1, words: 16 } as const;

const UNDER_LOCK = "holder of the stripe's lock";

/** @param capBytes of pages, rounded up to whole ones */
export function heapPages(capBytes: number): number {
  return 1 + Math.ceil(capBytes / HEAP_PAGE_BYTES);
}

/** Rows for {@link defineLayout}; other fields may follow. */
export function heapFields(pages: number) {
  return {
    shape: {
      type: "i32",
      count: SHAPE.words,
      unit: "pages, buckets",
      writer: "creator",
      note: "sizes of the variable fields: who attaches reads them first",
      align: CACHE_LINE_BYTES,
    },
    pageHint: {
      type: "i32",
      count: 16,
      unit: "page",
      writer: "any, by Atomics",
      note: "where the next search for free pages begins; only a hint",
      align: CACHE_LINE_BYTES,
    },
    busy: {
      type: "i32",
      count: 16,
      unit: "operations",
      writer: "any, by Atomics",
      note: "operations given up because a living thread kept the lock",
      align: CACHE_LINE_BYTES,
    },
    locks: {
      type: "i32",
      count: STRIPES * LOCK_STRIDE,
      unit: "owner | sleepers << 16",
      writer: "who takes or gives the lock, by Atomics",
      note: "one lock per stripe, each on its own line",
      align: CACHE_LINE_BYTES,
    },
    stripes: {
      type: "i32",
      count: STRIPES * STRIPE.words,
      unit: "words, see STRIPE",
      writer: UNDER_LOCK,
      note: "counts of each stripe and its pages with room",
      align: CACHE_LINE_BYTES,
    },
    pageOwners: {
      type: "i32",
      count: pages,
      unit: "(stripe + 1) << 8 | class",
      writer: "who claims or frees the page, by Atomics",
      note: "claimed by compareExchange from 0",
      align: CACHE_LINE_BYTES,
    },
    pageInfo: {
      type: "i32",
      count: pages * PAGE.words,
      unit: "words, see PAGE",
      writer: UNDER_LOCK,
      note: "free blocks and place in the list of pages with room",
      align: CACHE_LINE_BYTES,
    },
    pages: {
      type: "u8",
      count: pages * HEAP_PAGE_BYTES,
      unit: "bytes",
      writer: UNDER_LOCK,
      note: "blocks; page 0 is never used, so that reference 0 means none",
      align: CACHE_LINE_BYTES,
    },
  } as const satisfies Readonly<Record<string, FieldRow>>;
}
