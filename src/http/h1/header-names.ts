/**
 * Well-known field names as shared strings. A name that is found here costs no allocation, and
 * comparing two such names compares two pointers.
 * @hot per-request
 */

/** Ids of the names the parsers act on; all other known names have larger ids, unknown ones 0. */
export const NAME_ID = {
  unknown: 0,
  contentLength: 1,
  transferEncoding: 2,
  connection: 3,
  host: 4,
  upgrade: 5,
  expect: 6,
  last: 6,
} as const;

export const KNOWN_NAMES: readonly string[] = [
  "",
  "content-length",
  "transfer-encoding",
  "connection",
  "host",
  "upgrade",
  "expect",
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "accept-ranges",
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "access-control-expose-headers",
  "access-control-max-age",
  "access-control-request-headers",
  "access-control-request-method",
  "age",
  "allow",
  "alt-svc",
  "authorization",
  "b3",
  "baggage",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-location",
  "content-range",
  "content-security-policy",
  "content-type",
  "cookie",
  "date",
  "dnt",
  "etag",
  "expires",
  "forwarded",
  "from",
  "grpc-accept-encoding",
  "grpc-encoding",
  "grpc-message",
  "grpc-status",
  "grpc-timeout",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "keep-alive",
  "last-modified",
  "link",
  "location",
  "max-forwards",
  "origin",
  "pragma",
  "priority",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "range",
  "referer",
  "referrer-policy",
  "retry-after",
  "sec-ch-ua",
  "sec-ch-ua-mobile",
  "sec-ch-ua-platform",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-user",
  "server",
  "server-timing",
  "set-cookie",
  "strict-transport-security",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "upgrade-insecure-requests",
  "user-agent",
  "vary",
  "via",
  "warning",
  "www-authenticate",
  "x-api-key",
  "x-b3-sampled",
  "x-b3-spanid",
  "x-b3-traceid",
  "x-content-type-options",
  "x-correlation-id",
  "x-envoy-attempt-count",
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-upstream-service-time",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-frame-options",
  "x-powered-by",
  "x-real-ip",
  "x-request-id",
  "x-requested-with",
  "x-xss-protection",
];

const SLOT_COUNT = 2048;
const slots = new Uint8Array(SLOT_COUNT);
const lengths = Uint8Array.from(KNOWN_NAMES, (name) => name.length);
const offsets = new Uint16Array(KNOWN_NAMES.length);
const letters = Buffer.from(KNOWN_NAMES.join(""), "latin1");

/** Multipliers for which no two known names share a slot (tested). */
function slotOf(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start] as number;
  const middle = bytes[start + (length >> 1)] as number;
  const late = bytes[start + length - 2] as number;
  const last = bytes[start + length - 1] as number;
  return (length * 249 + first * 731 + middle * 915 + late * 925 + last * 289) & (SLOT_COUNT - 1);
}

/** The same of a text. */
function slotOfText(text: string): number {
  const length = text.length;
  const first = text.charCodeAt(0);
  const middle = text.charCodeAt(length >> 1);
  const late = text.charCodeAt(length - 2);
  const last = text.charCodeAt(length - 1);
  return (length * 249 + first * 731 + middle * 915 + late * 925 + last * 289) & (SLOT_COUNT - 1);
}

let offset = 0;
KNOWN_NAMES.forEach((name, id) => {
  offsets[id] = offset;
  if (id > 0) {
    const slot = slotOf(letters, offset, name.length);
    // A name that finds its slot taken is treated as an unknown one: slower, never wrong.
    if (slots[slot] === 0) slots[slot] = id;
  }
  offset += name.length;
});

/**
 * Id of the lower-case name at `[start, start+length)`, an index into KNOWN_NAMES; 0 = not known.
 * `length` >= 1.
 */
export function knownNameId(bytes: Uint8Array, start: number, length: number): number {
  if (length < 2) return 0;
  const id = slots[slotOf(bytes, start, length)] as number;
  if (id === 0 || lengths[id] !== length) return 0;
  const at = offsets[id] as number;
  for (let i = 0; i < length; i++) {
    if (letters[at + i] !== bytes[start + i]) return 0;
  }
  return id;
}

/** As `knownNameId`, of a name that is text already. Needs no hash of the engine's. */
export function idOfName(name: string): number {
  if (name.length < 2) return 0;
  const id = slots[slotOfText(name)] as number;
  return id !== 0 && KNOWN_NAMES[id] === name ? id : 0;
}
