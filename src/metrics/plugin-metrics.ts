/**
 * Metrics that plugins define, one object per silo. It has the shape of the VM's MetricHost role.
 * Counters and gauges are exact 64-bit integers in the silo's own column; what a plugin reads is
 * the total of all columns of that name. Envoy's rules: names are exported as `wasmcustom.<name>`,
 * the same name is the same metric in every plugin, and the same name under another kind is another
 * metric.
 * @hot per-hostcall
 */
import { LIMITS } from "../base/limits.ts";
import type { MetricKind } from "../shm/metric-layout.ts";
import { MetricReader } from "../shm/metric-reader.ts";
import type { MetricWriter } from "../shm/metric-writer.ts";
import { SlotHistogram } from "./recorder.ts";

export const PLUGIN_METRIC_PREFIX = "wasmcustom.";
/** Counts what plugins did with metrics that were refused. */
const REFUSED_METRIC = "wasm.metric_operations_refused";
/** By the ABI's number. */
const KINDS = ["bigCounter", "bigGauge", "histogram"] as const satisfies readonly MetricKind[];

interface Defined {
  readonly kind: MetricKind;
  readonly name: string;
  readonly slot: number;
  /** Slot in every other column, by index of `others`; -1 until that silo defines it. */
  readonly otherSlots: Int32Array;
  readonly histogram: SlotHistogram | null;
  /** VM slots that have it now. */
  owners: number;
  /** The last owner is gone. */
  withdrawn: boolean;
}

export class PluginMetrics {
  readonly #writer: MetricWriter;
  readonly #others: readonly MetricReader[];
  readonly #handleByKey = new Map<string, number>();
  readonly #defined: Defined[] = [];
  /** Of them those that are not withdrawn. */
  #count = 0;
  #refusedSlot = -1;

  /**
   * @param writer of this silo's own region
   * @param otherRegions the columns of the other silos
   */
  constructor(writer: MetricWriter, otherRegions: readonly SharedArrayBuffer[]) {
    this.#writer = writer;
    this.#others = otherRegions.map((region) => new MetricReader(region));
  }

  /**
   * @param kind 0 counter, 1 gauge, 2 histogram
   * @returns a handle >= 0 for the other methods; -1 when the kind is none of these, the plugins of
   * this silo have LIMITS.pluginMetricsCount metrics, the name is too long or the region is full
   */
  define(kind: number, name: string): number {
    const metricKind = KINDS[kind];
    if (metricKind === undefined) return -1;
    const key = `${kind}:${name}`;
    const known = this.#handleByKey.get(key);
    if (known !== undefined) return this.#defineAgain(known);
    if (this.#count >= LIMITS.pluginMetricsCount) return -1;
    const fullName = PLUGIN_METRIC_PREFIX + name;
    const slot = this.#writer.define(metricKind, fullName);
    if (slot < 0) return -1;
    const handle = this.#defined.length;
    this.#defined.push({
      kind: metricKind,
      name: fullName,
      slot,
      otherSlots: new Int32Array(this.#others.length).fill(-1),
      histogram: metricKind === "histogram" ? new SlotHistogram(this.#writer.floats, slot) : null,
      owners: 0,
      withdrawn: false,
    });
    this.#count++;
    this.#handleByKey.set(key, handle);
    return handle;
  }

  /** One more owner has the metric, which it has just defined. */
  retain(handle: number): void {
    const metric = this.#defined[handle];
    if (metric !== undefined) metric.owners++;
  }

  /** An owner is gone: with the last one of this silo its share of the metric disappears. */
  release(handle: number): void {
    const metric = this.#defined[handle];
    if (metric === undefined) return;
    metric.owners--;
    if (metric.owners > 0) return;
    metric.withdrawn = true;
    this.#count--;
    this.#writer.withdraw(metric.kind, metric.name);
  }

  #defineAgain(handle: number): number {
    const metric = this.#defined[handle] as Defined;
    if (!metric.withdrawn) return handle;
    if (this.#count >= LIMITS.pluginMetricsCount) return -1;
    this.#writer.define(metric.kind, metric.name);
    metric.withdrawn = false;
    this.#count++;
    return handle;
  }

  /** Adds to a counter or gauge; wraps at 64 bits. Nothing happens for a histogram. */
  add(handle: number, offset: bigint): void {
    const metric = this.#defined[handle];
    if (metric === undefined || metric.histogram !== null) return;
    this.#store(metric.slot, (this.#writer.bigs[metric.slot] ?? 0n) + offset);
  }

  /**
   * Makes the process total `value`: the own column takes what the others leave. Two silos that set
   * one gauge in the same moment each count the other's old column; the next set is right again.
   */
  set(handle: number, value: bigint): void {
    const metric = this.#defined[handle];
    if (metric === undefined || metric.histogram !== null) return;
    this.#store(metric.slot, value - this.#sumOfOthers(metric));
  }

  /** Records into a histogram; nothing happens for the other kinds. */
  observe(handle: number, value: bigint): void {
    const histogram = this.#defined[handle]?.histogram ?? null;
    if (histogram !== null) histogram.record(Number(value));
  }

  /** The total of all silos; 0 for a histogram. */
  read(handle: number): bigint {
    const metric = this.#defined[handle];
    if (metric === undefined || metric.histogram !== null) return 0n;
    return (this.#writer.bigs[metric.slot] ?? 0n) + this.#sumOfOthers(metric);
  }

  /** A plugin used a metric that {@link define} refused. */
  refused(): void {
    if (this.#refusedSlot < 0)
      this.#refusedSlot = this.#writer.define("bigCounter", REFUSED_METRIC);
    const slot = this.#refusedSlot;
    if (slot >= 0) this.#store(slot, (this.#writer.bigs[slot] ?? 0n) + 1n);
  }

  #store(slot: number, value: bigint): void {
    this.#writer.bigs[slot] = value;
    this.#writer.bigs[slot + 1] = 1n;
  }

  #sumOfOthers(metric: Defined): bigint {
    let sum = 0n;
    for (let index = 0; index < this.#others.length; index++) {
      const reader = this.#others[index];
      if (reader === undefined) continue;
      let slot = metric.otherSlots[index] ?? -1;
      if (slot < 0) {
        reader.refresh();
        slot = reader.slotOf(metric.kind, metric.name);
        metric.otherSlots[index] = slot;
      }
      if (slot >= 0) sum += reader.bigs[slot] ?? 0n;
    }
    return sum;
  }
}
