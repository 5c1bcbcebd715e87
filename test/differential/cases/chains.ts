/** Two and three filters in one chain, plugins that share a VM, and ABI versions. */
import {
  answer,
  type CaseGroup,
  CHUNKED_OK,
  CHUNKED_POST,
  chunk,
  type DifferentialCase,
  exchange,
  type FilterPart,
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
  UPSTREAM_REQUEST,
} from "../case.ts";
import { CONTEXT, lastResult, type Program, type Step, variable } from "../program.ts";
import { SLEEP, wake } from "../ticks.ts";

const chain = (
  name: string,
  shows: string,
  filters: readonly FilterPart[],
  script: readonly ScriptStep[] = exchange(),
): DifferentialCase => ({ name: `chain-${name}`, shows, filters, script });

const sign = (value: string): Program => ({
  proxy_on_request_headers: { steps: [["proxy_add_header_map_value", 0, "x-order", value]] },
  proxy_on_response_headers: { steps: [["proxy_add_header_map_value", 2, "x-order", value]] },
});
const reply: Step = ["proxy_send_local_response", 418, "d", "a reply", [["x-reply", "1"]], -1];
const chunkedPost = [
  ...inParts([CHUNKED_POST, chunk("body")]),
  send(LAST_CHUNK),
  UPSTREAM_REQUEST,
  answer(HELLO),
  RESPONSE,
];

const CHAINS: readonly DifferentialCase[] = [
  chain("of-three", "three filters, in order and backwards", [
    { program: sign("1") },
    { program: sign("2") },
    { program: sign("3") },
  ]),
  chain(
    "of-three-with-body",
    "three filters and a body",
    [{ program: {} }, { program: {} }, { program: {} }],
    exchange(post("body"), `${CHUNKED_OK}${chunk("one")}${LAST_CHUNK}`),
  ),
  ...[0, 1, 2].map((which) =>
    chain(
      `request-pauses-${which}`,
      `filter ${which} of three pauses the request`,
      [0, 1, 2].map((at): FilterPart => {
        const program: Program =
          at === which
            ? { proxy_on_request_headers: { steps: SLEEP, returns: 1 }, ...wake(0) }
            : sign(String(at));
        return { program };
      }),
      [send(post("body")), UPSTREAM_REQUEST, answer(HELLO), RESPONSE],
    ),
  ),
  ...[0, 1, 2].map((which) =>
    chain(
      `response-pauses-${which}`,
      `filter ${which} of three pauses the response`,
      [0, 1, 2].map((at): FilterPart => {
        const program: Program =
          at === which
            ? { proxy_on_response_headers: { steps: SLEEP, returns: 1 }, ...wake(1) }
            : sign(String(at));
        return { program };
      }),
    ),
  ),
  ...[0, 1, 2].map((which) =>
    chain(
      `replies-${which}`,
      `filter ${which} of three replies`,
      [0, 1, 2].map((at): FilterPart => {
        const program: Program =
          at === which
            ? { proxy_on_request_headers: { steps: [reply], returns: 1 } }
            : sign(String(at));
        return { program };
      }),
      [send(GET), RESPONSE],
    ),
  ),
  ...[0, 1].map((which) =>
    chain(
      `response-replies-${which}`,
      `filter ${which} of two replies to the response`,
      [0, 1].map((at): FilterPart => {
        const program: Program =
          at === which
            ? { proxy_on_response_headers: { steps: [reply], returns: 1 } }
            : sign(String(at));
        return { program };
      }),
    ),
  ),
  ...[0, 1].map((which) =>
    chain(
      `traps-${which}`,
      `filter ${which} of two traps`,
      [0, 1].map((at): FilterPart => {
        const program: Program =
          at === which ? { proxy_on_request_headers: { steps: [["trap", 0]] } } : sign(String(at));
        return { program };
      }),
      [send(GET), QUIET],
    ),
  ),
  chain(
    "body-buffered-by-first",
    "the first filter holds the body, the second sees it whole",
    [{ program: { proxy_on_request_body: [{ nth: 1, returns: 1 }, { nth: 2 }] } }, { program: {} }],
    chunkedPost,
  ),
  chain(
    "body-buffered-by-second",
    "the second filter holds the body",
    [{ program: {} }, { program: { proxy_on_request_body: [{ nth: 1, returns: 1 }, { nth: 2 }] } }],
    chunkedPost,
  ),
  chain(
    "body-edited-twice",
    "each filter edits the body",
    [0, 1].map(
      (at): FilterPart => ({
        program: {
          proxy_on_request_body: {
            nth: 1,
            steps: [["proxy_set_buffer_bytes", 0, 0, 0, String(at)]],
          },
        },
      }),
    ),
    chunkedPost,
  ),
  chain(
    "trailers-made",
    "the second filter gets the trailers that the first made",
    [
      {
        program: {
          proxy_on_request_body: {
            nth: 2,
            steps: [["proxy_add_header_map_value", 1, "x-made", "1"]],
          },
        },
      },
      { program: { proxy_on_request_trailers: { steps: [["proxy_get_header_map_pairs", 1]] } } },
    ],
    chunkedPost,
  ),
  chain("property-passed", "a property that one filter sets is read by the next", [
    { program: { proxy_on_request_headers: { steps: [["proxy_set_property", "passed", "on"]] } } },
    {
      program: {
        proxy_on_request_headers: { steps: [["proxy_get_property", "passed"]] },
        proxy_on_log: { steps: [["proxy_get_property", "passed"]] },
      },
    },
  ]),
];

const SHARED: readonly DifferentialCase[] = [
  chain("shared-vm", "two plugins in one VM have contexts of their own", [
    { vm: "shared", program: sign("a") },
    { vm: "shared", program: sign("b") },
  ]),
  chain("shared-vm-sees-memory", "plugins in one VM share its memory", [
    { vm: "shared", program: { proxy_on_request_headers: { steps: [["save", 3, CONTEXT]] } } },
    {
      vm: "shared",
      program: {
        proxy_on_request_headers: {
          steps: [
            ["proxy_set_effective_context", variable(3)],
            ["proxy_get_property", "plugin_name"],
            ["proxy_add_header_map_value", 0, "x-for", "the other"],
          ],
        },
      },
    },
  ]),
  chain(
    "shared-vm-traps",
    "a trap of one plugin is a trap of both",
    [
      { vm: "shared", program: { proxy_on_request_headers: { steps: [["trap", 0]] } } },
      { vm: "shared", program: sign("b") },
    ],
    [send(GET), QUIET],
  ),
  chain("shared-vm-metric", "a metric of one plugin is known to the other", [
    {
      vm: "shared",
      program: {
        proxy_on_configure: {
          steps: [
            ["proxy_define_metric", 0, "shared_m"],
            ["save", 4, lastResult(0)],
          ],
        },
        proxy_on_request_headers: { steps: [["proxy_increment_metric", variable(4), 3]] },
      },
    },
    {
      vm: "shared",
      program: { proxy_on_request_headers: { steps: [["proxy_get_metric", variable(4)]] } },
    },
  ]),
  chain("three-in-one-vm-pausing", "of three plugins in one VM the middle one pauses", [
    { vm: "shared", program: sign("a") },
    {
      vm: "shared",
      program: { proxy_on_request_headers: { steps: SLEEP, returns: 1 }, ...wake(0) },
    },
    { vm: "shared", program: sign("c") },
  ]),
];

const V010: readonly DifferentialCase[] = (["0.1.0", "0.2.0"] as const).flatMap((abi) => {
  const name = abi.replaceAll(".", "-");
  return [
    single(
      `abi-${name}-nothing`,
      `a filter of ABI ${abi}`,
      {},
      { abi, script: exchange(post("body")) },
    ),
    single(
      `abi-${name}-absent`,
      `an absent and an empty header in ABI ${abi}`,
      {
        proxy_on_request_headers: {
          steps: [
            ["proxy_get_header_map_value", 0, "absent"],
            ["proxy_get_header_map_value", 0, "x-empty"],
          ],
        },
        proxy_on_response_headers: { steps: [["proxy_get_header_map_value", 2, "absent"]] },
        proxy_on_log: {
          steps: [
            ["proxy_get_header_map_value", 0, "absent"],
            ["proxy_get_header_map_value", 1, "absent"],
          ],
        },
      },
      { abi, script: exchange("GET / HTTP/1.1\r\nhost: a\r\nx-empty:\r\n\r\n") },
    ),
    ...[1, 3, 4].map((value) =>
      single(
        `abi-${name}-returns-${value}`,
        `request headers return ${value} in ABI ${abi}`,
        { proxy_on_request_headers: { returns: value } },
        { abi, script: [send(post("body")), QUIET] },
      ),
    ),
  ];
});

const OLD: readonly DifferentialCase[] = [
  single(
    "abi-0-1-0-resume",
    "proxy_continue_request resumes",
    {
      proxy_on_request_headers: { steps: SLEEP, returns: 1 },
      proxy_on_tick: {
        steps: [
          ["proxy_set_effective_context", variable(0)],
          ["proxy_continue_request"],
          ["proxy_set_tick_period_milliseconds", 0],
        ],
      },
    },
    { abi: "0.1.0" },
  ),
  single(
    "abi-0-1-0-resume-response",
    "proxy_continue_response resumes",
    {
      proxy_on_response_headers: { steps: SLEEP, returns: 1 },
      proxy_on_tick: {
        steps: [
          ["proxy_set_effective_context", variable(0)],
          ["proxy_continue_response"],
          ["proxy_set_tick_period_milliseconds", 0],
        ],
      },
    },
    { abi: "0.1.0" },
  ),
  single(
    "abi-0-1-0-configuration",
    "proxy_get_configuration",
    {
      proxy_on_configure: { steps: [["proxy_get_configuration"]] },
      proxy_on_request_headers: {
        steps: [["proxy_get_configuration"], ["proxy_clear_route_cache"]],
      },
    },
    { abi: "0.1.0", script: [...exchange(), logged("clear_route_cache")] },
  ),
];

const RESTRICTED: readonly DifferentialCase[] = [
  single(
    "restricted-hostcall",
    "hostcalls that the plugin may not make",
    {
      proxy_on_request_headers: {
        steps: [
          ["proxy_get_header_map_value", 0, ":path"],
          ["proxy_add_header_map_value", 0, "x-added", "1"],
          ["proxy_send_local_response", 418, "", "", "", -1],
        ],
      },
    },
    {
      plugin: {
        capability_restriction_config: {
          allowed_capabilities: Object.fromEntries(
            [
              "proxy_log",
              "proxy_get_buffer_bytes",
              "proxy_get_property",
              "proxy_get_header_map_value",
              "proxy_on_memory_allocate",
              "proxy_on_context_create",
              "proxy_on_vm_start",
              "proxy_on_configure",
              "proxy_on_request_headers",
            ].map((name) => [name, {}]),
          ),
        },
      },
    },
  ),
];

export const CHAIN_CASES: CaseGroup = {
  name: "chains",
  cases: [...CHAINS, ...SHARED, ...V010, ...OLD, ...RESTRICTED],
};
