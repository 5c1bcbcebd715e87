/** Whether the filter that serves and its shadow did the same to one stream. */
import type { SHADOW_STATS } from "../../metrics/dynamic-stats.ts";
import { REQUEST, RESPONSE } from "../http-filter.ts";
import type { WasmFilter } from "../wasm-filter.ts";
import { headerDifferences, type Passed } from "./passed.ts";

/** Row of {@link SHADOW_STATS}. */
type DifferenceKind = Exclude<
  keyof typeof SHADOW_STATS,
  "streams" | "same" | "different" | "uncompared"
>;

export interface Difference {
  readonly kind: DifferenceKind;
  readonly text: string;
}

/** What became of a stream in one of the two. */
export interface Run {
  readonly endedBy: WasmFilter["endedBy"];
  /** By direction. */
  readonly passed: readonly [Passed, Passed];
}

const KINDS = [
  ["request_headers", "request_body", "request_trailers"],
  ["response_headers", "response_body", "response_trailers"],
] as const;

/** Empty: they did the same. */
export function compareRuns(live: Run, shadow: Run): readonly Difference[] {
  const ours = endText(live.endedBy);
  const theirs = endText(shadow.endedBy);
  if (ours !== theirs) {
    const kind = shadow.endedBy === "failure" ? "failure" : "reply";
    return [{ kind, text: `live: ${endName(live.endedBy)}, shadow: ${endName(shadow.endedBy)}` }];
  }
  // What follows a reply is not the filter's.
  if (live.endedBy !== null) return [];
  const found: Difference[] = [];
  for (const direction of [REQUEST, RESPONSE] as const) {
    const [a, b] = [live.passed[direction], shadow.passed[direction]];
    const isPaused = (a.headers === null) !== (b.headers === null) || a.ended !== b.ended;
    if (a.headers !== null && b.headers !== null) found.push(...comparePassed(a, b, direction));
    if (!isPaused) continue;
    const who = b.headers === null || (a.headers !== null && !b.ended) ? "shadow" : "live";
    found.push({ kind: "pause", text: `the ${who} one held the ${nameOf(direction)}` });
    break;
  }
  return found;
}

function comparePassed(a: Passed, b: Passed, direction: 0 | 1): Difference[] {
  const [headers, body, trailers] = KINDS[direction];
  const found: Difference[] = [];
  const names = headerDifferences(a.headers, b.headers);
  if (names.length > 0) found.push({ kind: headers, text: names.join(" ") });
  if (!a.ended || !b.ended) return found;
  if (a.digest() !== b.digest()) {
    found.push({ kind: body, text: `live: ${a.bodyBytes} bytes, shadow: ${b.bodyBytes} bytes` });
  }
  const more = headerDifferences(a.trailers, b.trailers);
  if (more.length > 0) found.push({ kind: trailers, text: more.join(" ") });
  return found;
}

function nameOf(direction: 0 | 1): string {
  return direction === REQUEST ? "request" : "response";
}

/** Equal for equal ends. */
function endText(end: Run["endedBy"]): string {
  if (end === null || typeof end === "string") return String(end);
  const { status, headers, grpcStatus, body } = end;
  return JSON.stringify([status, headers, grpcStatus, Buffer.from(body).toString("latin1")]);
}

function endName(end: Run["endedBy"]): string {
  if (end === null) return "goes on";
  return typeof end === "string" ? end : `reply ${end.status}, ${end.body.byteLength} bytes`;
}
