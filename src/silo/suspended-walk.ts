/**
 * What one direction of a stream keeps while a filter's call is suspended: the event that the
 * filter has not answered yet, and everything that has to happen after its answer, in order. Only
 * streams whose filters suspend have one (ADR 50).
 */
import type { BodyChunk } from "../shm/body-chunk.ts";
import { BodyBuffer } from "./body-buffer.ts";
import type { HttpFilter } from "./http-filter.ts";

/** The event that a suspended filter was called for. */
export type SuspendedEvent =
  | { readonly kind: "headers"; readonly endStream: boolean }
  | {
      readonly kind: "data";
      readonly endStream: boolean;
      /** Trailers had come before it. */
      readonly hadTrailers: boolean;
      /** A filter before made trailers, which the filters from here on have to see; -1 = none. */
      readonly trailersFrom: number;
    }
  | { readonly kind: "trailers" };

/** Something that waits for the answer. */
export type WalkStep =
  /** What was left of resuming a filter: held data and trailers, from a filter on. */
  | { readonly kind: "held"; readonly from: number; readonly resumed: number }
  | { readonly kind: "trailersFrom"; readonly from: number }
  | { readonly kind: "resume"; readonly filter: HttpFilter }
  /** What arrived meanwhile. */
  | { readonly kind: "data"; readonly data: BodyBuffer; readonly endStream: boolean }
  | { readonly kind: "trailers" };

export class SuspendedWalk {
  /** Index of the filter whose call is suspended. */
  readonly index: number;
  readonly event: SuspendedEvent;
  /** What a suspended data callback looks at. */
  readonly data = new BodyBuffer();
  steps: WalkStep[] = [];

  constructor(index: number, event: SuspendedEvent) {
    this.index = index;
    this.event = event;
  }

  /** Bytes that arrived meanwhile. */
  get heldBytes(): number {
    return this.steps.reduce(
      (sum, step) => sum + (step.kind === "data" ? step.data.byteLength : 0),
      0,
    );
  }

  /** Data arrived: bytes that follow each other are one event, the end is one of its own. */
  hold(chunk: BodyChunk | null, endStream: boolean): void {
    const last = this.steps.at(-1);
    const joins = last?.kind === "data" && !last.endStream && chunk !== null;
    if (joins && !endStream) {
      last.data.append(chunk);
      return;
    }
    const data = new BodyBuffer();
    if (joins) {
      this.steps.pop();
      data.moveFrom(last.data);
    }
    if (chunk !== null) data.append(chunk);
    this.steps.push({ kind: "data", data, endStream });
  }

  /** Nothing of it will happen. */
  drop(): void {
    this.data.clear();
    for (const step of this.steps) if (step.kind === "data") step.data.clear();
    this.steps = [];
  }
}
