/** Local replies: from each callback, twice, on HEAD and gRPC, and when a response has begun. */
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import {
  answer,
  answerInParts,
  type CaseGroup,
  CHUNKED_OK,
  CHUNKED_POST,
  chunk,
  type DifferentialCase,
  exchange,
  GET,
  HELLO,
  inParts,
  LAST_CHUNK,
  localReply,
  logged,
  post,
  QUIET,
  RESPONSE,
  type ScriptStep,
  send,
  single,
  UPSTREAM_REQUEST,
} from "../case.ts";
import { OUTSIDE, type Pairs, rawSlice, type Step } from "../program.ts";
import { onTick, SLEEP } from "../ticks.ts";
import { WHOLE, WITH_TRAILERS } from "./phases.ts";

interface ReplyParts {
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Pairs;
  readonly grpc?: number;
}

const reply = ({
  status = 418,
  body = "a reply",
  headers = [],
  grpc = -1,
}: ReplyParts = {}): Step => [
  "proxy_send_local_response",
  status,
  "the details",
  body,
  headers.length === 0 ? rawSlice(0, 0) : headers,
  grpc,
];

const details: Step = ["proxy_get_property", "response\0code_details"];

/** Each callback that can answer; what the script must do to reach it. */
const FROM: readonly (readonly [CallbackName, readonly ScriptStep[]])[] = [
  ["proxy_on_context_create", localReply(post("body"))],
  ["proxy_on_request_headers", localReply(post("body"))],
  ["proxy_on_request_body", localReply(post("body"))],
  ["proxy_on_request_trailers", WHOLE.slice(0, 5).concat([RESPONSE])],
  ["proxy_on_response_headers", exchange(GET, HELLO)],
  ["proxy_on_response_body", [send(GET), UPSTREAM_REQUEST, answer(HELLO), QUIET]],
  ["proxy_on_response_trailers", WHOLE.slice(0, -1).concat([QUIET])],
  ["proxy_on_log", exchange()],
  ["proxy_on_done", exchange()],
  ["proxy_on_delete", exchange()],
];

const short = (name: CallbackName): string => name.replace("proxy_on_", "").replaceAll("_", "-");

const EACH = FROM.flatMap(([callback, script]) =>
  [0, 1].map((returns) =>
    single(
      `reply-${short(callback)}-${returns === 0 ? "continue" : "pause"}`,
      `a reply from ${callback}, which returns ${returns}`,
      {
        [callback]: {
          nth: callback === "proxy_on_context_create" ? 2 : 1,
          steps: [reply()],
          returns,
        },
        ...(callback === "proxy_on_log" ? {} : { proxy_on_log: { steps: [details] } }),
      },
      { script, hcm: WITH_TRAILERS },
    ),
  ),
).filter(({ name }) => !/(create|log|done|delete)-pause$/.test(name));

const fromHeaders = (
  name: string,
  shows: string,
  steps: readonly Step[],
  script: readonly ScriptStep[] = localReply(),
): DifferentialCase =>
  single(
    `reply-${name}`,
    shows,
    {
      proxy_on_request_headers: { steps, returns: 1 },
      proxy_on_response_headers: { steps: [["proxy_get_header_map_pairs", 2]] },
      proxy_on_log: { steps: [details] },
    },
    { script },
  );

const HEAD = "HEAD / HTTP/1.1\r\nhost: case.test\r\n\r\n";
const grpcRequest = (type: string): string =>
  `POST /a.B/C HTTP/1.1\r\nhost: case.test\r\ncontent-type: ${type}\r\ncontent-length: 0\r\n\r\n`;

const KINDS: readonly DifferentialCase[] = [
  fromHeaders("twice", "of two replies the first counts", [
    reply({ body: "first" }),
    reply({ status: 500, body: "second" }),
  ]),
  fromHeaders("empty-body", "a reply without a body", [reply({ body: "" })]),
  fromHeaders("head", "a reply to HEAD has no body", [reply()], localReply(HEAD)),
  fromHeaders("204", "204 has no body", [reply({ status: 204 })]),
  fromHeaders("304", "304 has no body", [reply({ status: 304 })]),
  fromHeaders("status-99", "a status below 100", [reply({ status: 99 })], [send(GET), QUIET]),
  fromHeaders("status-1000", "a status above 999", [reply({ status: 1000 })], [send(GET), QUIET]),
  fromHeaders("status-0", "the status 0", [reply({ status: 0 })], [send(GET), QUIET]),
  fromHeaders("status-200", "the status 200", [reply({ status: 200 })]),
  fromHeaders("status-400", "the status 400", [reply({ status: 400 })]),
  fromHeaders("status-599", "the status 599", [reply({ status: 599 })]),
  fromHeaders("headers", "headers of the reply", [
    reply({
      headers: [
        ["x-one", "1"],
        ["X-Two", "2"],
        ["x-one", "again"],
        ["x-empty", ""],
      ],
    }),
  ]),
  fromHeaders("content-type", "a content-type of its own", [
    reply({ headers: [["content-type", "application/json"]] }),
  ]),
  fromHeaders("content-length", "a content-length of its own", [
    reply({ headers: [["content-length", "3"]] }),
  ]),
  fromHeaders("pseudo", "pseudo-headers among the reply's headers", [
    reply({
      headers: [
        [":status", "201"],
        ["x-one", "1"],
      ],
    }),
  ]),
  fromHeaders("malformed-headers", "headers that are no list of pairs", [
    ["proxy_send_local_response", 418, "d", "b", "garbage", -1],
  ]),
  fromHeaders(
    "bad-memory",
    "parts outside the memory make no reply",
    [
      ["proxy_send_local_response", 418, OUTSIDE, "b", rawSlice(0, 0), -1],
      ["proxy_send_local_response", 418, "d", OUTSIDE, rawSlice(0, 0), -1],
      ["proxy_send_local_response", 418, "d", "b", OUTSIDE, -1],
    ],
    [send(GET), QUIET],
  ),
  ...["application/grpc", "application/grpc+proto", "application/grpc-web"].flatMap((type, at) => [
    fromHeaders(
      `grpc-${at}-unset`,
      `a reply to ${type} without a status`,
      [reply()],
      localReply(grpcRequest(type)),
    ),
    fromHeaders(
      `grpc-${at}-set`,
      `a reply to ${type} with a status`,
      [reply({ grpc: 7, body: "per mission\u00e9%" })],
      localReply(grpcRequest(type)),
    ),
  ]),
  ...[400, 401, 403, 404, 429, 500, 502, 503, 504].map((status) =>
    fromHeaders(
      `grpc-from-${status}`,
      `HTTP ${status} as a gRPC status`,
      [reply({ status, body: "" })],
      localReply(grpcRequest("application/grpc")),
    ),
  ),
  fromHeaders(
    "grpc-status-17",
    "a gRPC status that there is not",
    [reply({ grpc: 17 })],
    localReply(grpcRequest("application/grpc")),
  ),
  fromHeaders("not-grpc", "a gRPC status for a request that is none", [reply({ grpc: 5 })]),
];

const LATER: readonly DifferentialCase[] = [
  single(
    "reply-from-tick",
    "a reply of a paused stream from a tick",
    {
      proxy_on_request_headers: {
        steps: SLEEP,
        returns: 1,
      },
      ...onTick(reply()),
    },
    { script: localReply() },
  ),
  single(
    "reply-in-own-response",
    "a reply to the reply's own response headers",
    {
      proxy_on_request_headers: { steps: [reply()], returns: 1 },
      proxy_on_response_headers: { steps: [reply({ status: 500, body: "again" })], returns: 1 },
    },
    { script: [send(GET), QUIET] },
  ),
  single(
    "reply-changes-own-response",
    "a filter changes the response headers and body of its own reply",
    {
      proxy_on_request_headers: { steps: [reply()], returns: 1 },
      proxy_on_response_headers: {
        steps: [
          ["proxy_add_header_map_value", 2, "x-own", "yes"],
          ["proxy_remove_header_map_value", 2, "content-length"],
        ],
      },
      proxy_on_response_body: { steps: [["proxy_set_buffer_bytes", 1, 0, 100, "changed"]] },
    },
    { script: localReply() },
  ),
  single(
    "reply-before-body-ends",
    "a reply while the request body still comes",
    { proxy_on_request_headers: { steps: [reply()], returns: 1 } },
    { script: [send(CHUNKED_POST), RESPONSE, send(chunk("late") + LAST_CHUNK), QUIET] },
  ),
  single(
    "reply-second-chunk",
    "a reply from the second chunk of a request body that goes through",
    {
      proxy_on_request_body: [{ nth: 1 }, { nth: 2, steps: [reply()], returns: 1 }],
    },
    { script: [...inParts([CHUNKED_POST, chunk("one"), chunk("two")]), RESPONSE] },
  ),
  single(
    "reply-second-response-chunk",
    "a reply when the response has begun resets the stream",
    { proxy_on_response_body: { nth: 2, steps: [reply()], returns: 1 } },
    {
      script: [
        send(GET),
        UPSTREAM_REQUEST,
        ...answerInParts([CHUNKED_OK, chunk("one"), chunk("two"), LAST_CHUNK]),
      ],
    },
  ),
  single(
    "reply-on-root",
    "a reply of a root context does nothing",
    {
      proxy_on_configure: { steps: [["proxy_set_tick_period_milliseconds", 1]] },
      proxy_on_tick: { steps: [reply(), ["proxy_set_tick_period_milliseconds", 0]] },
    },
    { script: [logged("send_local_response"), ...exchange()] },
  ),
];

export const REPLY_CASES: CaseGroup = { name: "replies", cases: [...EACH, ...KINDS, ...LATER] };
