/**
 * Each hostcall in each phase: the same calls in every callback of one whole exchange with bodies
 * and trailers on both sides, and at start-up and in a tick.
 */
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import {
  answer,
  answerInParts,
  type CaseGroup,
  CHUNKED_OK,
  CHUNKED_POST,
  chunk,
  type DifferentialCase,
  inParts,
  RESPONSE,
  send,
  single,
  UPSTREAM_REQUEST,
} from "../case.ts";
import {
  CONTEXT,
  EDGE,
  lastResult,
  OUTSIDE,
  type Program,
  rawSlice,
  type Step,
  variable,
} from "../program.ts";

const PHASES: readonly CallbackName[] = [
  "proxy_on_context_create",
  "proxy_on_vm_start",
  "proxy_on_configure",
  "proxy_on_request_headers",
  "proxy_on_request_body",
  "proxy_on_request_trailers",
  "proxy_on_response_headers",
  "proxy_on_response_body",
  "proxy_on_response_trailers",
  "proxy_on_log",
  "proxy_on_done",
  "proxy_on_delete",
];

const TRAILERS = "0\r\nx-trailer: of request\r\n\r\n";

/** Both HTTP/1 codecs pass trailers. */
export const WITH_TRAILERS = { http_protocol_options: { enable_trailers: true } };

/** A whole exchange in which every callback happens once or more. */
export const WHOLE = [
  ...inParts([CHUNKED_POST, chunk("some ")]),
  send(chunk("body") + TRAILERS),
  UPSTREAM_REQUEST,
  ...answerInParts([CHUNKED_OK, chunk("hel")]),
  answer(`${chunk("lo")}0\r\nx-trailer: of response\r\n\r\n`),
  RESPONSE,
];

/** A program that makes the same calls in every phase, and in the first tick. */
function everywhere(steps: readonly Step[]): Program {
  const rule = { steps };
  return {
    ...Object.fromEntries(PHASES.map((name) => [name, rule])),
    proxy_on_configure: { steps: [...steps, ["proxy_set_tick_period_milliseconds", 1]] },
    proxy_on_tick: { steps: [...steps, ["proxy_set_tick_period_milliseconds", 0]] },
  };
}

const inEveryPhase = (name: string, what: string, steps: readonly Step[]): DifferentialCase =>
  single(`phases-${name}`, `${what}, in every phase`, everywhere(steps), {
    script: WHOLE,
    hcm: WITH_TRAILERS,
  });

const MAPS = ["request-headers", "request-trailers", "response-headers", "response-trailers"];
const KEYS = [":path", "x-trailer", ":status", "x-trailer"];

const HEADERS: readonly DifferentialCase[] = MAPS.flatMap((map, type) => [
  inEveryPhase(`get-${map}`, `${map} are read`, [
    ["proxy_get_header_map_value", type, KEYS[type] ?? ""],
    ["proxy_get_header_map_value", type, "absent"],
    ["proxy_get_header_map_pairs", type],
  ]),
  inEveryPhase(`size-${map}`, `the size of ${map} is read`, [["proxy_get_header_map_size", type]]),
  inEveryPhase(`add-${map}`, `${map} are added to`, [
    ["proxy_add_header_map_value", type, "x-added", "one"],
  ]),
  inEveryPhase(`replace-${map}`, `${map} are replaced`, [
    ["proxy_replace_header_map_value", type, "x-replaced", "two"],
  ]),
  inEveryPhase(`remove-${map}`, `${map} are removed`, [
    ["proxy_remove_header_map_value", type, "x-trailer"],
  ]),
]);

const BUFFERS: readonly DifferentialCase[] = [
  inEveryPhase("buffers-get", "every buffer is read", [
    ...[0, 1, 2, 3, 4, 5].map((type): Step => ["proxy_get_buffer_bytes", type, 0, 100]),
    ["proxy_get_buffer_bytes", 6, 0, 1],
    ["proxy_get_buffer_bytes", 7, 0, 100],
    ["proxy_get_buffer_bytes", 9, 0, 100],
    ["proxy_get_buffer_bytes", 0xffffffff, 0, 100],
  ]),
  inEveryPhase("buffers-status", "every buffer's size is read", [
    ...[0, 1, 2, 3, 4, 5, 7, 9].map((type): Step => ["proxy_get_buffer_status", type]),
  ]),
  inEveryPhase("buffers-set-request", "the request body is set", [
    ["proxy_set_buffer_bytes", 0, 0, 0, "+"],
  ]),
  inEveryPhase("buffers-set-response", "the response body is set", [
    ["proxy_set_buffer_bytes", 1, 0, 0, "+"],
  ]),
  inEveryPhase("buffers-set-others", "buffers that are not to be set", [
    ...[2, 3, 4, 5, 6, 7, 8, 9].map((type): Step => ["proxy_set_buffer_bytes", type, 0, 0, "+"]),
  ]),
];

const THREAD: readonly DifferentialCase[] = [
  inEveryPhase("log", "lines of every level", [
    ...[0, 1, 2, 3, 4, 5].map((level): Step => ["proxy_log", level, `guest level ${level}`]),
    ["proxy_log", 6, "guest level 6"],
    ["proxy_log", 2, OUTSIDE],
  ]),
  inEveryPhase("log-level", "the log level", [
    ["proxy_get_log_level"],
    ["proxy_get_log_level", { outs: [EDGE] }],
  ]),
  inEveryPhase("time", "the time", [
    ["proxy_get_current_time_nanoseconds"],
    ["proxy_get_current_time_nanoseconds", { outs: [EDGE] }],
  ]),
  inEveryPhase("metrics", "metrics are defined, changed and read", [
    ["proxy_define_metric", 0, "d_counter"],
    ["save", 1, lastResult(0)],
    ["proxy_increment_metric", variable(1), 2],
    ["proxy_get_metric", variable(1)],
    ["proxy_define_metric", 3, "d_bad"],
  ]),
  inEveryPhase("effective-context", "the effective context is set", [
    ["proxy_set_effective_context", CONTEXT],
    ["proxy_set_effective_context", 1],
    ["proxy_get_property", "plugin_name"],
    ["proxy_set_effective_context", 0],
    ["proxy_set_effective_context", 77],
  ]),
  inEveryPhase("done", "a plugin that is not waiting says that it is done", [["proxy_done"]]),
  inEveryPhase("set-tick", "the tick is stopped", [["proxy_set_tick_period_milliseconds", 0]]),
  inEveryPhase("foreign-unknown", "a foreign function that there is not", [
    ["proxy_call_foreign_function", "no_such_function", "x"],
    ["proxy_call_foreign_function", OUTSIDE, "x"],
    ["proxy_call_foreign_function", "no_such_function", OUTSIDE],
  ]),
];

const PROPERTIES: readonly DifferentialCase[] = [
  inEveryPhase("property-plugin", "what the plugin is called", [
    ["proxy_get_property", "plugin_name"],
    ["proxy_get_property", "plugin_root_id"],
    ["proxy_get_property", "plugin_vm_id"],
    ["proxy_get_property", "plugin_name\0"],
  ]),
  inEveryPhase("property-set", "a property of the stream's own", [
    ["proxy_set_property", "mine", "value"],
    ["proxy_get_property", "mine"],
  ]),
  inEveryPhase("property-misuse", "properties that there are not", [
    ["proxy_get_property", ""],
    ["proxy_get_property", "nothing"],
    ["proxy_get_property", "request"],
    ["proxy_get_property", "request\0nothing"],
    ["proxy_get_property", "request\0path\0deeper"],
    ["proxy_get_property", OUTSIDE],
    ["proxy_get_property", rawSlice(1, 0)],
    ["proxy_set_property", OUTSIDE, "value"],
    ["proxy_set_property", "x", OUTSIDE],
    ["proxy_set_property", "", "value"],
  ]),
];

export const PHASE_CASES: CaseGroup = {
  name: "phases",
  cases: [...HEADERS, ...BUFFERS, ...THREAD, ...PROPERTIES],
};
