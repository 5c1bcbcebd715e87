/** Resets by the client and by the upstream at each moment, and interim responses. */
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import {
  answer,
  answerInParts,
  type CaseGroup,
  CHUNKED_OK,
  CHUNKED_POST,
  CLIENT_CLOSES,
  CLIENT_ENDS,
  CLIENT_RESETS,
  CLOSED,
  chunk,
  type DifferentialCase,
  GET,
  HELLO,
  inParts,
  LAST_CHUNK,
  logged,
  QUIET,
  RESPONSE,
  RESPONSE_HEAD,
  responseBody,
  type ScriptStep,
  send,
  single,
  UPSTREAM_CLOSED,
  UPSTREAM_CLOSES,
  UPSTREAM_HEAD,
  UPSTREAM_REQUEST,
  UPSTREAM_RESETS,
  upstreamBody,
} from "../case.ts";
import type { Program, Step } from "../program.ts";

const facts: readonly Step[] = [
  ["proxy_get_property", "response\0code"],
  ["proxy_get_property", "response\0flags"],
  ["proxy_get_property", "response\0code_details"],
];
const noted: Program = { proxy_on_log: { steps: facts } };

const watched = (
  name: string,
  shows: string,
  script: readonly ScriptStep[],
  program: Program = {},
): DifferentialCase =>
  single(`reset-${name}`, shows, { ...noted, ...program }, { script, watchesUpstream: true });

const pausedIn = (callback: CallbackName): Program => ({ [callback]: { returns: 1 } });
const begun: readonly ScriptStep[] = [
  send(GET),
  UPSTREAM_REQUEST,
  ...answerInParts([CHUNKED_OK, chunk("some")]),
];

/** How the client goes away. */
const BY_CLIENT = (["closes", "resets"] as const).flatMap((how) => {
  const goes = how === "closes" ? CLIENT_CLOSES : CLIENT_RESETS;
  const named = (name: string, script: readonly ScriptStep[], program: Program = {}) =>
    watched(`client-${how}-${name}`, `the client ${how} its connection: ${name}`, script, program);
  return [
    named("in-head", [send("GET / HTTP/1.1\r\nho"), QUIET, goes]),
    named("in-request-body", [
      send(CHUNKED_POST),
      UPSTREAM_HEAD,
      ...inParts([chunk("some")]),
      goes,
    ]),
    named("waiting", [send(GET), UPSTREAM_REQUEST, goes, UPSTREAM_CLOSED]),
    named("in-response", [...begun, goes, UPSTREAM_CLOSED]),
    named("paused-in-request-headers", [send(GET), logged("request_headers"), goes], {
      ...pausedIn("proxy_on_request_headers"),
    }),
    named("paused-in-request-body", [...inParts([CHUNKED_POST, chunk("some")]), goes], {
      ...pausedIn("proxy_on_request_body"),
    }),
    named(
      "paused-in-response-headers",
      [send(GET), UPSTREAM_REQUEST, answer(HELLO), QUIET, goes],
      pausedIn("proxy_on_response_headers"),
    ),
    named("paused-in-response-body", [...begun, goes], pausedIn("proxy_on_response_body")),
  ];
});

const BY_UPSTREAM = (["closes", "resets"] as const).flatMap((how) => {
  const goes = how === "closes" ? UPSTREAM_CLOSES : UPSTREAM_RESETS;
  const named = (name: string, script: readonly ScriptStep[], program: Program = {}) =>
    watched(
      `upstream-${how}-${name}`,
      `the upstream ${how} its connection: ${name}`,
      script,
      program,
    );
  return [
    named("waiting", [send(GET), UPSTREAM_REQUEST, goes, RESPONSE]),
    named("in-request-body", [
      ...inParts([CHUNKED_POST, chunk("some")]),
      UPSTREAM_HEAD,
      upstreamBody(4),
      goes,
      RESPONSE,
    ]),
    named("in-head", [send(GET), UPSTREAM_REQUEST, answer("HTTP/1.1 200 O"), goes, RESPONSE]),
    named("in-response", [...begun, goes, CLOSED]),
    named("in-length", [
      send(GET),
      UPSTREAM_REQUEST,
      answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome"),
      responseBody(4),
      goes,
      CLOSED,
    ]),
    named("paused-response-headers", [...begun, goes, QUIET], {
      ...pausedIn("proxy_on_response_headers"),
    }),
    named("paused-response-body", [...begun, goes, QUIET], pausedIn("proxy_on_response_body")),
  ];
});

const OTHERS: readonly DifferentialCase[] = [
  watched("client-half-closes", "a client that half-closes behind its request is gone", [
    send(GET),
    UPSTREAM_REQUEST,
    CLIENT_ENDS,
    QUIET,
  ]),
  watched("until-close", "a response without framing ends with its connection", [
    send(GET),
    UPSTREAM_REQUEST,
    answer("HTTP/1.1 200 OK\r\n\r\nsome"),
    RESPONSE_HEAD,
    responseBody(4),
    UPSTREAM_CLOSES,
    RESPONSE,
  ]),
  watched("upstream-answers-early", "a response before the request has ended", [
    ...inParts([CHUNKED_POST, chunk("some")]),
    UPSTREAM_HEAD,
    answer(HELLO),
    RESPONSE,
    ...inParts([chunk("more"), LAST_CHUNK]),
  ]),
  watched("upstream-speaks-garbage", "an upstream that does not speak HTTP", [
    send(GET),
    UPSTREAM_REQUEST,
    answer("\x01\x02garbage\r\n\r\n"),
    RESPONSE,
  ]),
  watched(
    "close-stream-request",
    "a filter closes the stream at the request headers",
    [send(GET), QUIET],
    {
      proxy_on_request_headers: { steps: [["proxy_close_stream", 0]], returns: 1 },
    },
  ),
  watched(
    "close-stream-request-body",
    "a filter closes the stream in the request body",
    [...inParts([CHUNKED_POST, chunk("some")])],
    { proxy_on_request_body: { steps: [["proxy_close_stream", 0]], returns: 1 } },
  ),
  watched(
    "close-stream-response",
    "a filter closes the stream at the response headers",
    [send(GET), UPSTREAM_REQUEST, answer(CHUNKED_OK), QUIET],
    { proxy_on_response_headers: { steps: [["proxy_close_stream", 1]], returns: 1 } },
  ),
  watched(
    "close-stream-response-body",
    "a filter closes the stream in the response body",
    [...begun, QUIET],
    { proxy_on_response_body: { steps: [["proxy_close_stream", 1]], returns: 1 } },
  ),
];

const interim = (
  name: string,
  shows: string,
  script: readonly ScriptStep[],
  program: Program = {},
) => single(`interim-${name}`, shows, program, { script });

const headersRead: Program = {
  proxy_on_response_headers: { steps: [["proxy_get_header_map_value", 2, ":status"]] },
};

const INTERIM: readonly DifferentialCase[] = [
  interim(
    "expect",
    "a client that expects 100 is told to continue",
    [
      send(
        "POST /path HTTP/1.1\r\nhost: case.test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n",
      ),
      RESPONSE_HEAD,
      send("body"),
      UPSTREAM_REQUEST,
      answer(HELLO),
      RESPONSE,
    ],
    headersRead,
  ),
  ...[100, 102, 103].map((status) =>
    interim(
      `from-upstream-${status}`,
      `an interim response ${status} of the upstream`,
      [
        send(GET),
        UPSTREAM_REQUEST,
        ...answerInParts([`HTTP/1.1 ${status} Interim\r\nlink: </a.css>\r\n\r\n`]),
        answer(HELLO),
        RESPONSE,
      ],
      headersRead,
    ),
  ),
  interim(
    "two",
    "two interim responses",
    [
      send(GET),
      UPSTREAM_REQUEST,
      ...answerInParts([
        "HTTP/1.1 103 A\r\nlink: </a>\r\n\r\n",
        "HTTP/1.1 103 A\r\nlink: </b>\r\n\r\n",
      ]),
      answer(HELLO),
      RESPONSE,
    ],
    headersRead,
  ),
];

export const RESET_CASES: CaseGroup = {
  name: "resets",
  cases: [...BY_CLIENT, ...BY_UPSTREAM, ...OTHERS, ...INTERIM],
};
