/** What each callback returns: 0 to 5 and garbage, with and without headers' own stop. */
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import {
  answer,
  answerInParts,
  type CaseGroup,
  CHUNKED_OK,
  CHUNKED_POST,
  chunk,
  type DifferentialCase,
  HELLO,
  inParts,
  LAST_CHUNK,
  post,
  QUIET,
  type ScriptStep,
  send,
  single,
  UPSTREAM_HEAD,
  UPSTREAM_REQUEST,
} from "../case.ts";
import { WHOLE, WITH_TRAILERS } from "./phases.ts";

const VALUES = [1, 2, 3, 4, 5, 0x7fffffff, 0xffffffff] as const;
const nameOf = (value: number): string => (value > 5 ? `x${value.toString(16)}` : String(value));

/** Waits for nothing: what a stopped stream does shows in the end. */
const REQUEST: readonly ScriptStep[] = [
  ...inParts([CHUNKED_POST, chunk("ab")]),
  send(LAST_CHUNK),
  QUIET,
];
const RESPONSE: readonly ScriptStep[] = [
  send("GET / HTTP/1.1\r\nhost: case.test\r\n\r\n"),
  UPSTREAM_REQUEST,
  ...answerInParts([CHUNKED_OK, chunk("ab"), chunk("cd"), LAST_CHUNK]),
];

interface Row {
  readonly callback: CallbackName;
  readonly script: readonly ScriptStep[];
}

const ROWS: readonly Row[] = [
  { callback: "proxy_on_request_headers", script: REQUEST },
  {
    callback: "proxy_on_request_body",
    script: [...inParts([CHUNKED_POST, chunk("ab"), chunk("cd")]), send(LAST_CHUNK), QUIET],
  },
  { callback: "proxy_on_response_headers", script: RESPONSE },
  { callback: "proxy_on_response_body", script: RESPONSE },
];

const short = (name: CallbackName): string => name.replace("proxy_on_", "").replace("_", "-");

/** The callback returns the value every time; reads the body in body callbacks. */
function returning({ callback, script }: Row, value: number, isStop: boolean): DifferentialCase {
  const stop = isStop ? "-stop" : "";
  const buffer = callback.startsWith("proxy_on_response") ? 1 : 0;
  const read = { steps: [["proxy_get_buffer_bytes", buffer, 0, 100] as const] };
  const body = buffer === 1 ? "proxy_on_response_body" : "proxy_on_request_body";
  const bodyRule = callback === body ? { ...read, returns: value } : read;
  return single(
    `returns-${short(callback)}-${nameOf(value)}${stop}`,
    `${callback} returns ${value}${isStop ? " where headers may stop alone" : ""}`,
    { [body]: bodyRule, ...(callback === body ? {} : { [callback]: { returns: value } }) },
    { script, ...(isStop ? { plugin: { allow_on_headers_stop_iteration: true } } : {}) },
  );
}

const isHeaders = (row: Row): boolean => row.callback.endsWith("_headers");

const PLAIN = ROWS.flatMap((row) => VALUES.map((value) => returning(row, value, false)));
const STOPS = ROWS.filter(isHeaders).flatMap((row) =>
  VALUES.map((value) => returning(row, value, true)),
);

const TRAILERS = (["proxy_on_request_trailers", "proxy_on_response_trailers"] as const).flatMap(
  (callback) =>
    [1, 2, 0xffffffff].map((value) =>
      single(
        `returns-${short(callback)}-${nameOf(value)}`,
        `${callback} returns ${value}`,
        { [callback]: { returns: value } },
        {
          script: WHOLE.slice(0, -1).map((step) =>
            step === UPSTREAM_REQUEST ? UPSTREAM_HEAD : step,
          ),
          hcm: WITH_TRAILERS,
        },
      ),
    ),
);

/** Stops once in the headers, then lets the body decide. */
const THEN: readonly DifferentialCase[] = [
  single(
    "returns-stop-then-body-continues",
    "headers that stop alone go on with the body's first Continue",
    {
      proxy_on_request_headers: { returns: 1 },
      proxy_on_request_body: {
        nth: 1,
        steps: [["proxy_add_header_map_value", 0, "x-from", "body"]],
      },
    },
    {
      script: [send(post("some body")), UPSTREAM_REQUEST, answer(HELLO), QUIET],
      plugin: { allow_on_headers_stop_iteration: true },
    },
  ),
  single(
    "returns-stop-then-body-buffers",
    "headers that stop alone wait for the body to be whole",
    {
      proxy_on_request_headers: { returns: 1 },
      proxy_on_request_body: [
        { nth: 1, steps: [["proxy_get_buffer_bytes", 0, 0, 100]], returns: 1 },
        { nth: 2, steps: [["proxy_get_buffer_bytes", 0, 0, 100]], returns: 1 },
        {
          steps: [
            ["proxy_get_buffer_bytes", 0, 0, 100],
            ["proxy_replace_header_map_value", 0, "x-from", "body"],
            ["proxy_set_buffer_bytes", 0, 0, 100, "other body"],
          ],
        },
      ],
    },
    {
      script: [
        ...inParts([CHUNKED_POST, chunk("ab"), chunk("cd")]),
        send(LAST_CHUNK),
        UPSTREAM_REQUEST,
        answer(HELLO),
        QUIET,
      ],
      plugin: { allow_on_headers_stop_iteration: true },
    },
  ),
  single(
    "returns-stop-then-response-body",
    "response headers that stop alone are changed by what the body says",
    {
      proxy_on_response_headers: { returns: 1 },
      proxy_on_response_body: [
        { nth: 1, returns: 1 },
        { nth: 2, returns: 1 },
        {
          steps: [
            ["proxy_get_buffer_bytes", 1, 0, 100],
            ["proxy_replace_header_map_value", 2, ":status", "201"],
            ["proxy_set_buffer_bytes", 1, 0, 100, "other"],
          ],
        },
      ],
    },
    { script: RESPONSE, plugin: { allow_on_headers_stop_iteration: true } },
  ),
];

export const RETURN_CASES: CaseGroup = {
  name: "returns",
  cases: [...PLAIN, ...STOPS, ...TRAILERS, ...THEN],
};
