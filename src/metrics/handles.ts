/**
 * From rows of metrics to objects with one handle per row: `handlesOf(ROWS, scope).rq_total.inc()`.
 * The types follow the rows, so a name that is no row does not compile.
 */
import type { Counter, Gauge, Histogram, MetricScope } from "./types.ts";

export type MetricUnit = "count" | "bytes" | "milliseconds" | "seconds" | "days" | "boolean";

/** One metric: its name below a prefix is the key of the row. */
export interface MetricRow {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly unit?: MetricUnit;
}
export type MetricRows = Readonly<Record<string, MetricRow>>;

interface HandleOfKind {
  readonly counter: Counter;
  readonly gauge: Gauge;
  readonly histogram: Histogram;
}
/** One handle per row, under the row's own name. */
export type HandlesOf<Rows extends MetricRows> = {
  readonly [Name in keyof Rows]: HandleOfKind[Rows[Name]["kind"]];
};

/** Makes the handles of `rows` in `scope`. Setup time only. Thread: the scope's. */
export function handlesOf<const Rows extends MetricRows>(
  rows: Rows,
  scope: MetricScope,
): HandlesOf<Rows> {
  const handles: Record<string, Counter | Gauge | Histogram> = {};
  for (const [name, row] of Object.entries(rows)) handles[name] = scope[row.kind](name);
  return Object.freeze(handles) as HandlesOf<Rows>;
}

/** Makes the metrics of `rows` disappear, until {@link handlesOf} makes them again. */
export function withdrawRows(rows: MetricRows, scope: MetricScope): void {
  for (const [name, row] of Object.entries(rows)) scope.withdraw(row.kind, name);
}
