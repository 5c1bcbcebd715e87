/**
 * Metrics as those see them who count: three small handles over slots in shared memory. A handle
 * belongs to one thread (its silo's column); the reader sums the columns.
 */
export interface Counter {
  inc(): void;
  /** `amount` >= 0. */
  add(amount: number): void;
  /** This thread's own column. */
  value(): number;
}

export interface Gauge {
  inc(): void;
  dec(): void;
  add(amount: number): void;
  set(value: number): void;
  value(): number;
}

export interface Histogram {
  /** Records one value >= 0, in the unit its name says (`_time` and `_ms`: milliseconds). */
  record(value: number): void;
}

/** Gives handles by full stat name (Envoy's spelling, e.g. `cluster.a.upstream_rq_total`). The same
 * name gives the same slot. Setup time only. */
export interface MetricScope {
  counter(name: string): Counter;
  gauge(name: string): Gauge;
  histogram(name: string): Histogram;
  /** Nobody sees the metric any more until it is asked for again: what it counted is gone. */
  withdraw(kind: "counter" | "gauge" | "histogram", name: string): void;
  /** A scope that puts `prefix` and a dot before every name. */
  scope(prefix: string): MetricScope;
}
