/**
 * Reads all columns and sums them by name: what `/stats` and Prometheus show. Lives on main, which
 * never writes another thread's column: resetting counters and intervals of histograms are
 * baselines that the reader keeps.
 */
import { BUCKET_COUNT } from "../shm/metric-buckets.ts";
import type { MetricKind } from "../shm/metric-layout.ts";
import { type MetricDefinition, MetricReader } from "../shm/metric-reader.ts";
import { isSharedValue } from "./catalogue.ts";

export interface ScalarSample {
  readonly kind: "counter" | "gauge";
  readonly name: string;
  /** bigint for metrics of plugins. */
  readonly value: number | bigint;
  /** Was written at least once. */
  readonly used: boolean;
}

export interface HistogramSample {
  readonly kind: "histogram";
  readonly name: string;
  readonly used: boolean;
  readonly sum: number;
  readonly count: number;
  /** By bucket of `metric-buckets.ts`. */
  readonly buckets: Float64Array;
  /** What came in during the last full interval; null before the first has ended. */
  readonly intervalBuckets: Float64Array | null;
}

/** Both lists are sorted by name. */
export interface MetricSnapshot {
  readonly scalars: readonly ScalarSample[];
  readonly histograms: readonly HistogramSample[];
}

interface Total {
  readonly kind: MetricKind;
  readonly name: string;
  value: number | bigint;
  used: boolean;
  /** Histograms only. */
  readonly buckets: Float64Array | null;
}

const compareNames = (a: { name: string }, b: { name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

const emptyTotal = ({ kind, name }: { kind: MetricKind; name: string }): Total => ({
  kind,
  name,
  value: kind === "bigCounter" || kind === "bigGauge" ? 0n : 0,
  used: false,
  buckets: kind === "histogram" ? new Float64Array(BUCKET_COUNT) : null,
});

function addScalar(total: Total, value: number | bigint): void {
  if (typeof value === "bigint" && typeof total.value === "bigint") {
    total.value = BigInt.asIntN(64, total.value + value);
  } else if (typeof value === "number" && typeof total.value === "number") {
    total.value = isSharedValue(total.name) ? Math.max(total.value, value) : total.value + value;
  }
}

function addBuckets(total: Float64Array, from: Float64Array, start: number): boolean {
  let any = false;
  for (let i = 0; i < BUCKET_COUNT; i++) {
    const count = from[start + i] ?? 0;
    if (count !== 0) any = true;
    total[i] = (total[i] ?? 0) + count;
  }
  return any;
}

function addColumn(total: Total, reader: MetricReader, slot: number): void {
  if (total.buckets !== null) {
    if (addBuckets(total.buckets, reader.floats, slot + 1)) total.used = true;
    addScalar(total, reader.floats[slot] ?? 0);
  } else if (total.kind === "bigCounter" || total.kind === "bigGauge") {
    if (reader.bigs[slot + 1] !== 0n) total.used = true;
    addScalar(total, reader.bigs[slot] ?? 0n);
  } else {
    const value = reader.floats[slot] ?? 0;
    if (!Object.is(value, -0)) total.used = true;
    addScalar(total, value);
  }
}

const keyOf = (definition: MetricDefinition): string => `${definition.kind}:${definition.name}`;

export class MetricSnapshots {
  readonly #readers = new Map<SharedArrayBuffer, MetricReader>();
  /** What silos counted that are gone. */
  readonly #retired = new Map<string, Total>();
  /** Counters at the last reset. */
  readonly #resetBase = new Map<string, number | bigint>();
  /** Histograms at the end of the last interval, and what the last interval brought. */
  #intervalStart: ReadonlyMap<string, Float64Array> = new Map();
  #intervals: ReadonlyMap<string, Float64Array> | null = null;

  constructor(regions: readonly SharedArrayBuffer[]) {
    for (const region of regions) this.attach(region);
  }

  /** Adds a column. */
  attach(region: SharedArrayBuffer): void {
    this.#readers.set(region, new MetricReader(region));
  }

  /**
   * Removes the column of a silo that has ended; what it counted stays in the totals. Built-in
   * gauges leave with it, because the connections they counted are gone. A silo that takes over the
   * region of its predecessor needs no retiring.
   */
  retire(region: SharedArrayBuffer): void {
    const reader = this.#readers.get(region);
    if (reader === undefined) return;
    reader.refresh();
    for (const definition of reader.definitions) {
      if (definition.kind === "gauge") continue;
      addColumn(totalFor(this.#retired, definition), reader, definition.slot);
    }
    this.#readers.delete(region);
  }

  /** Counters read 0 from now on; gauges and histograms stay, as in Envoy. */
  resetCounters(): void {
    for (const [key, total] of this.#totals()) {
      if (total.kind === "counter" || total.kind === "bigCounter") {
        this.#resetBase.set(key, total.value);
      }
    }
  }

  /** Ends an interval of histograms: main calls it every 5 s (Envoy's stats_flush_interval). */
  rollInterval(): void {
    const start = new Map<string, Float64Array>();
    const intervals = new Map<string, Float64Array>();
    for (const [key, total] of this.#totals()) {
      if (total.buckets === null) continue;
      const before = this.#intervalStart.get(key);
      start.set(key, total.buckets);
      intervals.set(
        key,
        total.buckets.map((count, i) => Math.max(0, count - (before?.[i] ?? 0))),
      );
    }
    this.#intervalStart = start;
    this.#intervals = intervals;
  }

  /** The totals now. */
  take(): MetricSnapshot {
    const scalars: ScalarSample[] = [];
    const histograms: HistogramSample[] = [];
    for (const [key, total] of this.#totals()) {
      const { name, used, buckets } = total;
      if (buckets !== null) {
        const count = buckets.reduce((sum, next) => sum + next, 0);
        const intervalBuckets = this.#intervals?.get(key) ?? null;
        const sum = Number(total.value);
        histograms.push({ kind: "histogram", name, used, sum, count, buckets, intervalBuckets });
      } else {
        const kind = total.kind === "counter" || total.kind === "bigCounter" ? "counter" : "gauge";
        scalars.push({ kind, name, used, value: subtract(total.value, this.#resetBase.get(key)) });
      }
    }
    return { scalars: scalars.sort(compareNames), histograms: histograms.sort(compareNames) };
  }

  /** Definitions that full regions refused. */
  get refused(): number {
    let refused = 0;
    for (const reader of this.#readers.values()) refused += reader.refused;
    return refused;
  }

  #totals(): Map<string, Total> {
    const totals = new Map<string, Total>();
    for (const [key, total] of this.#retired) {
      totals.set(key, { ...total, buckets: total.buckets?.slice() ?? null });
    }
    for (const reader of this.#readers.values()) {
      reader.refresh();
      for (const definition of reader.definitions) {
        addColumn(totalFor(totals, definition), reader, definition.slot);
      }
    }
    return totals;
  }
}

function totalFor(totals: Map<string, Total>, definition: MetricDefinition): Total {
  const key = keyOf(definition);
  const known = totals.get(key);
  if (known !== undefined) return known;
  const made = emptyTotal(definition);
  totals.set(key, made);
  return made;
}

/** A metric that was withdrawn and came again has less than its base: it counts from 0. */
function subtract(value: number | bigint, base: number | bigint | undefined): number | bigint {
  if (typeof value === "bigint") {
    return typeof base === "bigint" && base <= value ? value - base : value;
  }
  return typeof base === "number" && base <= value ? value - base : value;
}
