/** Header maps at their edges: what is read, added, replaced, removed and set as a whole. */
import {
  answer,
  type CaseGroup,
  type DifferentialCase,
  exchange,
  GET,
  QUIET,
  RESPONSE,
  type ScriptStep,
  send,
  single,
  UPSTREAM_REQUEST,
} from "../case.ts";
import { OUTSIDE, type Pairs, rawSlice, type Step } from "../program.ts";

const MAX = 0xffffffff;

const onRequest = (
  name: string,
  shows: string,
  steps: readonly Step[],
  script: readonly ScriptStep[] = exchange(),
): DifferentialCase =>
  single(
    `header-${name}`,
    shows,
    { proxy_on_request_headers: { steps: [...steps, ["proxy_get_header_map_pairs", 0]] } },
    { script },
  );

const UP = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-up: 1\r\n\r\nhello";

const onResponse = (
  name: string,
  shows: string,
  steps: readonly Step[],
  played: { readonly head?: string; readonly last?: ScriptStep } = {},
): DifferentialCase =>
  single(
    `header-response-${name}`,
    shows,
    { proxy_on_response_headers: { steps: [...steps, ["proxy_get_header_map_pairs", 2]] } },
    {
      script: [send(GET), UPSTREAM_REQUEST, answer(played.head ?? UP), played.last ?? RESPONSE],
    },
  );

const request = (fields: string, line = "GET /path?q=1 HTTP/1.1"): readonly ScriptStep[] =>
  exchange(`${line}\r\nhost: case.test\r\n${fields}\r\n`);

const get = (key: string): Step => ["proxy_get_header_map_value", 0, key];
const add = (key: string, value: string): Step => ["proxy_add_header_map_value", 0, key, value];
const replace = (key: string, value: string): Step => [
  "proxy_replace_header_map_value",
  0,
  key,
  value,
];
const remove = (key: string): Step => ["proxy_remove_header_map_value", 0, key];

const READS: readonly DifferentialCase[] = [
  onRequest(
    "duplicates",
    "of repeated headers the first is read",
    [get("x-many"), get("X-MANY")],
    request("X-Many: one\r\nx-many: two\r\nx-Many: three\r\n"),
  ),
  onRequest("empty", "an empty value", [get("x-empty")], request("x-empty:\r\nx-space:   \r\n")),
  onRequest(
    "binary",
    "bytes above ASCII",
    [get("x-bytes")],
    request("x-bytes: \xe9\xff\x80 caf\xc3\xa9\r\n"),
  ),
  onRequest(
    "cookies",
    "several cookies",
    [get("cookie")],
    request("cookie: a=1\r\ncookie: b=2\r\n"),
  ),
  onRequest("host", "host is :authority", [get("host"), get(":authority")]),
  onRequest("pseudo", "pseudo-headers are there", [
    get(":method"),
    get(":path"),
    get(":scheme"),
    get(":authority"),
    get(":protocol"),
    get(":status"),
  ]),
  onRequest(
    "hop-by-hop",
    "fields of the connection",
    [get("connection"), get("keep-alive"), get("te"), get("upgrade"), get("proxy-connection")],
    request(
      "connection: keep-alive, x-hop\r\nkeep-alive: timeout=5\r\nte: trailers\r\nx-hop: 1\r\n",
    ),
  ),
  onRequest(
    "transfer-encoding",
    "transfer-encoding of a chunked request",
    [get("transfer-encoding"), get("content-length")],
    exchange(
      "POST /p HTTP/1.1\r\nhost: case.test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ),
  ),
  onRequest("key-empty", "an empty key", [get(""), remove("")]),
  onRequest("misuse", "keys, values and results outside the memory", [
    ["proxy_get_header_map_value", 0, OUTSIDE],
    ["proxy_get_header_map_value", 0, ":path", { outs: [MAX, MAX] }],
    ["proxy_get_header_map_pairs", 0, { outs: [0x7ffffff0, 128] }],
    ["proxy_get_header_map_size", 0, { outs: [MAX] }],
    ["proxy_add_header_map_value", 0, OUTSIDE, "v"],
    ["proxy_add_header_map_value", 0, "k", OUTSIDE],
    ["proxy_replace_header_map_value", 0, OUTSIDE, "v"],
    ["proxy_replace_header_map_value", 0, "k", OUTSIDE],
    ["proxy_remove_header_map_value", 0, OUTSIDE],
    ["proxy_set_header_map_pairs", 0, OUTSIDE],
  ]),
  onRequest("no-such-map", "maps that there are not", [
    ["proxy_get_header_map_value", 8, "k"],
    ["proxy_get_header_map_value", MAX, "k"],
    ["proxy_get_header_map_pairs", 8],
    ["proxy_get_header_map_size", 8],
    ["proxy_add_header_map_value", 8, "k", "v"],
    ["proxy_replace_header_map_value", 8, "k", "v"],
    ["proxy_remove_header_map_value", 8, "k"],
    ["proxy_set_header_map_pairs", 8, [["a", "b"]]],
  ]),
  ...[4, 5, 6, 7].map((map) =>
    onRequest(`callout-map-${map}`, `map ${map} outside its callback`, [
      ["proxy_get_header_map_value", map, "k"],
      ["proxy_get_header_map_pairs", map],
      ["proxy_get_header_map_size", map],
      ["proxy_add_header_map_value", map, "k", "v"],
      ["proxy_replace_header_map_value", map, "k", "v"],
      ["proxy_remove_header_map_value", map, "k"],
      ["proxy_set_header_map_pairs", map, [["a", "b"]]],
    ]),
  ),
];

const WRITES: readonly DifferentialCase[] = [
  onRequest("add-upper", "names are lower-cased", [add("X-Upper", "V"), get("x-upper")]),
  onRequest("add-again", "adding appends", [add("x-two", "1"), add("x-two", "2"), get("x-two")]),
  onRequest(
    "add-inline",
    "adding to fields that Envoy keeps inline",
    [
      add("user-agent", "more"),
      add("content-type", "text/b"),
      add("accept", "b"),
      add("cookie", "b=2"),
    ],
    request("user-agent: first\r\ncontent-type: text/a\r\naccept: a\r\ncookie: a=1\r\n"),
  ),
  onRequest("add-path", "adding to :path", [add(":path", "/other")]),
  onRequest("add-authority", "adding to :authority", [add(":authority", "other.test")]),
  onRequest(
    "add-content-length",
    "adding to content-length",
    [add("content-length", "9")],
    exchange("POST /p HTTP/1.1\r\nhost: case.test\r\ncontent-length: 2\r\n\r\nab"),
  ),
  onRequest(
    "replace-many",
    "replacing takes all of a name",
    [replace("x-many", "new"), get("x-many")],
    request("x-many: one\r\nx-other: 1\r\nx-many: two\r\n"),
  ),
  onRequest("replace-absent", "replacing adds", [replace("x-new", "v")]),
  onRequest("replace-line", "the request line is replaced", [
    replace(":path", "/new?x=y"),
    replace(":method", "PUT"),
    replace(":authority", "new.test"),
    replace(":scheme", "https"),
  ]),
  onRequest("replace-host", "host is replaced", [replace("host", "new.test"), get(":authority")]),
  onRequest("replace-empty", "an empty value", [replace("x-empty", "")]),
  onRequest(
    "remove-many",
    "removing takes all of a name",
    [remove("X-Many"), get("x-many")],
    request("x-many: one\r\nx-many: two\r\n"),
  ),
  ...[":path", ":method", ":authority", ":scheme"].map((name) =>
    onRequest(`remove-${name.slice(1)}`, `${name} is removed`, [remove(name)], [send(GET), QUIET]),
  ),
  onRequest("remove-host", "host is removed", [remove("host")], [send(GET), QUIET]),
  onRequest(
    "value-with-newline",
    "a value with a line break",
    [add("x-bad", "a\r\nx-injected: 1")],
    [send(GET), QUIET],
  ),
  onRequest("value-with-nul", "a value with NUL", [add("x-bad", "a\0b")], [send(GET), QUIET]),
  onRequest("name-with-space", "a name with a space", [add("x bad", "v")], [send(GET), QUIET]),
  onRequest("name-with-colon", "a name with a colon", [add("x:bad", "v")], [send(GET), QUIET]),
  onRequest("value-high-bytes", "a value of high bytes", [add("x-high", "\xe9\xff")]),
];

const SETS: readonly (readonly [string, string, Pairs | string])[] = [
  [
    "whole",
    "a whole map",
    [
      [":method", "GET"],
      [":path", "/set"],
      [":authority", "set.test"],
      [":scheme", "http"],
      ["X-Set", "1"],
      ["x-set", "2"],
    ],
  ],
  [
    "without-path",
    "a map without :path",
    [
      [":method", "GET"],
      [":authority", "a.test"],
    ],
  ],
  ["nothing", "an empty list", []],
  ["truncated", "a list that is cut short", "\x02\0\0\0\x01\0\0\0"],
  ["garbage", "bytes that are no list", "garbage garbage"],
  ["no-bytes", "no bytes at all", ""],
];

const SET_CASES = SETS.flatMap(([name, shows, pairs]) => [
  onRequest(
    `set-${name}`,
    `request headers are set: ${shows}`,
    [["proxy_set_header_map_pairs", 0, pairs]],
    [send(GET), QUIET],
  ),
]);

const ON_RESPONSE: readonly DifferentialCase[] = [
  onResponse("add", "a response header is added", [
    ["proxy_add_header_map_value", 2, "X-Added", "1"],
    ["proxy_add_header_map_value", 2, "set-cookie", "a=1"],
    ["proxy_add_header_map_value", 2, "set-cookie", "b=2"],
  ]),
  onResponse("server", "server and date are set by the filter", [
    ["proxy_replace_header_map_value", 2, "server", "mine"],
    ["proxy_replace_header_map_value", 2, "date", "today"],
  ]),
  onResponse("status", "the status is replaced", [
    ["proxy_replace_header_map_value", 2, ":status", "404"],
  ]),
  onResponse(
    "status-add",
    "a status is added",
    [["proxy_add_header_map_value", 2, ":status", "404"]],
    { last: QUIET },
  ),
  ...["99", "1000", "abc", ""].map((status) =>
    onResponse(
      `status-is-${status === "" ? "empty" : status}`,
      `the status ${JSON.stringify(status)}`,
      [["proxy_replace_header_map_value", 2, ":status", status]],
      { last: QUIET },
    ),
  ),
  onResponse(
    "status-removed",
    "the status is removed",
    [["proxy_remove_header_map_value", 2, ":status"]],
    { last: QUIET },
  ),
  onResponse("remove-length", "content-length is removed", [
    ["proxy_remove_header_map_value", 2, "content-length"],
  ]),
  onResponse(
    "wrong-length",
    "content-length is more than the body",
    [["proxy_replace_header_map_value", 2, "content-length", "9"]],
    { last: QUIET },
  ),
  onResponse("set", "all response headers are set", [
    [
      "proxy_set_header_map_pairs",
      2,
      [
        [":status", "201"],
        ["x-only", "this"],
      ],
    ],
  ]),
  onResponse(
    "set-garbage",
    "response headers are set to no list",
    [["proxy_set_header_map_pairs", 2, "garbage"]],
    { last: QUIET },
  ),
  onResponse(
    "value-with-newline",
    "a value with a line break",
    [["proxy_add_header_map_value", 2, "x-bad", "a\r\nx-injected: 1"]],
    { last: QUIET },
  ),
  onResponse(
    "duplicates",
    "repeated response headers",
    [["proxy_get_header_map_value", 2, "set-cookie"]],
    {
      head: "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nset-cookie: a\r\nset-cookie: b\r\nvary: x\r\nVary: y\r\n\r\nhello",
    },
  ),
  onResponse(
    "connection",
    "fields of the upstream's connection",
    [["proxy_get_header_map_value", 2, "connection"]],
    {
      head: "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\nkeep-alive: timeout=1\r\nproxy-authenticate: x\r\n\r\nhello",
    },
  ),
  onResponse("no-reason", "a status line without a reason", [], { head: "HTTP/1.1 204 \r\n\r\n" }),
  onResponse("head-with-slice", "an empty slice as a value", [
    ["proxy_add_header_map_value", 2, "x-none", rawSlice(0, 0)],
  ]),
];

const REROUTED: readonly DifferentialCase[] = [
  single(
    "header-reroute",
    "a new path is routed anew",
    { proxy_on_request_headers: { steps: [replace(":path", "/other")] } },
    {
      script: [send(GET), RESPONSE],
      hcm: {
        route_config: {
          name: "local_route",
          virtual_hosts: [
            {
              name: "all",
              domains: ["*"],
              routes: [
                {
                  match: { prefix: "/other" },
                  direct_response: { status: 210, body: { inline_string: "other" } },
                },
                { match: { prefix: "/" }, route: { cluster: "upstream" } },
              ],
            },
          ],
        },
      },
    },
  ),
  single(
    "header-no-upstream",
    "a cluster that nobody serves",
    {},
    {
      script: [send(GET), RESPONSE],
      route: { route: { cluster: "dead" } },
    },
  ),
];

export const HEADER_CASES: CaseGroup = {
  name: "headers",
  cases: [...READS, ...WRITES, ...SET_CASES, ...ON_RESPONSE, ...REROUTED],
};
