/** Streams of HTTP/2 on either side: their fields, trailers, and resets at each moment. */
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import {
  answer,
  answerPart,
  type CaseGroup,
  type CaseRest,
  CLIENT_CLOSES,
  type DifferentialCase,
  GET,
  HELLO,
  logged,
  QUIET,
  RESPONSE,
  RESPONSE_HEAD,
  type ScriptStep,
  STREAM_OVER,
  type StreamPart,
  send,
  sendPart,
  single,
  UPSTREAM_HEAD,
  UPSTREAM_REQUEST,
  UPSTREAM_STREAM_OVER,
} from "../case.ts";
import type { Pairs, Program, Step } from "../program.ts";
import { SLEEP, wake } from "../ticks.ts";

const CANCEL = 8;
const REFUSED = 7;
const INTERNAL = 2;

/** The upstream speaks HTTP/2. */
const TO_H2: CaseRest = { route: { route: { cluster: "h2" } } };

const head = (method: string, more: Pairs = []): Pairs => [
  [":method", method],
  [":path", "/path?q=1"],
  [":scheme", "http"],
  [":authority", "case.test"],
  ...more,
];
const ASK = sendPart({ head: head("GET"), end: true });
const BEGIN = sendPart({ head: head("POST") });
const data = (text: string, more: StreamPart = {}): ScriptStep => sendPart({ ...more, data: text });
const OK: Pairs = [[":status", "200"]];
const begunAnswer: readonly ScriptStep[] = [
  answerPart({ head: OK }),
  QUIET,
  answerPart({ data: "some" }),
  QUIET,
];
const ANSWERED: readonly ScriptStep[] = [
  UPSTREAM_REQUEST,
  answerPart({ head: [...OK, ["x-up", "1"]], data: "hello", end: true }),
  RESPONSE,
];

const pairs = (type: number): Step => ["proxy_get_header_map_pairs", type];
const LISTED: Program = {
  proxy_on_request_headers: { steps: [pairs(0), ["proxy_get_property", "request\0protocol"]] },
  proxy_on_request_trailers: { steps: [pairs(1)] },
  proxy_on_response_headers: { steps: [pairs(2)] },
  proxy_on_response_trailers: { steps: [pairs(3)] },
};
const NOTED: Program = {
  proxy_on_log: {
    steps: [
      ["proxy_get_property", "response\0code"],
      ["proxy_get_property", "response\0flags"],
      ["proxy_get_property", "response\0code_details"],
    ],
  },
};

const plain = (
  name: string,
  shows: string,
  script: readonly ScriptStep[],
  rest: CaseRest & { readonly program?: Program } = {},
): DifferentialCase => {
  const { program = LISTED, ...more } = rest;
  return single(`h2-${name}`, shows, program, { ...TO_H2, ...more, script });
};

const EXCHANGES: readonly DifferentialCase[] = [
  plain("both", "HTTP/2 on both sides", [ASK, ...ANSWERED]),
  plain(
    "client",
    "an HTTP/2 client, an HTTP/1.1 upstream",
    [ASK, UPSTREAM_REQUEST, answer(HELLO), RESPONSE],
    { route: {} },
  ),
  plain("upstream", "an HTTP/1.1 client, an HTTP/2 upstream", [send(GET), ...ANSWERED]),
  plain("body", "bodies of several frames", [
    BEGIN,
    data("some "),
    QUIET,
    data("body", { end: true }),
    UPSTREAM_REQUEST,
    ...begunAnswer,
    answerPart({ data: " more", end: true }),
    RESPONSE,
  ]),
  plain("two-streams", "two streams of one connection", [ASK, ...ANSWERED, ASK, ...ANSWERED]),
  plain("status-204", "a response without a body", [
    ASK,
    UPSTREAM_REQUEST,
    answerPart({ head: [[":status", "204"]], end: true }),
    RESPONSE,
  ]),
  plain("empty-data", "an empty frame ends the message", [
    BEGIN,
    QUIET,
    sendPart({ end: true }),
    UPSTREAM_REQUEST,
    answerPart({ head: OK }),
    QUIET,
    answerPart({ end: true }),
    RESPONSE,
  ]),
  plain("head", "HEAD", [
    sendPart({ head: head("HEAD"), end: true }),
    UPSTREAM_REQUEST,
    answerPart({ head: [...OK, ["content-length", "5"]], end: true }),
    RESPONSE,
  ]),
  plain("cookies", "cookies in several fields", [
    sendPart({
      head: head("GET", [
        ["cookie", "a=1"],
        ["cookie", "b=2"],
        ["x-two", "1"],
        ["x-two", "2"],
        ["te", "trailers"],
      ]),
      end: true,
    }),
    ...ANSWERED,
  ]),
  plain("content-length", "the length of a body is announced", [
    sendPart({ head: head("POST", [["content-length", "4"]]), data: "body", end: true }),
    ...ANSWERED,
  ]),
  plain(
    "edited",
    "a filter changes the request line, its fields and its body",
    [BEGIN, QUIET, data("body", { end: true }), ...ANSWERED],
    {
      program: {
        proxy_on_request_headers: {
          steps: [
            ["proxy_replace_header_map_value", 0, ":path", "/other"],
            ["proxy_replace_header_map_value", 0, ":method", "PUT"],
            ["proxy_replace_header_map_value", 0, ":authority", "other.test"],
            ["proxy_add_header_map_value", 0, "X-Added", "yes"],
          ],
        },
        proxy_on_request_body: { steps: [["proxy_set_buffer_bytes", 0, 0, 100, "changed"]] },
        proxy_on_response_headers: {
          steps: [
            ["proxy_replace_header_map_value", 2, ":status", "203"],
            ["proxy_remove_header_map_value", 2, "x-up"],
          ],
        },
      },
    },
  ),
];

const TRAILERS: readonly DifferentialCase[] = [
  plain("trailers", "trailers on both sides", [
    BEGIN,
    data("body", { trailers: [["x-trailer", "of request"]] }),
    UPSTREAM_REQUEST,
    answerPart({ head: OK, data: "hello", trailers: [["x-trailer", "of response"]] }),
    RESPONSE,
  ]),
  plain("trailers-only", "trailers without a body", [
    BEGIN,
    QUIET,
    sendPart({ trailers: [["x-trailer", "of request"]] }),
    UPSTREAM_REQUEST,
    answerPart({ head: OK }),
    QUIET,
    answerPart({ trailers: [["x-trailer", "of response"]] }),
    RESPONSE,
  ]),
  plain(
    "trailers-changed",
    "a filter changes trailers on both sides",
    [
      BEGIN,
      data("body", { trailers: [["x-trailer", "of request"]] }),
      UPSTREAM_REQUEST,
      answerPart({ head: OK, data: "hello", trailers: [["x-trailer", "of response"]] }),
      RESPONSE,
    ],
    {
      program: {
        proxy_on_request_trailers: {
          steps: [["proxy_replace_header_map_value", 1, "x-trailer", "changed"]],
        },
        proxy_on_response_trailers: {
          steps: [
            ["proxy_add_header_map_value", 3, "x-more", "1"],
            ["proxy_remove_header_map_value", 3, "x-trailer"],
          ],
        },
      },
    },
  ),
  plain(
    "trailers-made",
    "a filter makes trailers on both sides",
    [BEGIN, QUIET, data("body", { end: true }), ...ANSWERED],
    {
      program: {
        proxy_on_request_body: { steps: [["proxy_add_header_map_value", 1, "x-made", "yes"]] },
        proxy_on_response_body: { steps: [["proxy_add_header_map_value", 3, "x-made", "yes"]] },
      },
    },
  ),
];

const reset = (
  name: string,
  shows: string,
  script: readonly ScriptStep[],
  program: Program = {},
): DifferentialCase =>
  single(`h2-reset-${name}`, shows, { ...NOTED, ...program }, { ...TO_H2, script });
const pausedIn = (callback: CallbackName): Program => ({ [callback]: { returns: 1 } });

/** The client's streams end: by each code, and by the end of the connection. */
const CLIENT_GOES: readonly (readonly [string, ScriptStep])[] = [
  ["cancel", sendPart({ reset: CANCEL })],
  ["internal", sendPart({ reset: INTERNAL })],
  ["closes", CLIENT_CLOSES],
];

const BY_CLIENT = CLIENT_GOES.flatMap(([how, goes]) => {
  const named = (name: string, script: readonly ScriptStep[], program: Program = {}) =>
    reset(
      `client-${how}-${name}`,
      `the client goes (${how}): ${name}`,
      [...script, goes, QUIET],
      program,
    );
  return [
    named("in-request-body", [BEGIN, UPSTREAM_HEAD, data("some"), QUIET]),
    named("waiting", [ASK, UPSTREAM_REQUEST]),
    named("in-response", [ASK, UPSTREAM_REQUEST, ...begunAnswer]),
    named(
      "paused-request-headers",
      [ASK, logged("request_headers")],
      pausedIn("proxy_on_request_headers"),
    ),
    named("paused-request-body", [BEGIN, data("some"), QUIET], pausedIn("proxy_on_request_body")),
    named(
      "paused-response-headers",
      [ASK, UPSTREAM_REQUEST, ...begunAnswer],
      pausedIn("proxy_on_response_headers"),
    ),
    named(
      "paused-response-body",
      [ASK, UPSTREAM_REQUEST, ...begunAnswer],
      pausedIn("proxy_on_response_body"),
    ),
  ];
});

const UPSTREAM_GOES: readonly (readonly [string, ScriptStep])[] = [
  ["refused", answerPart({ reset: REFUSED })],
  ["internal", answerPart({ reset: INTERNAL })],
];

const BY_UPSTREAM = UPSTREAM_GOES.flatMap(([how, goes]) => {
  const named = (name: string, script: readonly ScriptStep[], program: Program = {}) =>
    reset(
      `upstream-${how}-${name}`,
      `the upstream goes (${how}): ${name}`,
      [...script, QUIET],
      program,
    );
  return [
    named("waiting", [ASK, UPSTREAM_REQUEST, goes, STREAM_OVER]),
    named("in-request-body", [BEGIN, UPSTREAM_HEAD, data("some"), QUIET, goes, STREAM_OVER]),
    named("in-response", [ASK, UPSTREAM_REQUEST, ...begunAnswer, goes, STREAM_OVER]),
    named(
      "paused-response-headers",
      [ASK, UPSTREAM_REQUEST, ...begunAnswer, goes],
      pausedIn("proxy_on_response_headers"),
    ),
    named(
      "paused-response-body",
      [ASK, UPSTREAM_REQUEST, ...begunAnswer, goes],
      pausedIn("proxy_on_response_body"),
    ),
  ];
});

const REPLY: Step = ["proxy_send_local_response", 403, "details", "no", [["x-reply", "1"]], 7];
const GRPC: Pairs = [
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

const BY_FILTER: readonly DifferentialCase[] = [
  ...(["proxy_on_request_headers", "proxy_on_request_body"] as const).map((callback) =>
    reset(
      `close-${callback.slice(9).replaceAll("_", "-")}`,
      `a filter closes the stream in ${callback}`,
      [BEGIN, data("some"), STREAM_OVER, QUIET],
      { [callback]: { steps: [["proxy_close_stream", 0]], returns: 1 } },
    ),
  ),
  ...(["proxy_on_response_headers", "proxy_on_response_body"] as const).map((callback) =>
    reset(
      `close-${callback.slice(9).replaceAll("_", "-")}`,
      `a filter closes the stream in ${callback}`,
      [ASK, UPSTREAM_REQUEST, ...begunAnswer, STREAM_OVER, UPSTREAM_STREAM_OVER, QUIET],
      { [callback]: { steps: [["proxy_close_stream", 1]], returns: 1 } },
    ),
  ),
  reset("trap-request", "a trap is answered", [ASK, RESPONSE], {
    proxy_on_request_headers: { steps: [["trap", 0]] },
  }),
  reset(
    "trap-response-body",
    "a trap when the response has begun",
    [ASK, UPSTREAM_REQUEST, ...begunAnswer, STREAM_OVER, QUIET],
    { proxy_on_response_body: { steps: [["trap", 0]] } },
  ),
  reset("reply", "a filter answers while the request's body is to come", [BEGIN, RESPONSE, QUIET], {
    proxy_on_request_headers: { steps: [REPLY], returns: 1 },
  }),
  reset(
    "reply-grpc",
    "a filter answers a gRPC request",
    [sendPart({ head: head("POST", GRPC), data: "\0\0\0\0\0", end: true }), RESPONSE],
    { proxy_on_request_headers: { steps: [REPLY], returns: 1 } },
  ),
  reset(
    "reply-grpc-response",
    "a filter answers instead of a gRPC service",
    [
      sendPart({ head: head("POST", GRPC), data: "\0\0\0\0\0", end: true }),
      UPSTREAM_REQUEST,
      answerPart({ head: [...OK, ["content-type", "application/grpc"]] }),
      RESPONSE,
    ],
    { proxy_on_response_headers: { steps: [REPLY], returns: 1 } },
  ),
  reset(
    "reply-begun",
    "a filter answers when the response has begun",
    [ASK, UPSTREAM_REQUEST, ...begunAnswer, answerPart({ data: "more" }), STREAM_OVER, QUIET],
    { proxy_on_response_body: { nth: 2, steps: [REPLY], returns: 1 } },
  ),
  reset("tick", "a paused stream goes on from a tick", [ASK, ...ANSWERED], {
    proxy_on_request_headers: {
      steps: SLEEP,
      returns: 1,
    },
    ...wake(0),
  }),
  reset(
    "early-answer",
    "an upstream answers before the request has ended",
    [BEGIN, UPSTREAM_HEAD, answerPart({ head: OK, data: "early", end: true }), RESPONSE, QUIET],
    LISTED,
  ),
  reset(
    "early-grpc-answer",
    "a service answers with trailers before the request has ended",
    [
      sendPart({ head: head("POST", GRPC) }),
      UPSTREAM_HEAD,
      answerPart({ head: [...OK, ["grpc-status", "5"]], end: true }),
      RESPONSE_HEAD,
      QUIET,
    ],
    LISTED,
  ),
];

export const HTTP2_CASES: CaseGroup = {
  name: "http2",
  cases: [...EXCHANGES, ...TRAILERS, ...BY_CLIENT, ...BY_UPSTREAM, ...BY_FILTER],
};
