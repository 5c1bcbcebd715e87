/**
 * Layout of what main sees of one silo's thread without asking it.
 *
 * Ordering. `adopted` rises by one for every connection's message, just BEFORE the silo opens the
 * descriptor. When the silo dies, main owns the descriptors of the messages that were not counted:
 * it gives them to another silo. Counting late would close a descriptor twice.
 */
import { attachRegion, CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

export const HEARTBEAT_LAYOUT = defineLayout({
  name: "heartbeat",
  magic: "GRNh",
  version: 1,
  fields: {
    pulse: {
      type: "i32",
      count: 1,
      unit: "beats",
      writer: "silo, by Atomics",
      note: "rises every 500 ms: the supervisor only looks for change",
      align: CACHE_LINE_BYTES,
    },
    adopted: {
      type: "i32",
      count: 1,
      unit: "connections",
      writer: "silo, by Atomics",
      note: "taken from main's messages; what a dead silo did not count goes to another one",
    },
  },
});

/** Thread: main, before the silo starts. */
export function createHeartbeat(): SharedArrayBuffer {
  return createRegion(HEARTBEAT_LAYOUT);
}

/** The words of a heartbeat, to be indexed by HEARTBEAT_WORDS. Thread: main and the silo. */
export function attachHeartbeat(region: SharedArrayBuffer): Int32Array {
  return new Int32Array(attachRegion(HEARTBEAT_LAYOUT, region));
}

export const HEARTBEAT_WORDS = {
  pulse: HEARTBEAT_LAYOUT.fields.pulse.offset >> 2,
  adopted: HEARTBEAT_LAYOUT.fields.adopted.offset >> 2,
} as const;
