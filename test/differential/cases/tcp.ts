/** Network filters in front of the TCP proxy. What passes is no HTTP: it is recorded as one head. */
import {
  answer,
  type CaseGroup,
  CLIENT_CLOSES,
  CLIENT_ENDS,
  type DifferentialCase,
  QUIET,
  RESPONSE_HEAD,
  type ScriptStep,
  send,
  single,
  UPSTREAM_CLOSES,
  UPSTREAM_HEAD,
} from "../case.ts";
import type { Program, Step } from "../program.ts";
import { SLEEP, wake } from "../ticks.ts";

const MAX = 0xffffffff;
const read = (type: number): Step => ["proxy_get_buffer_bytes", type, 0, MAX];

const both: readonly ScriptStep[] = [
  send("ping"),
  UPSTREAM_HEAD,
  answer("pong"),
  RESPONSE_HEAD,
  QUIET,
];

const tcp = (
  name: string,
  shows: string,
  program: Program,
  script: readonly ScriptStep[] = both,
): DifferentialCase => ({ ...single(`tcp-${name}`, shows, program, { script }), isTcp: true });

export const TCP_CASES: CaseGroup = {
  name: "tcp",
  cases: [
    tcp("nothing", "a filter that does nothing", {}),
    tcp("read", "data is read in both directions", {
      proxy_on_downstream_data: { steps: [read(2), read(3), read(0)] },
      proxy_on_upstream_data: { steps: [read(3), read(2)] },
    }),
    tcp("edit", "data is changed in both directions", {
      proxy_on_downstream_data: { steps: [["proxy_set_buffer_bytes", 2, 0, MAX, "to upstream"]] },
      proxy_on_upstream_data: { steps: [["proxy_set_buffer_bytes", 3, 0, 0, "<"]] },
    }),
    tcp(
      "two-chunks-held",
      "data that is held is seen whole",
      {
        proxy_on_downstream_data: [{ nth: 1, steps: [read(2)], returns: 1 }, { steps: [read(2)] }],
      },
      [send("one"), QUIET, send("two"), QUIET],
    ),
    tcp("paused-connection", "a connection that is paused is resumed by a tick", {
      proxy_on_new_connection: { steps: SLEEP, returns: 1 },
      ...wake(2),
    }),
    tcp("client-closes", "the client closes", {}, [...both, CLIENT_CLOSES, QUIET]),
    tcp("client-half-closes", "the client half-closes", {}, [...both, CLIENT_ENDS, QUIET]),
    tcp("upstream-closes", "the upstream closes", {}, [...both, UPSTREAM_CLOSES, QUIET]),
    tcp(
      "close-stream",
      "the filter closes the connection",
      { proxy_on_downstream_data: { steps: [["proxy_close_stream", 2]], returns: 1 } },
      [send("ping"), QUIET],
    ),
    tcp(
      "trap",
      "a trap closes the connection",
      { proxy_on_downstream_data: { steps: [["trap", 0]] } },
      [send("ping"), QUIET],
    ),
    tcp("misuse", "calls that belong to HTTP", {
      proxy_on_downstream_data: {
        steps: [
          ["proxy_get_header_map_value", 0, ":path"],
          ["proxy_get_header_map_pairs", 0],
          ["proxy_add_header_map_value", 0, "x", "y"],
          ["proxy_get_property", "request\0path"],
          ["proxy_get_property", "plugin_name"],
          ["proxy_get_property", "upstream\0num_endpoints"],
          ["proxy_set_property", "mine", "v"],
          ["proxy_get_property", "mine"],
          ["proxy_continue_stream", 0],
        ],
      },
    }),
  ],
};
