/** Metrics, shared data, queues, foreign functions, and the other calls that need no stream. */
import {
  answer,
  type CaseGroup,
  type DifferentialCase,
  exchange,
  GET,
  HELLO,
  logged,
  QUIET,
  RESPONSE,
  type ScriptStep,
  send,
  single,
  UPSTREAM_CLOSES,
  UPSTREAM_REQUEST,
} from "../case.ts";
import {
  EDGE,
  lastResult,
  OUTSIDE,
  outPlace,
  type Pairs,
  type Program,
  rawSlice,
  type Step,
  variable,
} from "../program.ts";

const TOGETHER = { outs: [outPlace(0), outPlace(0)] };

const onHeaders = (name: string, shows: string, steps: readonly Step[]): DifferentialCase =>
  single(name, shows, { proxy_on_request_headers: { steps } });

const METRICS: readonly DifferentialCase[] = (["counter", "gauge", "histogram"] as const).map(
  (kind, type) =>
    onHeaders(`metric-${kind}`, `a ${kind}`, [
      ["proxy_define_metric", type, `diff_${kind}`],
      ["save", 1, lastResult(0)],
      ["proxy_get_metric", variable(1)],
      ["proxy_increment_metric", variable(1), 5],
      ["proxy_increment_metric", variable(1), 0],
      ["proxy_increment_metric", variable(1), -2],
      ["proxy_get_metric", variable(1)],
      ["proxy_record_metric", variable(1), 7],
      ["proxy_get_metric", variable(1)],
    ]),
);

const METRIC_MISUSE: readonly DifferentialCase[] = [
  onHeaders("metric-misuse", "metrics that there are not", [
    ["proxy_define_metric", 3, "x"],
    ["proxy_define_metric", 0xffffffff, "x"],
    ["proxy_define_metric", 0, OUTSIDE],
    ["proxy_define_metric", 0, "diff_nowhere", { outs: [EDGE] }],
    ["proxy_increment_metric", 0, 1],
    ["proxy_increment_metric", 4000, 1],
    ["proxy_increment_metric", 4001, 1],
    ["proxy_record_metric", 4000, 1],
    ["proxy_get_metric", 4000],
    ["proxy_get_metric", 4002],
    ["proxy_get_metric", 0xffffffff],
  ]),
];

const SHARED: readonly DifferentialCase[] = [
  onHeaders("shared-data", "a value, its cas, and a wrong cas", [
    ["proxy_get_shared_data", "key"],
    ["proxy_set_shared_data", "key", "one", 0],
    ["proxy_get_shared_data", "key"],
    ["save", 2, lastResult(2)],
    ["proxy_set_shared_data", "key", "two", variable(2)],
    ["proxy_set_shared_data", "key", "three", variable(2)],
    ["proxy_get_shared_data", "key"],
    ["proxy_set_shared_data", "absent", "four", 12345],
    ["proxy_get_shared_data", "absent"],
    ["proxy_set_shared_data", "empty", "", 0],
    ["proxy_get_shared_data", "empty"],
    ["proxy_set_shared_data", "", "no key", 0],
    ["proxy_get_shared_data", ""],
  ]),
  onHeaders("shared-data-misuse", "keys, values and results outside the memory", [
    ["proxy_get_shared_data", OUTSIDE],
    ["proxy_set_shared_data", OUTSIDE, "v", 0],
    ["proxy_set_shared_data", "k", OUTSIDE, 0],
    ["proxy_set_shared_data", "k", "v", 0],
    ["proxy_get_shared_data", "k", { outs: [0xffffffff, 128, 136] }],
    ["proxy_get_shared_data", "k", { outs: [128, 136, EDGE] }],
  ]),
  onHeaders("queue", "a queue is filled and emptied", [
    ["proxy_register_shared_queue", "q"],
    ["save", 1, lastResult(0)],
    ["proxy_resolve_shared_queue", "", "q"],
    ["proxy_resolve_shared_queue", "queue.own0", "q"],
    ["proxy_resolve_shared_queue", "other", "q"],
    ["proxy_resolve_shared_queue", "", "absent"],
    ["proxy_dequeue_shared_queue", variable(1)],
    ["proxy_enqueue_shared_queue", variable(1), "one"],
    ["proxy_enqueue_shared_queue", variable(1), ""],
    ["proxy_enqueue_shared_queue", variable(1), "three"],
    ["proxy_dequeue_shared_queue", variable(1)],
    ["proxy_dequeue_shared_queue", variable(1)],
    ["proxy_dequeue_shared_queue", variable(1)],
    ["proxy_dequeue_shared_queue", variable(1)],
  ]),
  onHeaders("queue-misuse", "queues that there are not", [
    ["proxy_enqueue_shared_queue", 999999, "x"],
    ["proxy_dequeue_shared_queue", 999999],
    ["proxy_enqueue_shared_queue", 0, "x"],
    ["proxy_dequeue_shared_queue", 0],
    ["proxy_register_shared_queue", OUTSIDE],
    ["proxy_resolve_shared_queue", OUTSIDE, "q"],
    ["proxy_register_shared_queue", "q2", { outs: [EDGE] }],
  ]),
  single(
    "queue-ready",
    "who registered a queue is told of a message",
    {
      proxy_on_request_headers: {
        steps: [
          ["proxy_register_shared_queue", "announced"],
          ["save", 1, lastResult(0)],
          ["proxy_enqueue_shared_queue", variable(1), "news"],
        ],
      },
      proxy_on_queue_ready: { steps: [["proxy_dequeue_shared_queue", variable(1)]] },
    },
    { script: [send(GET), UPSTREAM_REQUEST, logged('"news"'), answer(HELLO), RESPONSE] },
  ),
];

const call = (name: string, args = ""): Step => ["proxy_call_foreign_function", name, args];
const FOREIGN: readonly DifferentialCase[] = [
  onHeaders("foreign-compress", "compress and uncompress", [
    call("uncompress", "\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15"),
    call("uncompress", "garbage"),
    call("uncompress", ""),
    call("compress", ""),
  ]),
  onHeaders("foreign-route-cache", "clear_route_cache", [
    call("clear_route_cache"),
    call("clear_route_cache", "ignored"),
  ]),
  onHeaders("foreign-expressions", "expressions are made, evaluated and deleted", [
    call("expr_create", "request.path"),
    call("expr_create", "request.method == 'GET'"),
    call("expr_create", "1 +"),
    call("expr_create", ""),
    call("expr_evaluate", "\0\0\0\0"),
    call("expr_evaluate", "\x01\0\0\0"),
    call("expr_evaluate", "\x63\0\0\0"),
    call("expr_evaluate", "abc"),
    call("expr_delete", "\0\0\0\0"),
    call("expr_evaluate", "\0\0\0\0"),
    call("expr_delete", "\x63\0\0\0"),
    call("expr_delete", "x"),
  ]),
  onHeaders("foreign-signature", "signatures of nothing", [
    call("verify_signature", ""),
    call("verify_signature", "garbage"),
    call("sign", ""),
    call("sign", "garbage"),
  ]),
  onHeaders("foreign-filter-state", "filter state by its name", [
    call("set_envoy_filter_state", "garbage"),
    call("set_envoy_filter_state", "\x0a\x04none\x12\x01v"),
    call("set_envoy_filter_state", ""),
  ]),
];

const HEADERS: Pairs = [
  [":method", "GET"],
  [":path", "/callout"],
  [":authority", "callout.test"],
  ["X-Upper", "v"],
];
const httpCall = (cluster: string, headers: Pairs | string, body = "", timeout = 1000): Step => [
  "proxy_http_call",
  cluster,
  headers,
  body,
  "",
  timeout,
];
const answered: Program["proxy_on_http_call_response"] = {
  steps: [
    ["proxy_get_header_map_pairs", 6],
    ["proxy_get_header_map_value", 6, ":status"],
    ["proxy_get_buffer_bytes", 4, 0, 1000],
    ["proxy_get_buffer_status", 4],
    ["proxy_get_header_map_pairs", 7],
    ["proxy_get_status"],
    ["proxy_add_header_map_value", 6, "x", "y"],
    ["proxy_set_effective_context", variable(0)],
    ["proxy_add_header_map_value", 0, "x-callout", "done"],
    ["proxy_continue_stream", 0],
  ],
};
const calling = (step: Step): Program => ({
  proxy_on_request_headers: {
    steps: [["save", 0, { kind: "context", value: 0 }], step],
    returns: 1,
  },
  proxy_on_http_call_response: answered,
});

const callout = (
  name: string,
  shows: string,
  step: Step,
  script: readonly ScriptStep[],
): DifferentialCase => single(`callout-${name}`, shows, calling(step), { script });
const thenForwarded = [UPSTREAM_REQUEST, answer(HELLO), RESPONSE];

const CALLOUTS: readonly DifferentialCase[] = [
  callout(
    "answered",
    "a callout is answered while its stream waits",
    httpCall("upstream", HEADERS),
    [
      send(GET),
      UPSTREAM_REQUEST,
      answer("HTTP/1.1 201 Created\r\nx-called: 1\r\ncontent-length: 3\r\n\r\nyes"),
      ...thenForwarded,
    ],
  ),
  callout(
    "post",
    "a callout with a body",
    httpCall(
      "upstream",
      [
        [":method", "POST"],
        [":path", "/c"],
        [":authority", "c"],
      ],
      "call body",
    ),
    [send(GET), UPSTREAM_REQUEST, answer("HTTP/1.1 204 No Content\r\n\r\n"), ...thenForwarded],
  ),
  callout("refused", "a callout to a cluster that nobody serves", httpCall("dead", HEADERS), [
    send(GET),
    ...thenForwarded,
  ]),
  callout("reset", "a callout whose connection closes", httpCall("upstream", HEADERS), [
    send(GET),
    UPSTREAM_REQUEST,
    UPSTREAM_CLOSES,
    ...thenForwarded,
  ]),
  callout(
    "timeout",
    "a callout that is not answered in time",
    httpCall("upstream", HEADERS, "", 50),
    [send(GET), UPSTREAM_REQUEST, ...thenForwarded],
  ),
  callout("chunked", "a callout answered in chunks with trailers", httpCall("upstream", HEADERS), [
    send(GET),
    UPSTREAM_REQUEST,
    answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    ...thenForwarded,
  ]),
  single(
    "callout-misuse",
    "callouts that cannot be made",
    {
      proxy_on_request_headers: {
        steps: [
          httpCall("no such cluster", HEADERS),
          httpCall("upstream", [
            [":method", "GET"],
            [":authority", "a"],
          ]),
          httpCall("upstream", [
            [":path", "/"],
            [":authority", "a"],
          ]),
          httpCall("upstream", [
            [":method", "GET"],
            [":path", "/"],
          ]),
          httpCall("upstream", "garbage"),
          httpCall("upstream", ""),
          httpCall("upstream", HEADERS, "", -1),
          ["proxy_http_call", OUTSIDE, HEADERS, "", "", 100],
          ["proxy_http_call", "upstream", OUTSIDE, "", "", 100],
          ["proxy_http_call", "upstream", HEADERS, OUTSIDE, "", 100],
          ["proxy_http_call", "upstream", HEADERS, "", OUTSIDE, 100],
          ["proxy_http_call", "upstream", HEADERS, "", "", 100, { outs: [EDGE] }],
          ["proxy_get_status"],
          ["proxy_get_status", { outs: [EDGE, 128, 136] }],
        ],
      },
    },
    { script: [send(GET), UPSTREAM_REQUEST, answer(HELLO), QUIET] },
  ),
  single(
    "callout-reply",
    "a callout's answer decides for a local reply",
    {
      proxy_on_request_headers: {
        steps: [["save", 0, { kind: "context", value: 0 }], httpCall("upstream", HEADERS)],
        returns: 1,
      },
      proxy_on_http_call_response: {
        steps: [
          ["proxy_set_effective_context", variable(0)],
          ["proxy_send_local_response", 403, "denied", "no", "", -1],
        ],
      },
    },
    { script: [send(GET), UPSTREAM_REQUEST, answer(HELLO), RESPONSE] },
  ),
  single(
    "callout-outlives-stream",
    "a callout is answered when its stream has gone",
    {
      proxy_on_request_headers: { steps: [httpCall("upstream", HEADERS)] },
      proxy_on_http_call_response: answered,
    },
    { script: [send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), UPSTREAM_REQUEST, QUIET] },
  ),
];

const OTHERS: readonly DifferentialCase[] = [
  single(
    "tick-again",
    "a tick goes on until it is stopped",
    {
      proxy_on_configure: { steps: [["proxy_set_tick_period_milliseconds", 1]] },
      proxy_on_tick: [
        {
          nth: 3,
          steps: [
            ["proxy_set_tick_period_milliseconds", 0],
            ["proxy_log", 2, "guest stops"],
          ],
        },
        {},
      ],
    },
    { script: [logged("guest stops"), ...exchange()] },
  ),
  onHeaders("stream-types", "stream types that there are not", [
    ["proxy_close_stream", 4],
    ["proxy_close_stream", 0xffffffff],
    ["proxy_continue_stream", 4],
    ["proxy_continue_stream", 0xffffffff],
    ["proxy_continue_stream", 2],
    ["proxy_continue_stream", 3],
  ]),
  onHeaders("results-in-one-place", "results that lie over each other: the last one stays", [
    ["proxy_get_header_map_value", 0, ":path", TOGETHER],
    // As long as what stayed.
    ["proxy_set_property", "stayed", rawSlice(0, lastResult(0))],
    ["proxy_get_property", "stayed"],
    ["proxy_get_header_map_value", 0, "absent", TOGETHER],
    ["proxy_get_property", "plugin_root_id", TOGETHER],
    ["proxy_set_shared_data", "together", "value", 0],
    ["proxy_get_shared_data", "together", { outs: [outPlace(0), outPlace(0), outPlace(1)] }],
    ["proxy_get_shared_data", "together", { outs: [outPlace(0), outPlace(1), outPlace(1)] }],
    ["proxy_get_header_map_value", 0, ":path"],
  ]),
];

export const CALL_CASES: CaseGroup = {
  name: "calls",
  cases: [...METRICS, ...METRIC_MISUSE, ...SHARED, ...FOREIGN, ...OTHERS],
};

export const CALLOUT_CASES: CaseGroup = { name: "callouts", cases: CALLOUTS };
