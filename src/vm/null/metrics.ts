/** Metrics of the API, over the hostcalls. */
import { METRIC_TYPE } from "../../abi/enums.ts";
import type { Counter, Gauge, Histogram, Metrics } from "./api.ts";
import { type Host, OUT_NUMBER } from "./host.ts";

/** Ids by kind and name, of one VM. */
export type MetricIds = Map<string, number>;

export class ContextMetrics implements Metrics {
  readonly #host: Host;
  readonly #id: number;
  readonly #ids: MetricIds;

  constructor(host: Host, id: number, ids: MetricIds) {
    this.#host = host;
    this.#id = id;
    this.#ids = ids;
  }

  counter(name: string): Counter {
    const metric = this.#define(METRIC_TYPE.counter, name);
    return {
      increment: (by = 1) => this.#increment(metric, by),
      value: () => this.#value(metric),
    };
  }

  gauge(name: string): Gauge {
    const metric = this.#define(METRIC_TYPE.gauge, name);
    return {
      set: (value) => this.#record(metric, value),
      add: (offset) => this.#increment(metric, offset),
      value: () => this.#value(metric),
    };
  }

  histogram(name: string): Histogram {
    const metric = this.#define(METRIC_TYPE.histogram, name);
    return { record: (value) => this.#record(metric, value) };
  }

  #define(kind: number, name: string): number {
    const key = `${kind} ${name}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const host = this.#host;
    host.begin();
    const ptr = host.putText(name);
    host.act(this.#id);
    const status = host.calls.proxy_define_metric(kind, ptr, name.length, OUT_NUMBER);
    host.end("proxy_define_metric", status);
    const metric = host.resultNumber();
    this.#ids.set(key, metric);
    return metric;
  }

  #increment(metric: number, by: number | bigint): void {
    const offset = BigInt(by);
    this.#host.act(this.#id);
    const status = this.#host.calls.proxy_increment_metric(metric, offset);
    this.#host.end("proxy_increment_metric", status);
  }

  #record(metric: number, value: number | bigint): void {
    const recorded = BigInt(value);
    this.#host.act(this.#id);
    const status = this.#host.calls.proxy_record_metric(metric, recorded);
    this.#host.end("proxy_record_metric", status);
  }

  #value(metric: number): number {
    this.#host.act(this.#id);
    const status = this.#host.calls.proxy_get_metric(metric, OUT_NUMBER);
    this.#host.end("proxy_get_metric", status);
    return Number(BigInt.asIntN(64, this.#host.resultBigInt()));
  }
}
