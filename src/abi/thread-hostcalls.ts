/**
 * Rows of the hostcall table that act on the thread or leave it: log, time, metrics, shared state,
 * callouts, and the vendors' own. Sources: ABI 3.1, 3.16 (Higress).
 */
import type { HostcallSpec } from "./hostcall-types.ts";

export const THREAD_HOSTCALLS = {
  proxy_log: {
    since: "0.1.0",
    group: "log",
    params: [
      ["level", "logLevel"],
      ["message", "bytes"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
  proxy_get_log_level: {
    since: "0.2.1",
    group: "log",
    params: [["level", "outU32"]],
    statuses: ["ok", "invalidMemoryAccess"],
  },
  proxy_get_current_time_nanoseconds: {
    since: "0.1.0",
    group: "time",
    params: [["time", "outU64"]],
    statuses: ["ok", "invalidMemoryAccess"],
  },
  proxy_set_tick_period_milliseconds: {
    since: "0.1.0",
    group: "time",
    params: [["period_ms", "u32"]],
    statuses: ["ok", "badArgument"],
  },
  proxy_get_configuration: {
    since: "0.1.0",
    group: "config",
    params: [["value", "outBytes"]],
    statuses: ["ok", "invalidMemoryAccess"],
  },
  proxy_http_call: {
    since: "0.1.0",
    group: "callout",
    params: [
      ["upstream", "bytes"],
      ["headers", "pairs"],
      ["body", "bytes"],
      ["trailers", "pairs"],
      ["timeout_ms", "i32"],
      ["call_id", "outU32"],
    ],
    statuses: ["ok", "badArgument", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_grpc_call: {
    since: "0.1.0",
    group: "grpc",
    params: [
      ["upstream", "bytes"],
      ["service", "bytes"],
      ["method", "bytes"],
      ["metadata", "pairs"],
      ["message", "bytes"],
      ["timeout_ms", "i32"],
      ["call_id", "outU32"],
    ],
    statuses: ["ok", "badArgument", "parseFailure", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_grpc_stream: {
    since: "0.1.0",
    group: "grpc",
    params: [
      ["upstream", "bytes"],
      ["service", "bytes"],
      ["method", "bytes"],
      ["metadata", "pairs"],
      ["stream_id", "outU32"],
    ],
    statuses: ["ok", "badArgument", "parseFailure", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_grpc_send: {
    since: "0.1.0",
    group: "grpc",
    params: [
      ["stream_id", "u32"],
      ["message", "bytes"],
      ["end_stream", "bool"],
    ],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  proxy_grpc_cancel: {
    since: "0.1.0",
    group: "grpc",
    params: [["id", "u32"]],
    statuses: ["ok", "notFound", "badArgument"],
  },
  proxy_grpc_close: {
    since: "0.1.0",
    group: "grpc",
    params: [["id", "u32"]],
    statuses: ["ok", "notFound", "badArgument"],
  },
  proxy_get_status: {
    since: "0.1.0",
    group: "callout",
    params: [
      ["code", "outU32"],
      ["message", "outBytes"],
    ],
    statuses: ["ok", "invalidMemoryAccess"],
  },
  proxy_set_shared_data: {
    since: "0.1.0",
    group: "sharedData",
    params: [
      ["key", "bytes"],
      ["value", "bytes"],
      ["cas", "u32"],
    ],
    statuses: ["ok", "casMismatch", "invalidMemoryAccess", "internalFailure"],
  },
  proxy_get_shared_data: {
    since: "0.1.0",
    group: "sharedData",
    params: [
      ["key", "bytes"],
      ["value", "outBytes"],
      ["cas", "outU32"],
    ],
    statuses: ["ok", "notFound", "invalidMemoryAccess", "internalFailure"],
  },
  proxy_register_shared_queue: {
    since: "0.1.0",
    group: "sharedQueue",
    params: [
      ["name", "bytes"],
      ["queue_id", "outU32"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess", "internalFailure"],
  },
  proxy_resolve_shared_queue: {
    since: "0.1.0",
    group: "sharedQueue",
    params: [
      ["vm_id", "bytes"],
      ["name", "bytes"],
      ["queue_id", "outU32"],
    ],
    statuses: ["ok", "notFound", "invalidMemoryAccess"],
  },
  proxy_enqueue_shared_queue: {
    since: "0.1.0",
    group: "sharedQueue",
    params: [
      ["queue_id", "u32"],
      ["data", "bytes"],
    ],
    statuses: ["ok", "notFound", "invalidMemoryAccess", "internalFailure"],
  },
  proxy_dequeue_shared_queue: {
    since: "0.1.0",
    group: "sharedQueue",
    params: [
      ["queue_id", "u32"],
      ["data", "outBytes"],
    ],
    statuses: ["ok", "notFound", "empty", "invalidMemoryAccess", "internalFailure"],
  },
  proxy_define_metric: {
    since: "0.1.0",
    group: "metrics",
    params: [
      ["type", "metricType"],
      ["name", "bytes"],
      ["metric_id", "outU32"],
    ],
    statuses: ["ok", "badArgument", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_increment_metric: {
    since: "0.1.0",
    group: "metrics",
    params: [
      ["metric_id", "u32"],
      ["offset", "i64"],
    ],
    statuses: ["ok", "notFound", "badArgument"],
  },
  proxy_record_metric: {
    since: "0.1.0",
    group: "metrics",
    params: [
      ["metric_id", "u32"],
      ["value", "u64"],
    ],
    statuses: ["ok", "notFound"],
  },
  proxy_get_metric: {
    since: "0.1.0",
    group: "metrics",
    params: [
      ["metric_id", "u32"],
      ["value", "outU64"],
    ],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  envoy_resolve_dns: {
    since: "envoy",
    group: "dns",
    params: [
      ["name", "bytes"],
      ["token", "outU32"],
    ],
    statuses: ["ok", "badArgument", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_redis_init: {
    since: "0.2.100",
    group: "higress",
    params: [
      ["service", "bytes"],
      ["user", "bytes"],
      ["password", "bytes"],
      ["timeout_ms", "u32"],
    ],
    statuses: ["ok", "badArgument", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_redis_call: {
    since: "0.2.100",
    group: "higress",
    params: [
      ["service", "bytes"],
      ["query", "bytes"],
      ["token", "outU32"],
    ],
    statuses: ["ok", "badArgument", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_get_upstream_hosts: {
    since: "0.2.100",
    group: "higress",
    params: [["hosts", "outBytes"]],
    statuses: ["ok", "notFound", "invalidMemoryAccess"],
  },
  proxy_set_upstream_override_host: {
    since: "0.2.100",
    group: "higress",
    params: [["address", "bytes"]],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  proxy_inject_encoded_data_to_filter_chain: {
    since: "0.2.100",
    group: "higress",
    params: [
      ["data", "bytes"],
      ["end_stream", "bool"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
} as const satisfies Record<string, HostcallSpec>;
