/**
 * Metrics in a map: every value that was counted, by full name.
 */
import type { Counter, Gauge, Histogram, MetricScope } from "../../src/metrics/types.ts";

export class FakeMetrics implements MetricScope {
  readonly #values: Map<string, number>;
  readonly #records: Map<string, number[]>;
  readonly #prefix: string;

  constructor(prefix = "", from: FakeMetrics | null = null) {
    this.#prefix = prefix;
    this.#values = from === null ? new Map() : from.#values;
    this.#records = from === null ? new Map() : from.#records;
  }

  /** The value of a counter or gauge; 0 when nothing was counted. */
  valueOf(name: string): number {
    return this.#values.get(this.#prefix + name) ?? 0;
  }

  /** The values that a histogram recorded, in order. */
  recordsOf(name: string): readonly number[] {
    return this.#records.get(this.#prefix + name) ?? [];
  }

  counter(name: string): Counter {
    const key = this.#prefix + name;
    const add = (amount: number): void => {
      this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
    };
    return { inc: () => add(1), add, value: () => this.#values.get(key) ?? 0 };
  }

  gauge(name: string): Gauge {
    const key = this.#prefix + name;
    return {
      ...this.counter(name),
      dec: () => this.counter(name).add(-1),
      set: (value) => {
        this.#values.set(key, value);
      },
    };
  }

  histogram(name: string): Histogram {
    const key = this.#prefix + name;
    return {
      record: (value) => {
        const records = this.#records.get(key) ?? [];
        records.push(value);
        this.#records.set(key, records);
      },
    };
  }

  withdraw(_kind: string, name: string): void {
    this.#values.delete(this.#prefix + name);
    this.#records.delete(this.#prefix + name);
  }

  scope(prefix: string): FakeMetrics {
    return new FakeMetrics(`${this.#prefix}${prefix}.`, this);
  }
}
