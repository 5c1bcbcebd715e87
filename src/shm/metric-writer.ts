/**
 * The writing side of a metric region: defines metrics and hands out their slots. One per region,
 * on the thread that owns it. A writer may take over the region of a thread that has ended:
 * definitions, counters and histograms go on where they stood, gauges of what died with the thread
 * return to 0.
 */
import { LIMITS } from "../base/limits.ts";
import { attachRegion } from "./layout.ts";
import { BUCKET_COUNT } from "./metric-buckets.ts";
import {
  DEFINITION_HEADER_BYTES,
  METRIC_DEFINITION_BYTES,
  METRIC_KINDS,
  METRIC_LAYOUT,
  METRIC_SLOTS,
  type MetricKind,
  WITHDRAWN_OFFSET,
} from "./metric-layout.ts";
import { MetricReader } from "./metric-reader.ts";

/** Slots a metric takes. A histogram: the sum, then its buckets (their total is its count). */
export const SLOTS_OF_KIND: Readonly<Record<MetricKind, number>> = {
  counter: 1,
  gauge: 1,
  histogram: 1 + BUCKET_COUNT,
  bigCounter: 2,
  bigGauge: 2,
};

interface Place {
  readonly slot: number;
  /** Word of `withdrawn`. */
  readonly state: number;
}

const encoder = new TextEncoder();

export class MetricWriter {
  /** Built-in scalars and histograms, by slot. */
  readonly floats: Float64Array;
  /** The same slots as exact 64-bit integers, for plugins. */
  readonly bigs: BigInt64Array;
  readonly #counts: Int32Array;
  readonly #definitions: Uint8Array;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #placeByKey = new Map<string, Place>();
  #definitionBytesUsed = 0;
  #slotsUsed = 0;

  constructor(region: SharedArrayBuffer) {
    attachRegion(METRIC_LAYOUT, region);
    const { definitionCount, slots, definitions } = METRIC_LAYOUT.fields;
    this.floats = new Float64Array(region, slots.offset, METRIC_SLOTS);
    this.bigs = new BigInt64Array(region, slots.offset, METRIC_SLOTS);
    this.#counts = new Int32Array(region, definitionCount.offset, 2);
    this.#definitions = new Uint8Array(region, definitions.offset, METRIC_DEFINITION_BYTES);
    this.#words = new Int32Array(region, definitions.offset, METRIC_DEFINITION_BYTES >> 2);
    this.#view = new DataView(region, definitions.offset, METRIC_DEFINITION_BYTES);
    this.#takeOver(region);
  }

  /** Cursors are derived from what was published, because the thread before may have been killed
   * between a definition's bytes and its publication. */
  #takeOver(region: SharedArrayBuffer): void {
    const reader = new MetricReader(region);
    reader.refresh();
    for (const { kind, name, slot, state } of reader.all) {
      this.#placeByKey.set(`${kind}:${name}`, { slot, state });
      this.#slotsUsed = Math.max(this.#slotsUsed, slot + SLOTS_OF_KIND[kind]);
      if (kind === "gauge" && !Object.is(this.floats[slot], -0)) this.floats[slot] = 0;
    }
    this.#definitionBytesUsed = reader.definitionBytes;
  }

  /**
   * Defines a metric, or finds the one defined before under the same kind and name. One that was
   * withdrawn begins again at 0.
   * @returns its first slot, or -1 when the region is full or the name too long (counted).
   */
  define(kind: MetricKind, name: string): number {
    const key = `${kind}:${name}`;
    const known = this.#placeByKey.get(key);
    if (known !== undefined) {
      Atomics.store(this.#words, known.state, 0);
      return known.slot;
    }
    const bytes = encoder.encode(name);
    const recordBytes = (DEFINITION_HEADER_BYTES + bytes.byteLength + 3) & ~3;
    const slot = this.#slotsUsed;
    if (
      bytes.byteLength > LIMITS.metricNameBytes ||
      slot + SLOTS_OF_KIND[kind] > METRIC_SLOTS ||
      this.#definitionBytesUsed + recordBytes > METRIC_DEFINITION_BYTES
    ) {
      this.#counts[1] = (this.#counts[1] ?? 0) + 1;
      return -1;
    }
    this.#clear(kind, slot);
    const at = this.#definitionBytesUsed;
    this.#view.setUint16(at, METRIC_KINDS.indexOf(kind), true);
    this.#view.setUint16(at + 2, bytes.byteLength, true);
    this.#view.setUint32(at + 4, slot, true);
    this.#definitions.set(bytes, at + DEFINITION_HEADER_BYTES);
    this.#definitionBytesUsed += recordBytes;
    this.#slotsUsed += SLOTS_OF_KIND[kind];
    const state = (at + WITHDRAWN_OFFSET) >> 2;
    this.#words[state] = 0;
    this.#placeByKey.set(key, { slot, state });
    // Publishes bytes and slots to MetricReader.refresh, which loads this count first.
    Atomics.store(this.#counts, 0, (this.#counts[0] ?? 0) + 1);
    return slot;
  }

  /** Readers do not see the metric any more, until it is defined again. */
  withdraw(kind: MetricKind, name: string): void {
    const place = this.#placeByKey.get(`${kind}:${name}`);
    if (place === undefined) return;
    Atomics.store(this.#words, place.state, 1);
    this.#clear(kind, place.slot);
  }

  #clear(kind: MetricKind, slot: number): void {
    const initial = kind === "counter" || kind === "gauge" ? -0 : 0;
    this.floats.fill(initial, slot, slot + SLOTS_OF_KIND[kind]);
  }

  /** Definitions refused so far. */
  get refused(): number {
    return this.#counts[1] ?? 0;
  }
}
