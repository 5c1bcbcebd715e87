/**
 * Layout of one slab of body chunks. The owning silo creates it, is the only one to write its words
 * and decides who writes a chunk's bytes; other threads read.
 */
import { LIMITS } from "../base/limits.ts";
import { CACHE_LINE_BYTES, defineLayout } from "./layout.ts";

/** Chunks of one slab: 4 MiB of address space, of which only touched pages take memory. */
export const SLAB_CHUNKS = 64;
const PAGE_BYTES = 4_096;

export const BODY_SLAB_LAYOUT = defineLayout({
  name: "body slab",
  magic: "GRNb",
  version: 1,
  fields: {
    leased: {
      type: "u32",
      count: 1,
      unit: "chunks",
      writer: "silo",
      note: "chunks of this slab that are in use; plain stores, a reader may see an old value",
      align: CACHE_LINE_BYTES,
    },
    leasedPeak: {
      type: "u32",
      count: 1,
      unit: "chunks",
      writer: "silo",
      note: "most chunks that were in use at one time",
    },
    chunks: {
      type: "u8",
      count: SLAB_CHUNKS * LIMITS.bodyChunkBytes,
      unit: "bytes",
      writer: "kernel, into a chunk that its silo has leased for reading",
      note: "chunk n begins at n times 64 KiB; a range that is viewed is never written",
      align: PAGE_BYTES,
    },
  },
});
