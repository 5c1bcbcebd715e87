/**
 * Layout of the region of body chunks of one silo. Address space for all chunks is there from the
 * start and memory comes with the first touch. The silo, their owner, leases chunks, decides who
 * writes their bytes, and frees them; other threads read what they hold.
 *
 *   a chunk's bytes, for another thread:  (slab = index of the silo, offset in the region, length)
 *
 * Two counts per chunk. `references` is the owner's own: plain stores, so that a body that no other
 * thread sees costs no atomic operation. `holds` counts other threads: the owner adds one for
 * whoever it gives the chunk to, a holder may add one for another thread, and each subtracts its
 * own. A chunk is free when both are 0; only the owner looks, and only it makes 0 of `references`.
 *
 * Ordering. The bytes are in the chunk before the owner adds to `holds`, and it adds before it
 * publishes where they lie (in a ring, whose consumer loads `head` first). A holder is done with
 * the bytes before it subtracts; the owner loads `holds` before it lets anything write to the chunk
 * again. A hold outlives the owner's thread: its successor takes `holds` over as they stand and
 * begins with no references. Who is killed while it has a hold keeps it for ever.
 */
import { LIMITS } from "../base/limits.ts";
import { attachRegion, CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

const CHUNK_BYTES = LIMITS.bodyChunkBytes;
const PAGE_BYTES = 4_096;
/** The window and one to lease. */
const CHUNKS_MIN = 2;

function layoutOf(chunks: number) {
  return defineLayout({
    name: "body slab",
    magic: "GRNb",
    version: 2,
    fields: {
      shape: {
        type: "u32",
        count: 1,
        unit: "chunks",
        writer: "creator",
        note: "size of the variable fields: who attaches reads it first",
        align: CACHE_LINE_BYTES,
      },
      leased: {
        type: "u32",
        count: 1,
        unit: "chunks",
        writer: "silo",
        note: "chunks that are in use; plain stores, a reader may see an old value",
        align: CACHE_LINE_BYTES,
      },
      leasedPeak: {
        type: "u32",
        count: 1,
        unit: "chunks",
        writer: "silo",
        note: "most chunks that were in use at one time",
      },
      references: {
        type: "i32",
        count: chunks,
        unit: "references",
        writer: "silo",
        note: "by chunk, of its silo's thread; plain stores, a reader may see an old value",
        align: CACHE_LINE_BYTES,
      },
      holds: {
        type: "i32",
        count: chunks,
        unit: "references",
        writer: "the silo and holders add, holders subtract, by Atomics",
        note: "by chunk, of other threads",
        align: CACHE_LINE_BYTES,
      },
      chunks: {
        type: "u8",
        count: chunks * CHUNK_BYTES,
        unit: "bytes",
        writer: "kernel, into a chunk that its silo has leased for reading",
        note: "chunk n begins at n times 64 KiB; a range that is viewed or held is never written",
        align: PAGE_BYTES,
      },
    },
  });
}

export type BodySlabLayout = ReturnType<typeof layoutOf>;

/** @param bytesMax of chunks, rounded down to whole ones */
export function bodySlabLayout(bytesMax: number): BodySlabLayout {
  return layoutOf(Math.max(CHUNKS_MIN, Math.floor(bytesMax / CHUNK_BYTES)));
}

/** A region for at most `bytesMax` of body bytes. Thread: main. */
export function createBodySlab(bytesMax: number): SharedArrayBuffer {
  const layout = bodySlabLayout(bytesMax);
  const region = createRegion(layout);
  const { shape, references } = layout.fields;
  new Uint32Array(region, shape.offset, 1)[0] = references.count;
  return region;
}

/** Asserts that `region` is one of body chunks and returns its layout. Thread: any. */
export function attachBodySlab(region: SharedArrayBuffer): BodySlabLayout {
  const { offset } = layoutOf(CHUNKS_MIN).fields.shape;
  const layout = layoutOf(new Uint32Array(region, offset, 1)[0] ?? 0);
  attachRegion(layout, region);
  return layout;
}
