/**
 * Walks the HTTP filters of one stream in one direction: request order for requests, reverse order
 * for responses, with the iteration rules of Envoy's filter manager (ABI reference 2.5 to 2.7).
 * Headers, data and trailers that nobody holds end in the sink: the router or the client's encoder.
 * @hot per-request, per-chunk
 */

import type { BodyChunk } from "../shm/body-chunk.ts";
import { DATA_STATUS, HEADERS_STATUS, SUSPENDED, TRAILERS_STATUS } from "../vm/types.ts";
import { BodyBuffer } from "./body-buffer.ts";
import {
  type ChainSink,
  type Direction,
  FilterSlot,
  type HttpFilter,
  ITERATION,
} from "./http-filter.ts";
import { type SuspendedEvent, SuspendedWalk } from "./suspended-walk.ts";

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
  /** A filter has not answered yet. */
  #suspended: SuspendedWalk | null = null;

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

  /** What the filter that is suspended in a data callback looks at, or null. */
  get suspendedData(): BodyBuffer | null {
    return this.#suspended === null ? null : this.#suspended.data;
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
    this.#suspended?.drop();
    this.#suspended = null;
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
    if (this.#suspended !== null) {
      this.#suspended.hold(chunk, endStream);
      this.#press(this.#suspended.heldBytes);
      return;
    }
    const data = new BodyBuffer();
    if (chunk !== null) data.append(chunk);
    this.#depth++;
    this.#wholeData(data, endStream);
    this.#leave();
  }

  trailers(): void {
    if (this.#aborted) return;
    if (this.#suspended !== null) {
      this.#suspended.steps.push({ kind: "trailers" });
      return;
    }
    this.#depth++;
    this.#wholeTrailers();
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
      if (this.#aborted) return;
      if (this.#suspended !== null) {
        this.#suspended.steps.push({ kind: "resume", filter });
        return;
      }
      if (slot.iteration === ITERATION.continue) return;
      this.#depth++;
      this.#continueAt(i, slot);
      this.#leave();
      return;
    }
  }

  /** The call of `filter` that was suspended has returned `status`: as if it returned just now. */
  settle(filter: HttpFilter, status: number): void {
    const walk = this.#suspended;
    if (walk === null || this.#slots[walk.index]?.filter !== filter) return;
    this.#suspended = null;
    this.#depth++;
    this.#answered(walk, status);
    walk.data.clear();
    this.#replay(walk);
    this.#leave();
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
      if (this.#aborted) return;
      if (status === SUSPENDED) {
        this.#suspend(i, { kind: "headers", endStream });
        return;
      }
      if (!this.#afterHeaders(slot, status)) return;
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

  #wholeData(data: BodyBuffer, endStream: boolean): void {
    this.#ended = endStream;
    this.#dataFrom(0, data, endStream, -1);
    data.clear();
  }

  #wholeTrailers(): void {
    this.#ended = true;
    this.#trailers = true;
    this.#trailersFrom(0);
  }

  /** `madeFrom`: a filter made trailers, which the filters from here on have to see; -1 = none. */
  #dataFrom(index: number, data: BodyBuffer, endStream: boolean, madeFrom: number): void {
    let end = endStream;
    let trailersFrom = madeFrom;
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
      if (status === SUSPENDED) {
        this.#suspend(i, { kind: "data", endStream: end, hadTrailers, trailersFrom });
        this.#suspended?.data.moveFrom(data);
        return;
      }
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
      if (status === SUSPENDED) {
        this.#suspend(i, { kind: "trailers" });
        return;
      }
      if (!this.#afterTrailers(i, slot, status)) return;
    }
    this.#sink.sinkTrailers(this.direction);
  }

  #afterTrailers(index: number, slot: FilterSlot, status: number): boolean {
    if (status !== TRAILERS_STATUS.continue) {
      slot.iteration = ITERATION.stopSingle;
      return false;
    }
    if (slot.iteration !== ITERATION.stopSingle) return true;
    this.#continueAt(index, slot);
    return false;
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
    if (this.#suspended !== null) {
      this.#suspended.steps.push({ kind: "held", from, resumed: index });
      return;
    }
    this.#passHeld(from, slot);
  }

  /** What was held for `slot`, which goes on: data and trailers to the filters from `from` on. */
  #passHeld(from: number, slot: FilterSlot): void {
    const hadTrailers = this.#trailers;
    const data = this.#buffered;
    if (data !== null) {
      this.#buffered = null;
      // The filter itself sees held data only after stop-all; its end-of-stream mark is renewed.
      slot.endStream = false;
      this.#dataFrom(from, data, this.#ended && !hadTrailers, -1);
      this.#drained();
    }
    if (!hadTrailers || this.#aborted) return;
    if (this.#suspended !== null) this.#suspended.steps.push({ kind: "trailersFrom", from });
    else this.#trailersFrom(from);
  }

  #suspend(index: number, event: SuspendedEvent): void {
    this.#suspended = new SuspendedWalk(index, event);
  }

  /** Goes on where `walk` was suspended. */
  #answered(walk: SuspendedWalk, status: number): void {
    const { index, event } = walk;
    const slot = this.#slots[index] as FilterSlot;
    if (event.kind === "headers") {
      if (this.#afterHeaders(slot, status)) this.#headersFrom(index + 1, event.endStream);
      return;
    }
    if (event.kind === "trailers") {
      if (this.#afterTrailers(index, slot, status)) this.#trailersFrom(index + 1);
      return;
    }
    const madeTrailers = event.endStream && !event.hadTrailers && this.#trailers;
    const end = event.endStream && !madeTrailers;
    const trailersFrom = madeTrailers ? index + 1 : event.trailersFrom;
    if (!this.#afterData(index, slot, status, walk.data)) return;
    this.#dataFrom(index + 1, walk.data, end, trailersFrom);
  }

  /** Does what waited for the answer, until a filter is suspended again. */
  #replay(walk: SuspendedWalk): void {
    const { steps } = walk;
    for (let i = 0; i < steps.length && !this.#aborted; i++) {
      if (this.#suspended !== null) {
        this.#suspended.steps.push(...steps.slice(i));
        return;
      }
      this.#step(steps[i] as SuspendedWalk["steps"][number]);
    }
    if (this.#aborted) walk.drop();
    else this.#drained();
  }

  #step(step: SuspendedWalk["steps"][number]): void {
    switch (step.kind) {
      case "held":
        this.#passHeld(step.from, this.#slots[step.resumed] as FilterSlot);
        return;
      case "trailersFrom":
        this.#trailersFrom(step.from);
        return;
      case "resume":
        this.resume(step.filter);
        return;
      case "data":
        this.#wholeData(step.data, step.endStream);
        return;
      default:
        this.#wholeTrailers();
    }
  }

  #keep(data: BodyBuffer, watermark: boolean): void {
    const held = this.#buffered ?? new BodyBuffer();
    this.#buffered = held;
    if (held !== data) held.moveFrom(data);
    if (watermark) this.#press(held.byteLength);
    else if (held.byteLength > this.#limit) this.#sink.bufferOverflow(this.direction);
  }

  /** Stops the source of what is held when it is too much. */
  #press(heldBytes: number): void {
    if (heldBytes <= this.#limit || this.#sourcePaused) return;
    this.#sourcePaused = true;
    this.#sink.bufferHigh(this.direction);
  }

  #drained(): void {
    if (!this.#sourcePaused || this.#aborted || this.#suspended !== null) return;
    if (this.#buffered !== null && this.#buffered.byteLength > this.#limit / 2) return;
    this.#sourcePaused = false;
    this.#sink.bufferLow(this.direction);
  }

  #dropBuffer(): void {
    this.#buffered?.clear();
    this.#buffered = null;
  }
}
