/** Streams that pause and go on from a tick, and trailers that filters make, change and remove. */
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
  logged,
  post,
  QUIET,
  RESPONSE,
  type ScriptStep,
  send,
  single,
  UPSTREAM_HEAD,
  UPSTREAM_REQUEST,
} from "../case.ts";
import { CONTEXT, type Program, type Step, variable } from "../program.ts";
import { SLEEP, wake } from "../ticks.ts";
import { WITH_TRAILERS } from "./phases.ts";

const MAX = 0xffffffff;
const read = (type: number): Step => ["proxy_get_buffer_bytes", type, 0, MAX];

const RESUMED: readonly DifferentialCase[] = [
  single(
    "resume-request-headers",
    "paused request headers go on from a tick, with their body",
    {
      proxy_on_request_headers: { steps: SLEEP, returns: 1 },
      proxy_on_request_body: { steps: [read(0)] },
      ...wake(0),
    },
    { script: [send(post("body")), UPSTREAM_REQUEST, answer(HELLO), RESPONSE] },
  ),
  single(
    "resume-request-body-end",
    "a request body paused at its end goes on from a tick",
    {
      proxy_on_request_body: [
        { nth: 1, returns: 1 },
        { nth: 2, steps: SLEEP, returns: 1 },
      ],
      ...wake(0),
    },
    {
      script: [
        ...inParts([CHUNKED_POST, chunk("body")]),
        send(LAST_CHUNK),
        UPSTREAM_REQUEST,
        answer(HELLO),
        RESPONSE,
      ],
    },
  ),
  single(
    "resume-request-body-middle",
    "a request body paused in its middle goes on from a tick",
    { proxy_on_request_body: { nth: 1, steps: SLEEP, returns: 1 }, ...wake(0) },
    {
      script: [
        send(CHUNKED_POST),
        send(chunk("one")),
        logged("set_tick_period_milliseconds 0"),
        send(chunk("two") + LAST_CHUNK),
        UPSTREAM_REQUEST,
        answer(HELLO),
        RESPONSE,
      ],
    },
  ),
  single("resume-response-headers", "paused response headers go on from a tick", {
    proxy_on_response_headers: { steps: SLEEP, returns: 1 },
    proxy_on_response_body: { steps: [read(1)] },
    ...wake(1),
  }),
  single("resume-response-body", "a response body paused at its end goes on from a tick", {
    proxy_on_response_body: [
      { nth: 1, returns: 1 },
      { nth: 2, steps: SLEEP, returns: 1 },
    ],
    ...wake(1),
  }),
  single(
    "resume-trailers",
    "paused trailers go on from a tick",
    { proxy_on_request_trailers: { steps: SLEEP, returns: 1 }, ...wake(0) },
    {
      hcm: WITH_TRAILERS,
      script: [
        send(`${CHUNKED_POST}${chunk("body")}0\r\nx-trailer: of request\r\n\r\n`),
        UPSTREAM_REQUEST,
        answer(HELLO),
        RESPONSE,
      ],
    },
  ),
  single("resume-edits-headers", "a tick edits the headers of a paused stream before it goes on", {
    proxy_on_request_headers: { steps: SLEEP, returns: 1 },
    proxy_on_tick: {
      steps: [
        ["proxy_set_effective_context", variable(0)],
        ["proxy_add_header_map_value", 0, "x-tick", "before"],
        ["proxy_continue_stream", 0],
        ["proxy_add_header_map_value", 0, "x-tick", "after"],
        ["proxy_set_tick_period_milliseconds", 0],
      ],
    },
  }),
  single(
    "resume-edits-body",
    "a tick edits the held body of a paused stream",
    {
      proxy_on_request_headers: { steps: [["proxy_remove_header_map_value", 0, "content-length"]] },
      proxy_on_request_body: [
        { nth: 1, returns: 1 },
        { nth: 2, steps: SLEEP, returns: 1 },
      ],
      proxy_on_tick: {
        steps: [
          ["proxy_set_effective_context", variable(0)],
          read(0),
          ["proxy_set_buffer_bytes", 0, 0, MAX, "from tick"],
          ["proxy_continue_stream", 0],
          ["proxy_set_tick_period_milliseconds", 0],
        ],
      },
    },
    {
      script: [
        ...inParts([CHUNKED_POST, chunk("body")]),
        send(LAST_CHUNK),
        UPSTREAM_REQUEST,
        answer(HELLO),
        RESPONSE,
      ],
    },
  ),
  single(
    "resume-twice",
    "a stream that goes on already is told so again",
    {
      proxy_on_request_headers: { steps: SLEEP, returns: 1 },
      proxy_on_tick: [
        {
          nth: 1,
          steps: [
            ["proxy_set_effective_context", variable(0)],
            ["proxy_continue_stream", 0],
          ],
        },
        {
          nth: 2,
          steps: [
            ["proxy_set_effective_context", variable(0)],
            ["proxy_continue_stream", 5],
            ["proxy_set_tick_period_milliseconds", 0],
          ],
        },
      ],
    },
    { script: [send(GET), UPSTREAM_REQUEST, logged("continue_stream 5"), answer(HELLO), RESPONSE] },
  ),
  single(
    "resume-ended-stream",
    "a stream that has ended is resumed",
    {
      proxy_on_request_headers: { steps: [["save", 0, CONTEXT]] },
      proxy_on_delete: { steps: [["proxy_set_tick_period_milliseconds", 1]] },
      ...wake(0),
    },
    { script: [...exchange(), logged("continue_stream")] },
  ),
];

const trailers = (
  name: string,
  shows: string,
  program: Program,
  script: readonly ScriptStep[],
): DifferentialCase => single(`trailers-${name}`, shows, program, { script, hcm: WITH_TRAILERS });

/** What a filter may call in its last body callback, where there are no trailers yet. */
const CALLS: readonly (readonly [name: string, shows: string, step: (type: number) => Step])[] = [
  ["added", "makes", (type) => ["proxy_add_header_map_value", type, "x-made", "yes"]],
  ["set", "sets all", (type) => ["proxy_set_header_map_pairs", type, [["x-made", "yes"]]]],
  ["sized", "asks for the size of", (type) => ["proxy_get_header_map_size", type]],
  ["removed-none", "removes one of", (type) => ["proxy_remove_header_map_value", type, "x-made"]],
  ["read-none", "reads one of", (type) => ["proxy_get_header_map_value", type, "x-made"]],
  ["listed-none", "reads all", (type) => ["proxy_get_header_map_pairs", type]],
];

const MADE = CALLS.flatMap(([name, shows, step]) => [
  trailers(
    `${name}-request`,
    `a filter ${shows} request trailers in its last body callback`,
    {
      proxy_on_request_body: { nth: 2, steps: [step(1)] },
      proxy_on_request_trailers: { steps: [["proxy_get_header_map_pairs", 1]] },
    },
    [
      ...inParts([CHUNKED_POST, chunk("body")]),
      send(LAST_CHUNK),
      UPSTREAM_REQUEST,
      answer(HELLO),
      RESPONSE,
    ],
  ),
  trailers(
    `${name}-response`,
    `a filter ${shows} response trailers in its last body callback`,
    {
      proxy_on_response_body: { nth: 2, steps: [step(3)] },
      proxy_on_response_trailers: { steps: [["proxy_get_header_map_pairs", 3]] },
    },
    [
      send(GET),
      UPSTREAM_REQUEST,
      ...answerInParts([CHUNKED_OK, chunk("body")]),
      answer(LAST_CHUNK),
      RESPONSE,
    ],
  ),
]);

const TRAILERS: readonly DifferentialCase[] = [
  ...MADE,
  trailers(
    "changed",
    "trailers are changed on both sides",
    {
      proxy_on_request_trailers: {
        steps: [
          ["proxy_replace_header_map_value", 1, "x-trailer", "changed"],
          ["proxy_add_header_map_value", 1, "x-more", "1"],
        ],
      },
      proxy_on_response_trailers: {
        steps: [["proxy_set_header_map_pairs", 3, [["x-only", "this"]]]],
      },
    },
    [
      send(`${CHUNKED_POST}${chunk("body")}0\r\nx-trailer: a\r\n\r\n`),
      UPSTREAM_REQUEST,
      answer(`${CHUNKED_OK}${chunk("body")}0\r\nx-trailer: b\r\n\r\n`),
      RESPONSE,
    ],
  ),
  trailers(
    "removed",
    "the only trailer is removed",
    { proxy_on_response_trailers: { steps: [["proxy_remove_header_map_value", 3, "x-trailer"]] } },
    [
      send(GET),
      UPSTREAM_REQUEST,
      answer(`${CHUNKED_OK}${chunk("body")}0\r\nx-trailer: b\r\n\r\n`),
      RESPONSE,
    ],
  ),
  single(
    "trailers-not-enabled",
    "trailers where they are not enabled",
    {},
    {
      script: [
        send(`${CHUNKED_POST}${chunk("body")}0\r\nx-trailer: a\r\n\r\n`),
        UPSTREAM_REQUEST,
        answer(HELLO),
        RESPONSE,
      ],
    },
  ),
  trailers(
    "forbidden",
    "trailers that are about framing",
    { proxy_on_request_trailers: { steps: [["proxy_get_header_map_pairs", 1]] } },
    [
      send(
        `${CHUNKED_POST}${chunk("body")}0\r\ncontent-length: 3\r\nhost: evil\r\nx-trailer: a\r\n\r\n`,
      ),
      UPSTREAM_HEAD,
      QUIET,
    ],
  ),
];

export const RESUME_CASES: CaseGroup = { name: "resumes", cases: [...RESUMED, ...TRAILERS] };
