/**
 * What the filter chain of a stream is made of: the filters, where each of them stands, and where a
 * direction ends. @hot per-request
 */
import type { BodyBuffer } from "./body-buffer.ts";

export const REQUEST = 0;
export const RESPONSE = 1;
export type Direction = typeof REQUEST | typeof RESPONSE;

/** Callbacks may also return SUSPENDED: nothing passes until `ChainDirection.settle` is called. */
export interface HttpFilter {
  /** Returns a HEADERS_STATUS. */
  onHeaders(direction: Direction, endStream: boolean): number;
  /** Returns a DATA_STATUS; `data` is what just arrived, changed in place at will. */
  onData(direction: Direction, data: BodyBuffer, endStream: boolean): number;
  /** Returns a TRAILERS_STATUS. */
  onTrailers(direction: Direction): number;
  onLog(): void;
  onDestroy(): void;
}

export function logFilters(filters: readonly HttpFilter[]): void {
  for (let i = 0; i < filters.length; i++) (filters[i] as HttpFilter).onLog();
}

export function destroyFilters(filters: readonly HttpFilter[]): void {
  for (let i = 0; i < filters.length; i++) (filters[i] as HttpFilter).onDestroy();
}

/** Where a direction ends, and who hears of its buffer. Implemented by the stream. */
export interface ChainSink {
  sinkHeaders(direction: Direction, endStream: boolean): void;
  /** The sink empties `data`. */
  sinkData(direction: Direction, data: BodyBuffer, endStream: boolean): void;
  sinkTrailers(direction: Direction): void;
  /** A filter holds more than the buffer limit and did not ask for back-pressure: 413 or 500. */
  bufferOverflow(direction: Direction): void;
  bufferHigh(direction: Direction): void;
  bufferLow(direction: Direction): void;
  /** No filter callback of this direction is running any more. */
  unwound(direction: Direction): void;
}

export const ITERATION = {
  continue: 0,
  stopSingle: 1,
  stopAllBuffer: 2,
  stopAllWatermark: 3,
} as const;

/** Where one filter stands in one direction. */
export class FilterSlot {
  readonly filter: HttpFilter;
  iteration: number = ITERATION.continue;
  headersContinued = false;
  endStream = false;
  constructor(filter: HttpFilter) {
    this.filter = filter;
  }
  get stoppedAll(): boolean {
    return this.iteration >= ITERATION.stopAllBuffer;
  }
}

interface FilterRow {
  /** Appends a filter. */
  add(filter: HttpFilter): void;
}

/** Puts `filters`, which are in request order, into both directions of a stream. */
export function chainFilters(
  filters: readonly HttpFilter[],
  request: FilterRow,
  response: FilterRow,
): void {
  for (let i = 0; i < filters.length; i++) request.add(filters[i] as HttpFilter);
  for (let i = filters.length - 1; i >= 0; i--) response.add(filters[i] as HttpFilter);
}
