/**
 * What only the whole configuration and the files it names can tell.
 */
import { describe } from "node:test";
import { ROUTER, WASM, wasmFilter } from "./bootstrap-text.ts";
import type { Row } from "./problem-rows.ts";
import { log, match, ROUTE, route, runRows, tls } from "./problem-rows.ts";

const endpoint = (fields: string) => ({ endpoint: fields });

const ROWS: readonly Row[] = [
  ["a missing cluster", route("cluster: b # <<"), "route.cluster", 'no cluster "b"'],
  [
    "a missing weighted cluster",
    route("weighted_clusters: {clusters: [{name: b, weight: 1}]} # <<"),
    "clusters[0].name",
    "the clusters are a",
  ],
  [
    "weights that sum to 0",
    route("weighted_clusters: {clusters: [{name: a}]} # <<"),
    "clusters",
    "sum to 0",
  ],
  [
    "a wrong total weight",
    route("weighted_clusters: {clusters: [{name: a, weight: 3}], total_weight: 2} # <<"),
    "total_weight",
    "sum to 3",
  ],
  ["two clusters of one name", { clusters: "- name: a # <<" }, "clusters[1].name", "two clusters"],
  [
    "a chain without a router",
    { router: wasmFilter().replace("- name: w", "- name: w # <<") },
    "http_filters[0]",
    "router",
  ],
  ["no filters at all", { router: "", filtersMark: " [] # <<" }, "http_filters", "no router"],
  [
    "a missing module",
    { filters: wasmFilter().replace("ok.wasm}}", "no.wasm}} # <<") },
    "code.local.filename",
    "does not exist",
  ],
  [
    "a file that is not Wasm",
    { filters: wasmFilter().replace("ok.wasm}}", "text.wasm}} # <<") },
    "code.local.filename",
    "not a WebAssembly module",
  ],
  [
    "inline code that is not Wasm",
    { filters: wasmFilter().replace("{filename: ok.wasm}}", "{inline_string: hello}} # <<") },
    "local.inline_string",
    "not a WebAssembly module",
  ],
  [
    "a plugin without a VM",
    { filters: `- name: w\n  typed_config:\n    "@type": ${WASM}\n    config: {name: p} # <<` },
    "vm_config",
    "required",
  ],
  [
    "fail_open beside failure_policy",
    { filters: wasmFilter("fail_open: true # <<\nfailure_policy: FAIL_CLOSED") },
    "fail_open",
    "keep failure_policy",
  ],
  [
    "an environment key in both lists",
    {
      filters: wasmFilter(
        "",
        "environment_variables: {host_env_keys: [A], key_values: {A: x}} # <<",
      ),
    },
    "host_env_keys[0]",
    '"A"',
  ],
  ["a bad regex", match('safe_regex: {regex: "("} # <<'), "safe_regex.regex", "invalid"],
  [
    "a regex with a backreference",
    match("safe_regex: {regex: '(a)\\1'} # <<"),
    "safe_regex.regex",
    "RE2",
  ],
  [
    "a bad header regex",
    match('prefix: /\nheaders: [{name: x, string_match: {safe_regex: {regex: "["}}}] # <<'),
    "headers[0].string_match.safe_regex.regex",
    "invalid",
  ],
  [
    "a substitution of a missing group",
    route("cluster: a\nregex_rewrite: {pattern: {regex: a}, substitution: '\\1'} # <<"),
    "substitution",
    "has only 0",
  ],
  [
    "two rewrites",
    route(
      "cluster: a\nprefix_rewrite: /x\nregex_rewrite: {pattern: {regex: a}, substitution: b} # <<",
    ),
    "regex_rewrite",
    "both set",
  ],
  [
    "an unknown operator in a header",
    { host: "request_headers_to_add: [{header: {key: a, value: '%NOPE%'}}] # <<" },
    "header.value",
    "%NOPE%",
  ],
  [
    "an unknown operator in a log",
    log(
      "stream.v3.StdoutAccessLog",
      'log_format: {text_format_source: {inline_string: "%REQ%"}} # <<',
    ),
    "text_format_source",
    "needs an argument",
  ],
  [
    "an unknown operator in JSON",
    log("stream.v3.StdoutAccessLog", 'log_format: {json_format: {a: {b: "100%"}}} # <<'),
    "json_format.a.b",
    "%%",
  ],
  [
    "a protected header",
    { host: "request_headers_to_add: [{header: {key: Host, value: x}}] # <<" },
    "header.key",
    "host_rewrite_literal",
  ],
  [
    "removing a pseudo-header",
    { host: 'request_headers_to_remove: [":path"] # <<' },
    "request_headers_to_remove[0]",
    "removed",
  ],
  [
    "append and append_action",
    {
      host: "request_headers_to_add: [{header: {key: a, value: x}, append: true, append_action: ADD_IF_ABSENT}] # <<",
    },
    "append",
    "both set",
  ],
  [
    "a host name in a STATIC cluster",
    endpoint("address: {socket_address: {address: example.com, port_value: 80}} # <<"),
    "socket_address.address",
    "STRICT_DNS",
  ],
  [
    "a LOGICAL_DNS cluster with no endpoint",
    { clusters: "- name: b # <<\n  type: LOGICAL_DNS" },
    "load_assignment.endpoints",
    "exactly one",
  ],
  [
    "a direct response past the limit",
    {
      table: "max_direct_response_body_size_bytes: 3",
      routes: `- ${ROUTE}\n  direct_response: {status: 200, body: {inline_string: abcd}} # <<`,
    },
    "body",
    "at most 3",
  ],
  [
    "a body file that is not there",
    { routes: `- ${ROUTE}\n  direct_response: {status: 200, body: {filename: no.txt}} # <<` },
    "body.filename",
    "does not exist",
  ],
  [
    "an environment variable that is not set",
    {
      routes: `- ${ROUTE}\n  direct_response: {status: 200, body: {environment_variable: GRANARY_NOT_SET}} # <<`,
    },
    "environment_variable",
    "not set",
  ],
  [
    "TLS without a certificate",
    { chain: tls("common_tls_context: {} # <<") },
    "tls_certificates",
    "required",
  ],
  [
    "a certificate that is not there",
    {
      chain: tls(
        "common_tls_context:\n  tls_certificates:\n  - certificate_chain: {filename: no.pem} # <<\n    private_key: {filename: key.pem}",
      ),
    },
    "certificate_chain.filename",
    "does not exist",
  ],
  [
    "a certificate that does not load",
    {
      chain: tls(
        "common_tls_context:\n  tls_certificates:\n  - certificate_chain: {filename: key.pem} # <<\n    private_key: {filename: key.pem}",
      ),
    },
    "certificate_chain",
    "do not load",
  ],
  [
    "a certificate without a key",
    {
      chain: tls(
        "common_tls_context:\n  tls_certificates:\n  - certificate_chain: {filename: cert.pem} # <<",
      ),
    },
    "private_key",
    "required",
  ],
  [
    "the wrong side's TLS context",
    {
      cluster: tls("{} # <<")
        .replace("\n    {} # <<", "")
        .replace("typed_config:", "typed_config: # <<"),
    },
    "typed_config",
    "UpstreamTlsContext",
  ],
  [
    "client certificates without a CA",
    {
      chain: tls(
        "require_client_certificate: true # <<\ncommon_tls_context:\n  tls_certificates:\n  - certificate_chain: {filename: cert.pem}\n    private_key: {filename: key.pem}",
      ),
    },
    "require_client_certificate",
    "trusted_ca",
  ],
  [
    "names to verify without a CA",
    {
      cluster: tls(
        "common_tls_context:\n  validation_context:\n    match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: x}}] # <<",
        "Upstream",
      ),
    },
    "match_typed_subject_alt_names",
    "CA",
  ],
  [
    "a cipher nobody has",
    { cluster: tls("common_tls_context: {tls_params: {cipher_suites: [NOPE]}} # <<", "Upstream") },
    "cipher_suites",
    "NOPE",
  ],
  [
    "a TLS minimum above the maximum",
    {
      cluster: tls(
        "common_tls_context: {tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2}} # <<",
        "Upstream",
      ),
    },
    "tls_minimum_protocol_version",
    "above",
  ],
  ["a domain twice", { table: "name: t", domains: '["*", x, X] # <<' }, "domains[2]", "already"],
  ["a domain with a star inside", { domains: '["a*b"] # <<' }, "domains[0]", "domain pattern"],
  [
    "a router before the end",
    { filters: `- name: r # <<\n  typed_config: {"@type": ${ROUTER}}` },
    "http_filters[0]",
    "move it",
  ],
  [
    "only disabled filters",
    { router: "- {name: r, disabled: true}", filtersMark: " # <<" },
    "http_filters",
    "no router",
  ],
  [
    "a filter without typed_config",
    { filters: "- name: x # <<" },
    "http_filters[0].typed_config",
    "required",
  ],
  [
    "a module that the checker refuses",
    { filters: wasmFilter().replace("ok.wasm}}", "bad.wasm}} # <<") },
    "filename",
    "no ABI marker",
  ],
];

describe("the meaning of a configuration", () => runRows(ROWS));
