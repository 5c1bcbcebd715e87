/** Properties of every kind, read in a request, a response and at the end. */
import {
  type CaseGroup,
  type DifferentialCase,
  exchange,
  GET,
  post,
  RESPONSE,
  type ScriptStep,
  send,
  single,
} from "../case.ts";
import type { Step } from "../program.ts";

const get = (path: string): Step => ["proxy_get_property", path.replaceAll(".", "\0")];
const getAll = (paths: readonly string[]): readonly Step[] => paths.map(get);

/** Read where it is asked for most: at both heads, and when the stream is logged. */
function reading(
  name: string,
  shows: string,
  paths: readonly string[],
  script: readonly ScriptStep[] = exchange(),
): DifferentialCase {
  const steps = getAll(paths);
  return single(
    `property-${name}`,
    shows,
    {
      proxy_on_request_headers: { steps },
      proxy_on_response_headers: { steps },
      proxy_on_log: { steps },
    },
    { script },
  );
}

const RICH =
  "POST /a/b?x=1&y=2#frag HTTP/1.1\r\nhost: Case.Test:80\r\nreferer: http://r/\r\n" +
  "user-agent: agent/1\r\nx-many: 1\r\nx-many: 2\r\nX-Mixed: v\r\nx-empty:\r\ncontent-length: 4\r\n\r\nbody";

const STREAM: readonly DifferentialCase[] = [
  reading(
    "request",
    "what the request is",
    [
      "request.path",
      "request.url_path",
      "request.query",
      "request.host",
      "request.scheme",
      "request.method",
      "request.referer",
      "request.useragent",
      "request.protocol",
    ],
    exchange(RICH.replace("#frag", "")),
  ),
  reading(
    "request-plain",
    "what a bare request is",
    ["request.query", "request.referer", "request.useragent", "request.id", "request.url_path"],
    exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
  ),
  reading(
    "request-headers",
    "headers by name",
    [
      "request.headers.x-many",
      "request.headers.X-Mixed",
      "request.headers.x-mixed",
      "request.headers.x-empty",
      "request.headers.absent",
      "request.headers.:path",
      "request.headers.host",
    ],
    exchange(RICH.replace("#frag", "")),
  ),
  reading(
    "request-sizes",
    "sizes of the request",
    ["request.headers_bytes", "request.size", "request.total_size"],
    exchange(post("body")),
  ),
  reading("request-times", "times of the request", ["request.time", "request.duration"]),
  reading("response", "what the response is", [
    "response.code",
    "response.code_details",
    "response.flags",
    "response.grpc_status",
    "response.headers.content-length",
    "response.headers.absent",
    "response.trailers.absent",
    "response.size",
    "response.backend_latency",
  ]),
  reading(
    "response-grpc",
    "the gRPC status of the response",
    ["response.grpc_status"],
    exchange(
      GET,
      "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ncontent-length: 0\r\n\r\n",
    ),
  ),
  reading("connection", "what the connection is", [
    "connection.mtls",
    "connection.requested_server_name",
    "connection.tls_version",
    "connection.subject_local_certificate",
    "connection.subject_peer_certificate",
    "connection.dns_san_peer_certificate",
    "connection.uri_san_local_certificate",
    "connection.sha256_peer_certificate_digest",
    "connection.termination_details",
    "connection.transport_failure_reason",
  ]),
  reading("connection-id", "ids of the connection", ["connection.id", "connection_id"]),
  reading("addresses", "addresses of both sides", [
    "source.address",
    "source.port",
    "destination.address",
    "destination.port",
  ]),
  reading("upstream", "what the upstream is", [
    "upstream.address",
    "upstream.port",
    "upstream.local_address",
    "upstream.transport_failure_reason",
    "upstream.request_attempt_count",
    "upstream.num_endpoints",
    "upstream.cx_pool_ready_duration",
    "upstream.tls_version",
    "upstream.subject_peer_certificate",
    "upstream.locality",
  ]),
  single(
    "property-upstream-failed",
    "what is known of an upstream that nobody serves",
    {
      proxy_on_log: {
        steps: getAll([
          "response.code",
          "response.flags",
          "response.code_details",
          "upstream.address",
          "upstream.transport_failure_reason",
          "upstream.request_attempt_count",
        ]),
      },
    },
    { route: { route: { cluster: "dead" } }, script: [send(GET), RESPONSE] },
  ),
  reading("xds", "what the configuration calls it", [
    "xds.cluster_name",
    "xds.route_name",
    "xds.virtual_host_name",
    "xds.filter_chain_name",
    "xds.listener_direction",
    "xds.cluster_metadata",
    "xds.route_metadata",
    "xds.listener_metadata",
    "xds.upstream_host_metadata",
    "xds.node.id",
    "xds.node.cluster",
    "xds.node.locality.zone",
    "xds.node.metadata",
    "xds.node.absent",
  ]),
  reading("legacy", "names of older filters", [
    "node.id",
    "cluster_name",
    "route_name",
    "listener_direction",
    "listener_metadata",
    "route_metadata",
    "cluster_metadata",
    "upstream_host_metadata",
  ]),
  reading("metadata", "dynamic metadata and filter state that are not there", [
    "metadata",
    "metadata.filter_metadata",
    "metadata.filter_metadata.absent",
    "filter_state",
    "filter_state.absent",
    "upstream_filter_state",
  ]),
  reading("whole-objects", "objects as a whole", [
    "request",
    "response",
    "connection",
    "upstream",
    "source",
    "destination",
    "xds",
  ]),
  reading("unknown", "names that there are not", [
    "nothing",
    "request.nothing",
    "response.code.deeper",
    "source.address.deeper",
    "xds.nothing",
    "connection.nothing",
  ]),
];

const OWN: readonly DifferentialCase[] = [
  single("property-set-and-get", "a property that the filter sets", {
    proxy_on_request_headers: {
      steps: [
        get("mine"),
        ["proxy_set_property", "mine", "one"],
        get("mine"),
        ["proxy_set_property", "mine", "two"],
        get("mine"),
        ["proxy_set_property", "empty", ""],
        get("empty"),
        get("filter_state.wasm"),
        ["proxy_get_property", "filter_state\0wasm.mine"],
      ],
    },
    proxy_on_response_headers: { steps: [get("mine")] },
    proxy_on_log: { steps: [get("mine")] },
  }),
  single("property-set-built-in", "a built-in name is set", {
    proxy_on_request_headers: {
      steps: [
        ["proxy_set_property", "request\0path", "/changed"],
        get("request.path"),
        ["proxy_set_property", "plugin_name", "changed"],
        get("plugin_name"),
      ],
    },
  }),
  single("property-set-parts", "a name of several parts", {
    proxy_on_request_headers: {
      steps: [
        ["proxy_set_property", "a\0b", "value"],
        get("a.b"),
        get("a"),
        ["proxy_get_property", "a\0b\0"],
      ],
    },
  }),
  single("property-trailing-nul", "names with NULs at their ends", {
    proxy_on_request_headers: {
      steps: [
        ["proxy_get_property", "request\0path\0"],
        ["proxy_get_property", "request\0path\0\0"],
      ],
    },
  }),
  single("property-declared", "a property that is declared read-only", {
    proxy_on_request_headers: {
      steps: [
        ["proxy_call_foreign_function", "declare_property", "\x0a\x02ro\x10\x01"],
        ["proxy_call_foreign_function", "declare_property", "\x0a\x02ro\x10\x01"],
        ["proxy_set_property", "ro", "one"],
        ["proxy_set_property", "ro", "two"],
        get("ro"),
      ],
    },
  }),
];

export const PROPERTY_CASES: CaseGroup = {
  name: "properties",
  cases: [...STREAM, ...OWN],
};
