/** Traps in each callback under each failure policy, of each kind, and allocators that fail. */
import type { CallbackName } from "../../../src/abi/callback-table.ts";
import {
  answerInParts,
  type CaseGroup,
  CHUNKED_OK,
  CHUNKED_POST,
  chunk,
  type DifferentialCase,
  exchange,
  GET,
  inParts,
  LAST_CHUNK,
  logged,
  QUIET,
  type ScriptStep,
  send,
  single,
  UPSTREAM_REQUEST,
} from "../case.ts";
import type { Program, Step } from "../program.ts";
import { SLEEP } from "../ticks.ts";
import { WHOLE, WITH_TRAILERS } from "./phases.ts";

const POLICIES = ["FAIL_CLOSED", "FAIL_OPEN", "FAIL_RELOAD"] as const;
const trap: Step = ["trap", 0];

/** Where it traps, at which call, and what is played: then one more request on the same listener. */
const PLACES: readonly (readonly [CallbackName, number, readonly ScriptStep[]])[] = [
  ["proxy_on_context_create", 2, [send(GET), QUIET]],
  ["proxy_on_request_headers", 1, [send(GET), QUIET]],
  [
    "proxy_on_request_body",
    1,
    [...inParts([CHUNKED_POST, chunk("some")]), send(LAST_CHUNK), QUIET],
  ],
  ["proxy_on_request_trailers", 1, [...WHOLE.slice(0, 5), QUIET]],
  ["proxy_on_response_headers", 1, [...exchange().slice(0, -1), QUIET]],
  ["proxy_on_response_body", 1, [...exchange().slice(0, -1), QUIET]],
  ["proxy_on_response_trailers", 1, [...WHOLE.slice(0, -1), QUIET]],
  ["proxy_on_log", 1, exchange()],
  ["proxy_on_done", 1, exchange()],
  ["proxy_on_delete", 1, exchange()],
];

const short = (name: CallbackName): string => name.replace("proxy_on_", "").replaceAll("_", "-");
const policyName = (policy: string): string => policy.replace("FAIL_", "").toLowerCase();

const EACH = PLACES.flatMap(([callback, nth, script]) =>
  POLICIES.map((policy) =>
    single(
      `trap-${short(callback)}-${policyName(policy)}`,
      `a trap in ${callback}, ${policy}`,
      { [callback]: { nth, steps: [trap] } },
      { script, plugin: { failure_policy: policy }, hcm: WITH_TRAILERS },
    ),
  ),
);

/** The older field: with it the stream that meets the trap goes on in Envoy as well. */
const OLD_OPEN = PLACES.map(([callback, nth, script]) =>
  single(
    `trap-${short(callback)}-old-open`,
    `a trap in ${callback}, fail_open`,
    { [callback]: { nth, steps: [trap] } },
    { script, plugin: { fail_open: true }, hcm: WITH_TRAILERS },
  ),
);

const KINDS = ["unreachable", "recursion", "outside", "division"].map((what, kind) =>
  single(
    `trap-by-${what}`,
    `a trap by ${what}`,
    { proxy_on_request_headers: { steps: [["trap", kind]] } },
    { script: [send(GET), QUIET] },
  ),
);

const ALLOCATORS = ["gives-0", "gives-outside", "traps", "grows"].map((what, index) => {
  const read: readonly Step[] = [
    ["proxy_get_header_map_value", 0, ":path"],
    ["proxy_get_header_map_pairs", 0],
    ["proxy_get_property", "plugin_name"],
    ["proxy_get_header_map_value", 0, "x-empty"],
  ];
  const steps: readonly Step[] = [["allocator", index + 1], ...read, ["allocator", 0], ...read];
  return single(
    `allocator-${what}`,
    `an allocator that ${what.replace("-", " ")}`,
    { proxy_on_request_headers: { steps } },
    { script: [send(GET), UPSTREAM_REQUEST, ...exchange().slice(2, 3), QUIET] },
  );
});

/** Something queued by the callback that then traps. */
const QUEUED = (
  [
    ["reply", ["proxy_send_local_response", 418, "d", "reply", "", -1]],
    ["header", ["proxy_add_header_map_value", 0, "x-added", "before"]],
    ["close", ["proxy_close_stream", 0]],
  ] as readonly (readonly [string, Step])[]
).flatMap(([what, step]) =>
  (["FAIL_CLOSED", "FAIL_OPEN"] as const).map((policy) =>
    single(
      `trap-behind-${what}-${policyName(policy)}`,
      `a trap behind a ${what}, ${policy}`,
      { proxy_on_request_headers: { steps: [step, trap] } },
      { script: [...exchange().slice(0, -1), QUIET], plugin: { failure_policy: policy } },
    ),
  ),
);

const waiting: Program = {
  proxy_on_request_headers: {
    steps: SLEEP,
    returns: 1,
  },
  proxy_on_tick: { steps: [trap] },
};

const OTHERS: readonly DifferentialCase[] = [
  ...(["FAIL_CLOSED", "FAIL_OPEN"] as const).map((policy) =>
    single(
      `trap-in-tick-${policyName(policy)}`,
      `a tick traps while a stream is paused, ${policy}`,
      waiting,
      { script: [send(GET), logged("proxy_on_tick"), QUIET], plugin: { failure_policy: policy } },
    ),
  ),
  single(
    "trap-then-next-request",
    "the next request after a trap",
    { proxy_on_request_headers: { nth: 1, steps: [trap] } },
    { script: [send(GET), QUIET, send(GET), QUIET] },
  ),
  single(
    "trap-then-next-request-open",
    "the next request after a trap, failing open",
    { proxy_on_request_headers: { nth: 1, steps: [trap] } },
    {
      script: [...exchange(), ...exchange()],
      plugin: { failure_policy: "FAIL_OPEN" },
    },
  ),
  single(
    "trap-late-closed",
    "a trap when the response has begun",
    { proxy_on_response_body: { nth: 2, steps: [trap] } },
    {
      script: [
        send(GET),
        UPSTREAM_REQUEST,
        ...answerInParts([CHUNKED_OK, chunk("one"), chunk("two"), LAST_CHUNK]),
      ],
    },
  ),
  single(
    "trap-grpc",
    "a trap answers a gRPC request by its rules",
    { proxy_on_request_headers: { steps: [trap] } },
    {
      script: [
        send(
          "POST /a.B/C HTTP/1.1\r\nhost: case.test\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n",
        ),
        QUIET,
      ],
    },
  ),
];

export const TRAP_CASES: CaseGroup = {
  name: "traps",
  cases: [...EACH, ...OLD_OPEN, ...KINDS, ...ALLOCATORS, ...QUEUED, ...OTHERS],
};
