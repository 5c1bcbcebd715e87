/**
 * Walks the HTTP filters of one stream in one direction: request order for requests, reverse order
 * for responses, with the iteration rules of Envoy's filter manager (ABI reference 2.5 to 2.7).
 * Headers, data and trailers that nobody holds end in the sink: the router or the client's encoder.
 * @hot per-request, per-chunk
 */

import type { BodyChunk } from "../shm/body-chunk.ts";
import { DATA_STATUS, HEADERS_STATUS, TRAILERS_STATUS } from "../vm/types.ts";
import { BodyBuffer } from "./body-buffer.ts";

export const REQUEST = 0;
export const RESPONSE = 1;
export type Direction = typeof REQUEST | typeof RESPONSE;

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

const ITERATION = { continue: 0, stopSingle: 1, stopAllBuffer: 2, stopAllWatermark: 3 } as const;

/** Where one filter stands in one direction. */
class FilterSlot {
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

export class ChainDirection {
  readonly direction: Direction;
  readonly #slots: FilterSlot[] = [];
  readonly #sink: ChainSink;
  readonly #limit: number;
  #buffered: BodyBuffer | null = null;
  #ended = false;
  #trailers = false;
  #aborted = false;
  #sourcePaused = false;
  #depth = 0;

  /** `bufferBytesMax`: what filters may hold before overflow or back-pressure. */
  constructor(direction: Direction, sink: ChainSink, bufferBytesMax: number) {
    this.direction = direction;
    this.#sink = sink;
    this.#limit = bufferBytesMax;
  }

  /** Appends a filter; the order of calls is the order of iteration. */
  add(filter: HttpFilter): void {
    this.#slots.push(new FilterSlot(filter));
  }

  /** What a stopped filter holds, or null. */
  get buffered(): BodyBuffer | null {
    return this.#buffered;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get inCallback(): boolean {
    return this.#depth > 0;
  }

  /** Nothing passes any more: a local reply or a reset took over. */
  abort(): void {
    this.#aborted = true;
    this.#dropBuffer();
  }

  headers(endStream: boolean): void {
    this.#ended = endStream;
    this.#depth++;
    this.#headersFrom(0, endStream);
    this.#leave();
  }

  /** As {@link data}, from a codec like Envoy's for HTTP/1: the end is an event of its own. */
  codecData(chunk: BodyChunk, endStream: boolean): void {
    const isSplit = endStream && chunk.byteLength > 0;
    this.data(chunk, endStream && !isSplit);
    if (isSplit) this.data(null, true);
  }

  /** `chunk`: null = no bytes. */
  data(chunk: BodyChunk | null, endStream: boolean): void {
    if (this.#aborted) return;
    this.#ended = endStream;
    const data = new BodyBuffer();
    if (chunk !== null) data.append(chunk);
    this.#depth++;
    this.#dataFrom(0, data, endStream);
    this.#leave();
    data.clear();
  }

  trailers(): void {
    if (this.#aborted) return;
    this.#ended = true;
    this.#trailers = true;
    this.#depth++;
    this.#trailersFrom(0);
    this.#leave();
  }

  /** A filter made trailers in its last data callback: data no longer ends the stream. */
  trailersAdded(): void {
    this.#trailers = true;
  }

  /** Moves `data` to what is held, so that a filter sees all of it at once. */
  hold(data: BodyBuffer): BodyBuffer {
    const buffered = this.#buffered ?? new BodyBuffer();
    this.#buffered = buffered;
    buffered.moveFrom(data);
    return buffered;
  }

  /** Resumes iteration behind (or, after stop-all, at) `filter`; nothing when it is not stopped. */
  resume(filter: HttpFilter): void {
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as FilterSlot;
      if (slot.filter !== filter) continue;
      if (this.#aborted || slot.iteration === ITERATION.continue) return;
      this.#depth++;
      this.#continueAt(i, slot);
      this.#leave();
      return;
    }
  }

  #leave(): void {
    this.#depth--;
    if (this.#depth === 0) this.#sink.unwound(this.direction);
  }

  #headersFrom(index: number, endStream: boolean): void {
    for (let i = index; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as FilterSlot;
      slot.endStream = endStream;
      const status = slot.filter.onHeaders(this.direction, endStream);
      if (this.#aborted || !this.#afterHeaders(slot, status)) return;
    }
    this.#sink.sinkHeaders(this.direction, endStream);
  }

  #afterHeaders(slot: FilterSlot, status: number): boolean {
    switch (status) {
      case HEADERS_STATUS.stopIteration:
        slot.iteration = ITERATION.stopSingle;
        return false;
      case HEADERS_STATUS.stopAllAndBuffer:
        slot.iteration = ITERATION.stopAllBuffer;
        return false;
      case HEADERS_STATUS.stopAllAndWatermark:
        slot.iteration = ITERATION.stopAllWatermark;
        return false;
      default:
        slot.headersContinued = true;
        return true;
    }
  }

  #dataFrom(index: number, data: BodyBuffer, endStream: boolean): void {
    let end = endStream;
    let trailersFrom = -1;
    for (let i = index; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as FilterSlot;
      if (slot.stoppedAll) {
        this.#keep(data, slot.iteration === ITERATION.stopAllWatermark);
        return;
      }
      // A filter that has seen the end of the stream gets nothing more.
      if (slot.endStream) return;
      slot.endStream = end;
      const hadTrailers = this.#trailers;
      const status = slot.filter.onData(this.direction, data, end);
      if (this.#aborted) return;
      if (end && !hadTrailers && this.#trailers) {
        end = false;
        trailersFrom = i + 1;
      }
      if (!this.#afterData(i, slot, status, data)) return;
    }
    this.#sink.sinkData(this.direction, data, end);
    if (trailersFrom >= 0 && !this.#aborted) this.#trailersFrom(trailersFrom);
  }

  #afterData(index: number, slot: FilterSlot, status: number, data: BodyBuffer): boolean {
    if (status === DATA_STATUS.continue) {
      if (slot.iteration !== ITERATION.stopSingle) return true;
      // The filter had stopped before: what it held goes first, then this.
      this.#keep(data, true);
      this.#continueAt(index, slot);
      return false;
    }
    slot.iteration = ITERATION.stopSingle;
    if (status === DATA_STATUS.stopNoBuffer) {
      data.clear();
      // Without this the end of the stream would be lost on resume.
      if (this.#ended && !this.#trailers && this.#buffered === null) {
        this.#buffered = new BodyBuffer();
      }
    } else {
      this.#keep(data, status === DATA_STATUS.stopAndWatermark);
    }
    return false;
  }

  #trailersFrom(index: number): void {
    for (let i = index; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as FilterSlot;
      if (slot.stoppedAll) return;
      const status = slot.filter.onTrailers(this.direction);
      if (this.#aborted) return;
      if (status !== TRAILERS_STATUS.continue) {
        slot.iteration = ITERATION.stopSingle;
        return;
      }
      if (slot.iteration === ITERATION.stopSingle) {
        this.#continueAt(i, slot);
        return;
      }
    }
    this.#sink.sinkTrailers(this.direction);
  }

  /** Envoy's commonContinue: headers, held data and trailers follow from here on. */
  #continueAt(index: number, slot: FilterSlot): void {
    const from = slot.stoppedAll ? index : index + 1;
    slot.iteration = ITERATION.continue;
    if (!slot.headersContinued) {
      slot.headersContinued = true;
      this.#headersFrom(index + 1, this.#ended && this.#buffered === null && !this.#trailers);
    }
    if (this.#aborted) return;
    const hadTrailers = this.#trailers;
    const data = this.#buffered;
    if (data !== null) {
      this.#buffered = null;
      // The filter itself sees held data only after stop-all; its end-of-stream mark is renewed.
      slot.endStream = false;
      this.#dataFrom(from, data, this.#ended && !hadTrailers);
      this.#drained();
    }
    if (hadTrailers && !this.#aborted) this.#trailersFrom(from);
  }

  #keep(data: BodyBuffer, watermark: boolean): void {
    const held = this.#buffered ?? new BodyBuffer();
    this.#buffered = held;
    if (held !== data) held.moveFrom(data);
    if (held.byteLength <= this.#limit) return;
    if (!watermark) {
      this.#sink.bufferOverflow(this.direction);
    } else if (!this.#sourcePaused) {
      this.#sourcePaused = true;
      this.#sink.bufferHigh(this.direction);
    }
  }

  #drained(): void {
    if (!this.#sourcePaused || this.#aborted) return;
    if (this.#buffered !== null && this.#buffered.byteLength > this.#limit / 2) return;
    this.#sourcePaused = false;
    this.#sink.bufferLow(this.direction);
  }

  #dropBuffer(): void {
    this.#buffered?.clear();
    this.#buffered = null;
  }
}

/** Puts `filters`, which are in request order, into both directions of a stream. */
export function chainFilters(
  filters: readonly HttpFilter[],
  request: ChainDirection,
  response: ChainDirection,
): void {
  for (let i = 0; i < filters.length; i++) request.add(filters[i] as HttpFilter);
  for (let i = filters.length - 1; i >= 0; i--) response.add(filters[i] as HttpFilter);
}
