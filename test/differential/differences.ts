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
      "property-request",
      "property-request-plain",
      "property-request-headers",
      "property-request-sizes",
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
    reason: "FAIL_OPEN lets the stream that meets the trap go on, as fail_open does",
    cases: [
      "trap-context-create-open",
      "trap-request-headers-open",
      "trap-request-body-open",
      "trap-request-trailers-open",
      "trap-response-headers-open",
      "trap-response-body-open",
      "trap-response-trailers-open",
      "trap-behind-reply-open",
      "trap-behind-header-open",
    ],
  },
  {
    reason: "a VM that failed is made anew at once, under every policy",
    cases: ["trap-then-next-request", "trap-then-next-request-open"],
  },
  {
    reason: "a trap behind proxy_close_stream is answered by the failure policy; Envoy crashes",
    cases: ["trap-behind-close-closed", "trap-behind-close-open"],
  },
  {
    reason: "streams that wait for a VM that died get the failure policy at once",
    cases: ["trap-in-tick-closed", "trap-in-tick-open"],
  },
  {
    reason: "a trap in the allocator ends the callback at once",
    cases: ["allocator-traps"],
  },
  {
    reason: "proxy_set_buffer_bytes splices inside the buffer",
    cases: [
      "body-edit-request-splice-inside",
      "body-edit-request-insert-inside",
      "body-edit-response-splice-inside",
      "body-edit-response-insert-inside",
    ],
  },
  {
    reason: "an empty slice may lie anywhere",
    cases: ["body-set-from-nowhere"],
  },
  {
    reason: "headers can be changed until the callback that resumes has ended",
    cases: ["resume-edits-headers"],
  },
  {
    reason: "trailers pass without enable_trailers",
    cases: ["trailers-not-enabled"],
  },
  {
    reason: "trailers about framing, routing or authentication are dropped",
    cases: ["trailers-forbidden"],
  },
  {
    reason: "a body of another length than announced never runs into the next message",
    cases: [
      "length-response-shrinks",
      "length-response-grows",
      "length-request-grows",
      "header-response-wrong-length",
    ],
  },
  {
    reason: "fields of one name stay apart where Envoy joins some with a comma",
    cases: ["header-add-inline", "header-response-duplicates"],
  },
  {
    reason: "adding to a pseudo-header or to content-length replaces it",
    cases: [
      "header-add-path",
      "header-add-authority",
      "header-add-content-length",
      "header-response-status-add",
    ],
  },
  {
    reason: "a header that is replaced keeps its place",
    cases: ["header-replace-many", "header-replace-line", "header-replace-host"],
  },
  {
    reason: "a request without :authority is answered 503, not sent without host",
    cases: ["header-remove-authority", "header-remove-host"],
  },
  {
    reason: "a header whose name or value is malformed is dropped",
    cases: [
      "header-value-with-newline",
      "header-value-with-nul",
      "header-name-with-space",
      "header-name-with-colon",
      "header-response-value-with-newline",
    ],
  },
  {
    reason: "a request whose x-forwarded-proto a filter removed is still routed",
    cases: ["header-set-whole"],
  },
  {
    reason: "a malformed list of pairs leaves the map as it was",
    cases: ["header-set-truncated", "header-set-garbage", "header-response-set-garbage"],
  },
  {
    reason: "a response whose status is none becomes 502",
    cases: ["header-response-status-is-99", "header-response-status-is-1000"],
  },
  {
    reason: "filters see the keep-alive field of the upstream",
    cases: ["header-response-connection"],
  },
  {
    reason: "names of properties that older filters use still work",
    cases: ["property-legacy"],
  },
  {
    reason: "a property of several parts is found under its parts",
    cases: ["property-set-parts"],
  },
  {
    reason: "a message field that is not set is not found",
    cases: ["property-xds"],
  },
  {
    reason: "a message inside one that a guest set has the bytes that the guest gave it",
    cases: ["property-declared-encoding"],
  },
  {
    reason: "results are written only when the call succeeds",
    cases: ["shared-data-misuse"],
  },
  {
    reason: "resuming the upstream side of a TCP stream does nothing",
    cases: ["stream-types"],
  },
  {
    reason: "the message of a gRPC status is decoded",
    cases: ["grpc-call-fails"],
  },
  {
    reason: "the status of an answer that is no gRPC says what is wrong with it",
    cases: ["grpc-call-type", "grpc-call-flag"],
  },
  {
    reason: "a gRPC callout that is refused ends with its status, no callback follows",
    cases: ["grpc-call-unknown-cluster"],
  },
  {
    reason: "a GrpcService without a target is refused; Envoy crashes",
    cases: ["grpc-call-nowhere"],
  },
];

/** Why a case differs, or null. */
export function differenceOfCase(name: string): string | null {
  return DIFFERENCES.find(({ cases }) => cases.includes(name))?.reason ?? null;
}
