/** Bodies: sizes, edits, what is held and what is over the limit; trailers that filters make. */
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
  post,
  QUIET,
  RESPONSE,
  type ScriptStep,
  send,
  single,
  UPSTREAM_REQUEST,
} from "../case.ts";
import { type Argument, OUTSIDE, type Program, rawSlice, type Step } from "../program.ts";

const MAX = 0xffffffff;
const read = (type: number): Step => ["proxy_get_buffer_bytes", type, 0, MAX];

/** Holds a body until its end, then reads it. */
const holding = (steps: readonly Step[], type: number): Program => {
  const callback = type === 0 ? "proxy_on_request_body" : "proxy_on_response_body";
  return {
    proxy_on_request_headers: { steps: [["proxy_remove_header_map_value", 0, "content-length"]] },
    proxy_on_response_headers: { steps: [["proxy_remove_header_map_value", 2, "content-length"]] },
    [callback]: [
      { nth: 1, returns: 1 },
      { nth: 2, steps: [read(type), ...steps, read(type)] },
    ],
  };
};

const BY_SIZE = [0, 1, 100, 10_000].flatMap((size) => [
  single(
    `body-request-${size}`,
    `a request body of ${size} bytes passes`,
    {},
    { script: exchange(post("x".repeat(size))) },
  ),
  single(
    `body-response-${size}`,
    `a response body of ${size} bytes passes`,
    {},
    {
      script: exchange(
        GET,
        `HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${"x".repeat(size)}`,
      ),
    },
  ),
]);

const PARTS = Array.from({ length: 12 }, (_, i) =>
  chunk(String.fromCharCode(97 + i).repeat(i + 1)),
);

const IN_CHUNKS = [
  single(
    "body-request-chunks",
    "a request body of many chunks, each of which is seen",
    {},
    {
      script: [
        ...inParts([CHUNKED_POST, ...PARTS]),
        send(LAST_CHUNK),
        UPSTREAM_REQUEST,
        answer(HELLO),
        RESPONSE,
      ],
    },
  ),
  single(
    "body-response-chunks",
    "a response body of many chunks, each of which is seen",
    {},
    {
      script: [
        send(GET),
        UPSTREAM_REQUEST,
        ...answerInParts([CHUNKED_OK, ...PARTS]),
        answer(LAST_CHUNK),
        RESPONSE,
      ],
    },
  ),
];

const EDITS: readonly (readonly [name: string, start: number, length: number, data: string])[] = [
  ["prepend", 0, 0, "<"],
  ["replace-all", 0, MAX, "other"],
  ["replace-exact", 0, 4, "other"],
  ["replace-prefix", 0, 2, "XYZ"],
  ["delete-prefix", 0, 2, ""],
  ["delete-all", 0, MAX, ""],
  ["append-at-end", 4, 0, ">"],
  ["append-beyond", 1000, 0, ">"],
  ["append-max", 0x7fffffff, 0, ">"],
  ["splice-inside", 2, 1, "+"],
  ["insert-inside", 2, 0, "+"],
];

const EDITED = [0, 1].flatMap((type) =>
  EDITS.map(([name, start, length, data]) =>
    single(
      `body-edit-${type === 0 ? "request" : "response"}-${name}`,
      `set_buffer_bytes ${start}, ${length} of a body of 4 bytes`,
      holding([["proxy_set_buffer_bytes", type, start, length, data]], type),
      {
        script:
          type === 0
            ? [
                ...inParts([CHUNKED_POST, chunk("body")]),
                send(LAST_CHUNK),
                UPSTREAM_REQUEST,
                answer(HELLO),
                RESPONSE,
              ]
            : [
                send(GET),
                UPSTREAM_REQUEST,
                ...answerInParts([CHUNKED_OK, chunk("body")]),
                answer(LAST_CHUNK),
                RESPONSE,
              ],
      },
    ),
  ),
);

const READS: readonly (readonly [string, number, number])[] = [
  ["whole", 0, MAX],
  ["part", 1, 2],
  ["none", 0, 0],
  ["behind-the-end", 4, 10],
  ["beyond-the-end", 5, 10],
  ["far-beyond", MAX, MAX],
  ["over-the-end", 3, MAX],
];

const misuse = (name: string, shows: string, steps: readonly Step[]): DifferentialCase =>
  single(
    `body-${name}`,
    shows,
    { proxy_on_request_body: { nth: 1, steps } },
    {
      script: [
        ...inParts([CHUNKED_POST, chunk("body")]),
        send(LAST_CHUNK),
        UPSTREAM_REQUEST,
        answer(HELLO),
        RESPONSE,
      ],
    },
  );

const MISUSES: readonly DifferentialCase[] = [
  ...READS.map(([name, start, length]) =>
    misuse(`read-${name}`, `get_buffer_bytes ${start}, ${length} of 4 bytes`, [
      ["proxy_get_buffer_bytes", 0, start, length],
    ]),
  ),
  misuse("read-into-nowhere", "results outside the memory", [
    ["proxy_get_buffer_bytes", 0, 0, 10, { outs: [MAX, MAX] }],
    ["proxy_get_buffer_bytes", 0, 0, 10, { outs: [0x7ffffff0, 128] }],
    ["proxy_get_buffer_status", 0, { outs: [MAX, 128] }],
  ]),
  misuse("set-from-nowhere", "data outside the memory", [
    ["proxy_set_buffer_bytes", 0, 0, 0, OUTSIDE],
    ["proxy_set_buffer_bytes", 0, 0, 0, rawSlice(MAX, MAX) as Argument],
    ["proxy_set_buffer_bytes", 0, 0, 0, rawSlice(MAX, 0) as Argument],
    read(0),
  ]),
  misuse("set-twice", "edits add up", [
    ["proxy_set_buffer_bytes", 0, 0, 0, "a"],
    ["proxy_set_buffer_bytes", 0, 0x7fffffff, 0, "z"],
    ["proxy_get_buffer_status", 0],
    read(0),
  ]),
];

const OVER = "y".repeat(3_000);
const LIMITED = { per_connection_buffer_limit_bytes: 2_000 };
const overflow = (
  name: string,
  shows: string,
  program: Program,
  script: readonly ScriptStep[],
): DifferentialCase => single(`body-over-${name}`, shows, program, { script, listener: LIMITED });
const overRequest = [send(post(OVER)), QUIET];
const overResponse = [
  send(GET),
  UPSTREAM_REQUEST,
  answer(`HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n${OVER}`),
  QUIET,
];

const OVERFLOWS: readonly DifferentialCase[] = [
  overflow(
    "request-buffer",
    "a held request body over the limit",
    { proxy_on_request_body: { returns: 1 } },
    overRequest,
  ),
  overflow(
    "request-headers-buffer",
    "a body behind headers that stop all and buffer",
    { proxy_on_request_headers: { returns: 3 } },
    overRequest,
  ),
  overflow("request-nothing-held", "a body that is not held has no limit", {}, [
    send(post(OVER)),
    UPSTREAM_REQUEST,
    answer(HELLO),
    RESPONSE,
  ]),
  overflow(
    "response-buffer",
    "a held response body over the limit",
    { proxy_on_response_body: { returns: 1 } },
    overResponse,
  ),
  overflow(
    "response-headers-buffer",
    "a response body behind headers that stop all and buffer",
    { proxy_on_response_headers: { returns: 3 } },
    overResponse,
  ),
];

const LENGTHS: readonly DifferentialCase[] = [
  single(
    "length-response-shrinks",
    "a response body grows shorter than its content-length",
    { proxy_on_response_body: { nth: 1, steps: [["proxy_set_buffer_bytes", 1, 0, MAX, "abc"]] } },
    { script: [send(GET), UPSTREAM_REQUEST, answer(HELLO), QUIET] },
  ),
  single(
    "length-response-grows",
    "a response body grows longer than its content-length",
    {
      proxy_on_response_body: {
        nth: 1,
        steps: [["proxy_set_buffer_bytes", 1, 0, MAX, "much longer"]],
      },
    },
    { script: [send(GET), UPSTREAM_REQUEST, answer(HELLO), QUIET] },
  ),
  single(
    "length-request-grows",
    "a request body grows longer than its content-length",
    {
      proxy_on_request_body: {
        nth: 1,
        steps: [["proxy_set_buffer_bytes", 0, 0, MAX, "much longer"]],
      },
    },
    { script: [send(post("body")), QUIET] },
  ),
  single("length-no-body", "a filter cannot put a body behind headers that end the message", {
    proxy_on_request_headers: { steps: [["proxy_set_buffer_bytes", 0, 0, 0, "body"]] },
  }),
];

export const BODY_CASES: CaseGroup = {
  name: "bodies",
  cases: [...BY_SIZE, ...IN_CHUNKS, ...EDITED, ...MISUSES, ...OVERFLOWS, ...LENGTHS],
};
