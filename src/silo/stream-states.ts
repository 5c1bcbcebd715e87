/**
 * The life of a stream as a table: how far the request and the response are. `done` is reached
 * exactly once on every path; logs, contexts and buffers are settled on the way into it.
 */
import { assert } from "../base/assert.ts";

export const STREAM_STATES = {
  /** The request is still arriving, no response header was sent. */
  requesting: { requestEnd: "waiting", responseHeaders: "respondingEarly", reset: "done" },
  /** The request is complete, no response header was sent. */
  waiting: { responseHeaders: "responding", reset: "done" },
  /** Response headers went out while the request is still arriving. */
  respondingEarly: { requestEnd: "responding", responseEnd: "done", reset: "done" },
  responding: { responseEnd: "done", reset: "done" },
  done: {},
} as const;

export type StreamState = keyof typeof STREAM_STATES;
export type StreamEvent = "requestEnd" | "responseHeaders" | "responseEnd" | "reset";

/** The next state; an event that the table does not allow is a bug of the proxy. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState {
  const row: Partial<Record<StreamEvent, StreamState>> = STREAM_STATES[state];
  const next = row[event];
  // The message is only made when it is needed: this runs several times a request.
  if (next === undefined) assert(false, `stream event ${event} in state ${state}`);
  return next;
}
