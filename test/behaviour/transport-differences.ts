/**
 * Where uWS does not do what the codec does: the behaviour tests that fail on it, and why. What it
 * does instead is in uws-differences.test.ts; users read docs/host-differences.md.
 */
export interface Difference {
  readonly file: string;
  readonly test: RegExp;
  readonly why: string;
}

export const UWS_DIFFERENCES: readonly Difference[] = [
  {
    file: "forwarding",
    test: /chunked body with trailers/,
    why: "the build takes trailers of a request for the next request (framing self-test)",
  },
  {
    file: "forwarding",
    test: /^pipelined requests/,
    why: "uWS closes when a request comes before the answer to the one before (framing self-test)",
  },
  {
    file: "forwarding",
    test: /^a chunked response with trailers/,
    why: "uWS cannot send trailers",
  },
  { file: "forwarding", test: /^an HTTP\/1\.0 client/, why: "uWS answers HTTP/1.0 with 505" },
  {
    file: "forwarding",
    test: /^a blank before a colon/,
    why: "the build waits for more of such a head (framing self-test)",
  },
  { file: "bodies", test: /^informational responses/, why: "uWS cannot send 1xx but 100" },
  {
    file: "forwarding",
    test: /^no field at all/,
    why: "the build waits for more of such a head",
  },
  {
    file: "access-log",
    test: /^bytes that are no HTTP/,
    why: "uWS answers what it cannot parse itself, without a word to us",
  },
  {
    file: "timeouts",
    test: /^a head that does not come to its end/,
    why: "uWS shows whole heads only: request_headers_timeout is refused at the start",
  },
  {
    file: "tls",
    test: /^a client certificate is demanded/,
    why: "client certificates are refused at the start",
  },
  {
    file: "filters",
    test: /^trailers made in the last body callback/,
    why: "uWS cannot send trailers",
  },
  {
    file: "filters-failure",
    test: /./,
    why: "its requests have trailers (framing self-test)",
  },
  {
    file: "conformance",
    test: /^panic-response-body/,
    why: "the head of a chunked response leaves with the first bytes of its body",
  },
];
