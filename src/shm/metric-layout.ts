/**
 * Layout of a metric region: the column of one silo (or of main). One thread writes, any thread
 * reads.
 *
 *   definition, append-only, 4-byte aligned, in `definitions`:
 *   byte 0      2           4          8           12
 *        +------+-----------+----------+-----------+--------------+---------+
 *        | kind | nameBytes | slot     | withdrawn | name (UTF-8) | padding |
 *        | u16  | u16       | u32      | i32, 0/1  |              | to 4    |
 *        +------+-----------+----------+-----------+--------------+---------+
 *
 * Ordering. (1) Definitions: the writer stores the bytes of a definition and the initial values of
 * its slots, then publishes by Atomics.store of `definitionCount`; a reader Atomics.loads the count
 * and looks at no byte beyond it. (2) Slots are written by plain 8-byte stores. They are 8-byte
 * aligned and V8 writes a Float64 or BigInt64 element by one 64-bit store on every 64-bit target,
 * so no reader sees half a value; there is one writer, so no update is lost; a reader may see a
 * value that is a moment old, which a metric allows. A message or the end of the thread orders
 * everything before it, so totals read after either are exact.
 */
import { CACHE_LINE_BYTES, createRegion, defineLayout } from "./layout.ts";

/** Slots of one region: 8 MiB of address space, of which only touched pages take memory. */
export const METRIC_SLOTS = 1_048_576;
/** Where `withdrawn` stands in a definition. */
export const WITHDRAWN_OFFSET = 8;
/** Bytes for definitions: enough for 20,000 names of 200 bytes. */
export const METRIC_DEFINITION_BYTES = 4_194_304;
export const DEFINITION_HEADER_BYTES = 12;

export const METRIC_LAYOUT = defineLayout({
  name: "metrics",
  magic: "GRNm",
  version: 2,
  fields: {
    definitionCount: {
      type: "i32",
      count: 1,
      unit: "definitions",
      writer: "silo",
      note: "published by Atomics after the bytes of the definition",
      align: CACHE_LINE_BYTES,
    },
    refusedCount: {
      type: "i32",
      count: 1,
      unit: "definitions",
      writer: "silo",
      note: "definitions that had no room or too long a name",
    },
    slots: {
      type: "f64",
      count: METRIC_SLOTS,
      unit: "values",
      writer: "silo",
      note: "Float64 of built-in metrics and histograms, BigInt64 of plugin metrics",
      align: CACHE_LINE_BYTES,
    },
    definitions: {
      type: "u8",
      count: METRIC_DEFINITION_BYTES,
      unit: "bytes",
      writer: "silo",
      note: "definitions, one after the other; their `withdrawn` by Atomics",
      align: CACHE_LINE_BYTES,
    },
  },
});

/**
 * What a definition means and how many slots it takes. Scalars of plugins take two: the value and a
 * flag that is 1 once the value was written. A Float64 scalar needs no flag: its slot begins as -0
 * and any write leaves +0 or another number there.
 */
export const METRIC_KINDS = ["counter", "gauge", "histogram", "bigCounter", "bigGauge"] as const;
export type MetricKind = (typeof METRIC_KINDS)[number];

/** A zeroed region for one silo or for main. Thread: main, before the silo starts. */
export function createMetricRegion(): SharedArrayBuffer {
  return createRegion(METRIC_LAYOUT);
}
