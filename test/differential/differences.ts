/**
 * Where Granary differs from Envoy on purpose: the reason, and the cases that show it. The replay
 * demands that each of them really differs, and that docs/host-differences.md names it.
 */
export interface Difference {
  readonly reason: string;
  readonly cases: readonly string[];
}

export const DIFFERENCES: readonly Difference[] = [
  {
    reason: "headers and trailers stay readable until the stream ends",
    cases: [
      "phases-get-request-headers",
      "phases-size-request-headers",
      "phases-get-request-trailers",
      "phases-size-request-trailers",
      "phases-get-response-headers",
      "phases-size-response-headers",
      "phases-get-response-trailers",
      "phases-size-response-trailers",
    ],
  },
  {
    reason: "a metric keeps its id, and the trial start counts nothing",
    cases: ["phases-metrics"],
  },
  {
    reason: "a reply to a stream that has ended is harmless; Envoy crashes",
    cases: ["reply-log-continue", "reply-done-continue", "reply-delete-continue"],
  },
  {
    reason: "a reply with 204 or 304 has no body on the wire",
    cases: ["reply-204", "reply-304"],
  },
  {
    reason: "a status that is none becomes 500",
    cases: ["reply-status-0", "reply-status-99", "reply-status-1000"],
  },
  {
    reason: "after a reply from on_context_create no request callback follows",
    cases: ["reply-context-create-continue"],
  },
  {
    reason: "interim responses of the upstream reach the client",
    cases: [
      "interim-from-upstream-100",
      "interim-from-upstream-102",
      "interim-from-upstream-103",
      "interim-two",
    ],
  },
  {
    reason: "a VM that failed is made anew at once, under every policy",
    cases: ["trap-headers"],
  },
];

/** Why a case differs, or null. */
export function differenceOfCase(name: string): string | null {
  return DIFFERENCES.find(({ cases }) => cases.includes(name))?.reason ?? null;
}
