/**
 * What must differ between two runs, or between Envoy and Granary, and nothing else: each row says
 * why. Everything that is not here is compared byte by byte.
 */
import type { Recording } from "./player.ts";

interface Row {
  readonly find: RegExp;
  readonly put: string;
  readonly why: string;
}

/** Applied to every line of heads, trailers and logs. */
const LINES: readonly Row[] = [
  { find: /(\bdate: )[A-Z][a-z]{2}, [\w: ]+ GMT/g, put: "$1DATE", why: "the time of the run" },
  { find: /(\bserver: )(envoy|granary)\b/g, put: "$1SERVER", why: "it names the product" },
  {
    find: /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g,
    put: "UUID",
    why: "request ids are random",
  },
  { find: /127\.0\.0\.1:\d+/g, put: "127.0.0.1:PORT", why: "ports are given by the kernel" },
  {
    find: /(\bx-envoy-upstream-service-time: )\d+/g,
    put: "$1MS",
    why: "measured milliseconds",
  },
  {
    find: /(get_header_map_size 2 = 0) \d+/,
    put: "$1 SIZE",
    why: "the digits of x-envoy-upstream-service-time and the product's name count",
  },
  {
    find: /(get_property "(?:request\\u0000(?:time|duration)|response\\u0000backend_latency|connection\\u0000id|connection_id|(?:source|destination|upstream)\\u0000port|upstream\\u0000cx_pool_ready_duration)" = 0) ".*"$/,
    put: "$1 VALUE",
    why: "times are measured, ids and ports given",
  },
  {
    find: /(?<=(?:define_metric|register_shared_queue|resolve_shared_queue) .* = 0) \d+$/,
    put: " ID",
    why: "ids are opaque: who else has defined something in the process counts",
  },
  {
    find: /^(proxy_on_queue_ready \d+) \d+$/,
    put: "$1 ID",
    why: "ids are opaque",
  },
  {
    find: /(get_status = 0 \d+) "(?:via_upstream|upstream_reset_after_response_started\{.*\})"$/,
    put: "$1 null",
    why: "Envoy puts the response's details where the service gave no message",
  },
  {
    find: /(get_status = 0 \d+ "[^{]*)\{.*\}"$/,
    put: '$1"',
    why: "Envoy puts the response's details behind the service's message",
  },
  {
    find: /^(.*get_current_time_nanoseconds.*= 0) \d+$/,
    put: "$1 TIME",
    why: "the time of the run",
  },
];

/** Fields that one of the two adds. */
const LEFT_OUT: readonly (readonly [find: RegExp, why: string])[] = [
  [/^grpc-accept-encoding: /, "Granary unpacks compressed messages and says so"],
];

/**
 * Fields of different names have no order (RFC 9110 5.3), and framing fields are the codec's: heads
 * are sorted by name. Fields of one name keep theirs.
 */
function sortedHead(head: readonly string[]): readonly string[] {
  const [first = "", ...fields] = head;
  const nameOf = (line: string): string => line.slice(0, line.indexOf(":", 1));
  return [
    first,
    ...fields.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0)),
  ];
}

/** Start-up of a plugin that has nothing to do there: in every case the same. */
const START = [
  /^(\d: )?proxy_on_context_create \d+ 0$/,
  /^(\d: )?proxy_on_vm_start \d+ \d+$/,
  /^(\d: )?proxy_on_configure \d+ \d+$/,
];

/** A hostcall's line, which belongs to the callback above it. */
const CALL = /^(\d: )? /;

const normaliseLine = (line: string): string =>
  LINES.reduce((text, { find, put }) => text.replace(find, put), line);

/**
 * Without the callbacks of starts in which nothing is called. They come first, and again when a
 * failed VM is made anew: when that happens is a difference by itself, and shown by other cases.
 */
function withoutStarts(log: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let at = 0; at < log.length; at++) {
    const isStart = START.every((pattern, offset) => pattern.test(log[at + offset] ?? ""));
    if (isStart && !CALL.test(log[at + START.length] ?? "")) {
      at += START.length - 1;
    } else {
      kept.push(log[at] ?? "");
    }
  }
  return kept;
}

/**
 * Of a stream that is given up Envoy says INTERNAL_ERROR to the upstream, Granary CANCEL, which is
 * the code for it (RFC 9113 section 7): both are 8.
 */
const GIVEN_UP: ReadonlyMap<number | undefined, number> = new Map([[2, 8]]);

const request = <M extends Recording["client"][number]>(seen: M): M => ({
  ...message(seen),
  ...(seen.reset === undefined ? {} : { reset: GIVEN_UP.get(seen.reset) ?? seen.reset }),
});

const message = <M extends Recording["client"][number]>(seen: M): M => ({
  ...seen,
  head: sortedHead(seen.head.map(normaliseLine)).filter(
    (line) => !LEFT_OUT.some(([find]) => find.test(line)),
  ),
  ...(seen.trailers === undefined ? {} : { trailers: seen.trailers.map(normaliseLine) }),
});

export function normalise(recording: Recording): Recording {
  return {
    ...recording,
    client: recording.client.map(message),
    upstream: recording.upstream.map(request),
    log: withoutStarts(recording.log).map(normaliseLine),
  };
}
