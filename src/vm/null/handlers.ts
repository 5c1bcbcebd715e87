/**
 * Which handler of a filter serves which callback of a stream, and what its answers are on the
 * wire (ABI 2.4). Data.
 */
import type { CallbackName } from "../../abi/callback-table.ts";
import { GUEST_HEADERS_STATUS, STREAM_TYPE } from "../../abi/enums.ts";
import { DATA_STATUS, TRAILERS_STATUS } from "../types.ts";
import type { Action, Filter, NetworkFilter } from "./api.ts";

export type StreamHandlerName =
  | "onRequestHeaders"
  | "onRequestBody"
  | "onRequestTrailers"
  | "onResponseHeaders"
  | "onResponseBody"
  | "onResponseTrailers"
  | "onNewConnection"
  | "onDownstreamData"
  | "onUpstreamData";

export interface HandlerRow {
  readonly handler: StreamHandlerName;
  readonly half: 0 | 1;
  readonly kind: "headers" | "body" | "trailers" | "connection" | "bytes";
}

const { request, response } = STREAM_TYPE;

export const STREAM_CALLBACKS = {
  proxy_on_request_headers: { handler: "onRequestHeaders", half: request, kind: "headers" },
  proxy_on_request_body: { handler: "onRequestBody", half: request, kind: "body" },
  proxy_on_request_trailers: { handler: "onRequestTrailers", half: request, kind: "trailers" },
  proxy_on_response_headers: { handler: "onResponseHeaders", half: response, kind: "headers" },
  proxy_on_response_body: { handler: "onResponseBody", half: response, kind: "body" },
  proxy_on_response_trailers: { handler: "onResponseTrailers", half: response, kind: "trailers" },
} as const satisfies Partial<Record<CallbackName, HandlerRow>>;

/** The same of connections. */
export const CONNECTION_CALLBACKS = {
  proxy_on_new_connection: { handler: "onNewConnection", half: 0, kind: "connection" },
  proxy_on_downstream_data: { handler: "onDownstreamData", half: 0, kind: "bytes" },
  proxy_on_upstream_data: { handler: "onUpstreamData", half: 1, kind: "bytes" },
} as const satisfies Partial<Record<CallbackName, HandlerRow>>;

/** Handlers of the plugin itself, and of a stream's end. */
export const OTHER_HANDLERS = [
  "onVmStart",
  "onConfigure",
  "onTick",
  "onQueueReady",
  "onShutdown",
  "onLog",
  "onDone",
  "onDownstreamClose",
  "onUpstreamClose",
] as const satisfies readonly (keyof Filter | keyof NetworkFilter)[];

type Statuses = Readonly<Record<Action, number | null>>;

/** What stops, and nothing else. */
const STOPS: Statuses = {
  continue: TRAILERS_STATUS.continue,
  pause: TRAILERS_STATUS.stop,
  pauseAndBuffer: null,
  pauseAndWatermark: null,
  pauseNoBuffer: null,
};

/** What an action is on the wire; null: it has no meaning there. */
const STATUSES: Readonly<Record<HandlerRow["kind"], Statuses>> = {
  headers: {
    continue: GUEST_HEADERS_STATUS.continue,
    pause: GUEST_HEADERS_STATUS.stopIteration,
    pauseAndBuffer: GUEST_HEADERS_STATUS.stopAllIterationAndBuffer,
    pauseAndWatermark: GUEST_HEADERS_STATUS.stopAllIterationAndWatermark,
    pauseNoBuffer: null,
  },
  body: {
    continue: DATA_STATUS.continue,
    pause: DATA_STATUS.stopAndBuffer,
    pauseAndBuffer: DATA_STATUS.stopAndBuffer,
    pauseAndWatermark: DATA_STATUS.stopAndWatermark,
    pauseNoBuffer: DATA_STATUS.stopNoBuffer,
  },
  trailers: STOPS,
  connection: STOPS,
  bytes: STOPS,
};

/** While a promise is waited for: all of the stream waits, and its sender. */
export const WAITING_STATUS: Readonly<Record<HandlerRow["kind"], number>> = {
  headers: GUEST_HEADERS_STATUS.stopAllIterationAndWatermark,
  body: DATA_STATUS.stopAndWatermark,
  trailers: TRAILERS_STATUS.stop,
  connection: TRAILERS_STATUS.stop,
  bytes: TRAILERS_STATUS.stop,
};

/** The status of what a handler returned. Throws when that is no action of this kind. */
export function statusOf({ kind, handler }: HandlerRow, action: unknown): number {
  if (action === undefined) return 0;
  const statuses: Statuses = STATUSES[kind];
  const known = typeof action === "string" && Object.hasOwn(statuses, action);
  const status = known ? statuses[action as Action] : null;
  if (status === null) throw new TypeError(`${handler} returned ${JSON.stringify(action)}`);
  return status;
}
