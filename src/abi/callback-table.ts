/**
 * Every callback that a guest may export, as data: parameters, the meaning of the result, and what
 * is assumed when the export is absent. Source: ABI 2.2, 2.4.
 */
import type { AbiSince } from "./versions.ts";

/** How the result of a callback is read; `none` has none. */
export type ResultKind = "none" | "bool" | "headers" | "data" | "trailers" | "metadata" | "tcp";

export interface CallbackSpec {
  readonly since: AbiSince;
  /** Context that the first parameter names. */
  readonly context: "root" | "stream" | "any";
  /** Wire parameters, the context id included. */
  readonly arity: number;
  readonly result: ResultKind;
  /** Which half of a stream it belongs to. */
  readonly direction: "request" | "response" | "none";
}

const row = (
  context: CallbackSpec["context"],
  arity: number,
  result: ResultKind,
  direction: CallbackSpec["direction"] = "none",
): CallbackSpec => ({ since: "0.1.0", context, arity, result, direction });

export const CALLBACKS = {
  proxy_on_context_create: row("any", 2, "none"),
  proxy_on_vm_start: row("root", 2, "bool"),
  proxy_on_configure: row("root", 2, "bool"),
  proxy_on_tick: row("root", 1, "none"),
  proxy_on_queue_ready: row("root", 2, "none"),
  proxy_on_new_connection: row("stream", 1, "tcp", "request"),
  proxy_on_downstream_data: row("stream", 3, "tcp", "request"),
  proxy_on_downstream_connection_close: row("stream", 2, "none"),
  proxy_on_upstream_data: row("stream", 3, "tcp", "response"),
  proxy_on_upstream_connection_close: row("stream", 2, "none"),
  proxy_on_request_headers: row("stream", 3, "headers", "request"),
  proxy_on_request_body: row("stream", 3, "data", "request"),
  proxy_on_request_trailers: row("stream", 2, "trailers", "request"),
  proxy_on_request_metadata: row("stream", 2, "metadata", "request"),
  proxy_on_response_headers: row("stream", 3, "headers", "response"),
  proxy_on_response_body: row("stream", 3, "data", "response"),
  proxy_on_response_trailers: row("stream", 2, "trailers", "response"),
  proxy_on_response_metadata: row("stream", 2, "metadata", "response"),
  proxy_on_http_call_response: row("root", 5, "none"),
  proxy_on_grpc_receive_initial_metadata: row("root", 3, "none"),
  proxy_on_grpc_receive: row("root", 3, "none"),
  proxy_on_grpc_receive_trailing_metadata: row("root", 3, "none"),
  proxy_on_grpc_close: row("root", 3, "none"),
  proxy_on_foreign_function: { ...row("any", 3, "none"), since: "0.2.0" },
  proxy_on_done: row("any", 1, "bool"),
  proxy_on_log: row("any", 1, "none"),
  proxy_on_delete: row("any", 1, "none"),
  envoy_on_resolve_dns: { ...row("root", 3, "none"), since: "envoy" },
  envoy_on_stats_update: { ...row("root", 2, "none"), since: "envoy" },
  proxy_on_redis_call_response: { ...row("root", 4, "none"), since: "0.2.100" },
} as const satisfies Record<string, CallbackSpec>;

export type CallbackName = keyof typeof CALLBACKS;
export const CALLBACK_NAMES = Object.keys(CALLBACKS) as CallbackName[];

/** Callbacks that a guest may export and Granary never calls, with the reason. */
export const UNCALLED = {
  proxy_on_request_metadata: "needs HTTP/2 METADATA frames, which Envoy reads with allow_metadata",
  proxy_on_response_metadata: "needs HTTP/2 METADATA frames, which Envoy reads with allow_metadata",
  proxy_on_foreign_function: "nothing calls it, in Envoy either: it is for programs that embed it",
  proxy_on_redis_call_response: "answers proxy_redis_call, which is not implemented",
} as const satisfies Partial<Record<CallbackName, string>>;

/** What an absent callback counts as: done, accepted, or Continue. Source: ABI 2.2. */
export function resultWhenAbsent(name: CallbackName): number {
  return CALLBACKS[name].result === "bool" ? 1 : 0;
}
