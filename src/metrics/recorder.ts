/**
 * Built-in metrics as the thread that counts sees them: handles over Float64 slots of its own
 * column. A definition that the full region refuses gets a handle over a private slot, so that who
 * counts never has to ask.
 * @hot per-request
 */
import { bucketOf } from "../shm/metric-buckets.ts";
import { type MetricWriter, SLOTS_OF_KIND } from "../shm/metric-writer.ts";
import type { Counter, Gauge, Histogram, MetricScope } from "./types.ts";

class SlotCounter implements Counter {
  readonly #slots: Float64Array;
  readonly #slot: number;
  constructor(slots: Float64Array, slot: number) {
    this.#slots = slots;
    this.#slot = slot;
  }
  inc(): void {
    this.#slots[this.#slot] = (this.#slots[this.#slot] ?? 0) + 1;
  }
  add(amount: number): void {
    this.#slots[this.#slot] = (this.#slots[this.#slot] ?? 0) + amount;
  }
  value(): number {
    // Turns the -0 of a slot that was never written into 0.
    return (this.#slots[this.#slot] ?? 0) + 0;
  }
}

class SlotGauge extends SlotCounter implements Gauge {
  readonly #slots: Float64Array;
  readonly #slot: number;
  constructor(slots: Float64Array, slot: number) {
    super(slots, slot);
    this.#slots = slots;
    this.#slot = slot;
  }
  dec(): void {
    this.#slots[this.#slot] = (this.#slots[this.#slot] ?? 0) - 1;
  }
  set(value: number): void {
    // `+ 0` keeps -0, the mark of a slot that was never written, out of the slot.
    this.#slots[this.#slot] = value + 0;
  }
}

/** Records into slots: the sum first, then the buckets. */
export class SlotHistogram implements Histogram {
  readonly #slots: Float64Array;
  readonly #slot: number;
  constructor(slots: Float64Array, slot: number) {
    this.#slots = slots;
    this.#slot = slot;
  }
  record(value: number): void {
    const bucket = this.#slot + 1 + bucketOf(value);
    this.#slots[bucket] = (this.#slots[bucket] ?? 0) + 1;
    this.#slots[this.#slot] = (this.#slots[this.#slot] ?? 0) + value;
  }
}

/** The root scope of one thread. */
export class SiloRecorder implements MetricScope {
  readonly #writer: MetricWriter;
  readonly #prefix: string;

  /** @param prefix put before every name, with its dot; "" for the root */
  constructor(writer: MetricWriter, prefix = "") {
    this.#writer = writer;
    this.#prefix = prefix;
  }

  counter(name: string): Counter {
    const slot = this.#writer.define("counter", this.#prefix + name);
    return slot < 0
      ? new SlotCounter(new Float64Array(1), 0)
      : new SlotCounter(this.#writer.floats, slot);
  }

  gauge(name: string): Gauge {
    const slot = this.#writer.define("gauge", this.#prefix + name);
    return slot < 0
      ? new SlotGauge(new Float64Array(1), 0)
      : new SlotGauge(this.#writer.floats, slot);
  }

  histogram(name: string): Histogram {
    const slot = this.#writer.define("histogram", this.#prefix + name);
    return slot < 0
      ? new SlotHistogram(new Float64Array(SLOTS_OF_KIND.histogram), 0)
      : new SlotHistogram(this.#writer.floats, slot);
  }

  withdraw(kind: "counter" | "gauge" | "histogram", name: string): void {
    this.#writer.withdraw(kind, this.#prefix + name);
  }

  scope(prefix: string): MetricScope {
    return new SiloRecorder(this.#writer, `${this.#prefix}${prefix}.`);
  }
}
