/**
 * The text as such and its fields: what is unknown, of the wrong type, or there twice.
 */
import { describe } from "node:test";
import { WASM, wasmFilter } from "./bootstrap-text.ts";
import type { Row } from "./problem-rows.ts";
import { runRows } from "./problem-rows.ts";

const endpoint = (fields: string) => ({ endpoint: fields });

const ROWS: readonly Row[] = [
  ["an unknown field at the top", { top: "nodes: {id: x} # <<" }, "nodes", 'mean "node"?'],
  ["an unknown field", { listener: "adress: x # <<" }, "listeners[0].adress", 'mean "address"?'],
  ["an unknown field inside an Any", { hcm: "stat_prefx: x # <<" }, "stat_prefx", "HttpConnection"],
  [
    "an unknown field of a nested message",
    endpoint("adress: {} # <<"),
    "endpoint.adress",
    "unknown",
  ],
  ["@type outside an Any", { listener: '"@type": x # <<' }, "@type", "unknown field"],
  [
    "a key given twice",
    { listener: "per_connection_buffer_limit_bytes: 1\nper_connection_buffer_limit_bytes: 2 # <<" },
    "per_connection_buffer_limit_bytes",
    "twice",
  ],
  [
    "one field in both spellings",
    { hcm: "server_name: x\nserverName: y # <<" },
    "server_name",
    "twice",
  ],
  [
    "a map key given twice",
    { filters: wasmFilter("", "environment_variables:\n  key_values:\n    A: x\n    A: y # <<") },
    'key_values["A"]',
    "twice",
  ],
  ["a number where a string belongs", { hcm: "server_name: 12 # <<" }, "server_name", '"12"'],
  ["a boolean where a string belongs", { hcm: "via: true # <<" }, "via", "string"],
  [
    "a string where a boolean belongs",
    { hcm: 'use_remote_address: "yes" # <<' },
    "use_remote_address",
    "true or false",
  ],
  [
    "a word where a number belongs",
    { hcm: "xff_num_trusted_hops: many # <<" },
    "xff_num_trusted_hops",
    "whole number",
  ],
  [
    "a fraction where a whole number belongs",
    { hcm: "xff_num_trusted_hops: 1.5 # <<" },
    "xff_num_trusted_hops",
    "whole number",
  ],
  [
    "a negative unsigned number",
    { hcm: "xff_num_trusted_hops: -1 # <<" },
    "xff_num_trusted_hops",
    "out of range",
  ],
  [
    "a number past 32 bits",
    { listener: "tcp_backlog_size: 4294967296 # <<" },
    "tcp_backlog_size",
    "4294967295",
  ],
  [
    "a scalar where a mapping belongs",
    { hcm: "common_http_protocol_options: x # <<" },
    "common_http_protocol_options",
    "mapping",
  ],
  ["a mapping where a list belongs", { hcm: "access_log: {} # <<" }, "access_log", "a list"],
  [
    "a list where a scalar belongs",
    { hcm: "server_name: [x] # <<" },
    "server_name",
    "single value",
  ],
  ["an empty list item", { hcm: "access_log:\n- # <<" }, "access_log[0]", "empty"],
  ["an unknown enum value", { hcm: "codec_type: HTTP11 # <<" }, "codec_type", "mean HTTP1?"],
  ["an enum number that is not defined", { hcm: "codec_type: 17 # <<" }, "codec_type", "AUTO"],
  [
    "a duration in milliseconds",
    { hcm: "request_timeout: 250ms # <<" },
    "request_timeout",
    "0.25s",
  ],
  ["a bare number for a duration", { hcm: "request_timeout: 10 # <<" }, "request_timeout", "10s"],
  [
    "a duration out of range",
    { hcm: "request_timeout: 999999999999s # <<" },
    "request_timeout",
    "out of range",
  ],
  [
    "bytes that are no base64",
    { filters: wasmFilter().replace("{filename: ok.wasm}}", '{inline_bytes: "a*b"}} # <<') },
    "inline_bytes",
    "base64",
  ],
  ["two members of a oneof", { hcm: "rds: {} # <<" }, "rds", "route_specifier"],
  [
    "an Any without @type",
    { router: "- name: r\n  typed_config: {a: 1} # <<" },
    "typed_config",
    "@type",
  ],
  [
    "an unknown @type",
    { router: '- name: r\n  typed_config: {"@type": x.y/no.Such} # <<' },
    "@type",
    "not a type",
  ],
  [
    "an @type without a slash",
    { router: `- name: r\n  typed_config: {"@type": ${WASM.slice(20)}} # <<` },
    "@type",
    "type.googleapis.com/",
  ],
  [
    "a StringValue without value",
    {
      filters: wasmFilter(
        'configuration: {"@type": type.googleapis.com/google.protobuf.StringValue} # <<',
      ),
    },
    "configuration",
    '"value" is missing',
  ],
  ["YAML that does not parse", "a: [1\nb: 2 # <<", "", "YAML"],
  ["a tab as indentation", "static_resources:\n\tlisteners: [] # <<", "", "YAML"],
  ["two documents", "node: {id: x}\n--- # <<\nnode: {id: y}", "", "YAML"],
  ["a list as the whole", "- 1 # <<", "", "expected a mapping"],
  [
    "a listener without an address",
    { address: "address: # <<" },
    "listeners[0].address",
    "required",
  ],
  [
    "an admin address that is no IP",
    "admin:\n  address: {socket_address: {address: localhost, port_value: 1}} # <<",
    "socket_address.address",
    "IPv4",
  ],
  [
    "a listener on a host name",
    { address: "address: {socket_address: {address: localhost, port_value: 1}} # <<" },
    "socket_address.address",
    "IPv4",
  ],
  [
    "a cluster without a name",
    "static_resources:\n  clusters:\n  - type: STATIC # <<",
    "clusters[0].name",
    "must not be empty",
  ],
];

describe("the shape of a configuration", () => runRows(ROWS));
