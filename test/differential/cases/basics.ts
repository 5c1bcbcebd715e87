/** The suite itself: a filter that does nothing, and one of each kind of step. */
import { type CaseGroup, exchange, post, QUIET, send, single } from "../case.ts";
import { OUTSIDE } from "../program.ts";
import { SLEEP, wake } from "../ticks.ts";

export const BASICS: CaseGroup = {
  name: "basics",
  cases: [
    single("nothing", "a filter without rules changes nothing", {}),
    single("nothing-post", "a body passes", {}, { script: exchange(post("some body")) }),
    single("read-path", "a header is read", {
      proxy_on_request_headers: {
        steps: [
          ["proxy_get_header_map_value", 0, ":path"],
          ["proxy_get_header_map_value", 0, "absent"],
          ["proxy_get_header_map_value", 0, OUTSIDE],
          ["proxy_get_header_map_pairs", 0],
          ["proxy_log", 3, "guest warns"],
        ],
      },
    }),
    single(
      "pause-forever",
      "a paused stream waits",
      { proxy_on_request_headers: { returns: 1 } },
      { script: [send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), QUIET] },
    ),
    single("resume-from-tick", "a paused stream is resumed by a tick", {
      proxy_on_request_headers: {
        steps: SLEEP,
        returns: 1,
      },
      ...wake(0),
    }),
    single("trap-headers", "a trap answers 503", {
      proxy_on_request_headers: { steps: [["trap", 0]] },
    }),
  ],
};
