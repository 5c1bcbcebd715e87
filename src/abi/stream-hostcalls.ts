/**
 * Rows of the hostcall table that act on the current or effective context: properties, header maps,
 * buffers, stream control, local replies. Source: ABI 3.1.
 */
import type { HostcallSpec } from "./hostcall-types.ts";

export const STREAM_HOSTCALLS = {
  proxy_get_property: {
    since: "0.1.0",
    group: "properties",
    params: [
      ["path", "bytes"],
      ["value", "outBytes"],
    ],
    statuses: ["ok", "notFound", "serializationFailure", "internalFailure", "invalidMemoryAccess"],
  },
  proxy_set_property: {
    since: "0.1.0",
    group: "properties",
    params: [
      ["path", "bytes"],
      ["value", "bytes"],
    ],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  proxy_get_buffer_bytes: {
    since: "0.1.0",
    group: "buffers",
    params: [
      ["type", "bufferType"],
      ["start", "u32"],
      ["length_max", "u32"],
      ["value", "outBytes"],
    ],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  proxy_get_buffer_status: {
    since: "0.1.0",
    group: "buffers",
    params: [
      ["type", "bufferType"],
      ["length", "outU32"],
      ["flags", "outU32"],
    ],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  proxy_set_buffer_bytes: {
    since: "0.1.0",
    group: "buffers",
    params: [
      ["type", "bufferType"],
      ["start", "u32"],
      ["length", "u32"],
      ["data", "bytes"],
    ],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  proxy_get_header_map_pairs: {
    since: "0.1.0",
    group: "headers",
    params: [
      ["map", "mapType"],
      ["pairs", "outBytes"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
  proxy_set_header_map_pairs: {
    since: "0.1.0",
    group: "headers",
    params: [
      ["map", "mapType"],
      ["pairs", "pairs"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
  proxy_get_header_map_size: {
    since: "0.1.0",
    group: "headers",
    params: [
      ["map", "mapType"],
      ["size", "outU32"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
  proxy_get_header_map_value: {
    since: "0.1.0",
    group: "headers",
    params: [
      ["map", "mapType"],
      ["key", "bytes"],
      ["value", "outBytes"],
    ],
    statuses: ["ok", "notFound", "badArgument", "invalidMemoryAccess"],
  },
  proxy_add_header_map_value: {
    since: "0.1.0",
    group: "headers",
    params: [
      ["map", "mapType"],
      ["key", "bytes"],
      ["value", "bytes"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
  proxy_replace_header_map_value: {
    since: "0.1.0",
    group: "headers",
    params: [
      ["map", "mapType"],
      ["key", "bytes"],
      ["value", "bytes"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
  proxy_remove_header_map_value: {
    since: "0.1.0",
    group: "headers",
    params: [
      ["map", "mapType"],
      ["key", "bytes"],
    ],
    statuses: ["ok", "badArgument", "invalidMemoryAccess"],
  },
  proxy_continue_stream: {
    since: "0.2.0",
    group: "stream",
    params: [["type", "streamType"]],
    statuses: ["ok", "badArgument"],
  },
  proxy_close_stream: {
    since: "0.2.0",
    group: "stream",
    params: [["type", "streamType"]],
    statuses: ["ok", "badArgument"],
  },
  proxy_continue_request: {
    since: "0.1.0",
    group: "stream",
    params: [],
    statuses: ["ok"],
  },
  proxy_continue_response: {
    since: "0.1.0",
    group: "stream",
    params: [],
    statuses: ["ok"],
  },
  proxy_clear_route_cache: {
    since: "0.1.0",
    group: "stream",
    params: [],
    statuses: ["ok"],
  },
  proxy_send_local_response: {
    since: "0.1.0",
    group: "localReply",
    params: [
      ["status", "u32"],
      ["details", "bytes"],
      ["body", "bytes"],
      ["headers", "pairs"],
      ["grpc_status", "i32"],
    ],
    statuses: ["ok", "invalidMemoryAccess"],
  },
  proxy_set_effective_context: {
    since: "0.1.0",
    group: "context",
    params: [["context_id", "u32"]],
    statuses: ["ok", "badArgument"],
  },
  proxy_done: {
    since: "0.1.0",
    group: "context",
    params: [],
    statuses: ["ok", "notFound"],
  },
  proxy_call_foreign_function: {
    since: "0.1.0",
    group: "foreign",
    params: [
      ["name", "bytes"],
      ["arguments", "bytes"],
      ["result", "outBytes"],
    ],
    statuses: [
      "ok",
      "notFound",
      "badArgument",
      "serializationFailure",
      "internalFailure",
      "invalidMemoryAccess",
    ],
  },
} as const satisfies Record<string, HostcallSpec>;
