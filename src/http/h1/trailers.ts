/**
 * Trailer sections: the same lines as a head, without the fields that must not come late.
 */
import { HeaderMap } from "../header-map.ts";
import type { HeadScanner } from "./head-scanner.ts";
import { latin1 } from "./latin1.ts";

/**
 * Fields about framing, routing, authentication or content processing: a trailer of that name is
 * dropped. Source: RFC 9110 section 6.5.1.
 */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "keep-alive",
  "location",
  "max-forwards",
  "pragma",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "range",
  "retry-after",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "warning",
  "www-authenticate",
]);

/** The allowed fields of the section `[base, stop)` that `scanner` has scanned. */
export function trailersOf(
  scanner: HeadScanner,
  bytes: Uint8Array,
  base: number,
  stop: number,
): HeaderMap {
  const trailers = new HeaderMap();
  const text = latin1(bytes, base, stop);
  const { marks, count } = scanner;
  for (let m = 0; m < count * 4; m += 4) {
    const name = text.substring(marks[m] as number, marks[m + 1] as number);
    if (FORBIDDEN_TRAILERS.has(name)) continue;
    trailers.append(name, text.substring(marks[m + 2] as number, marks[m + 3] as number));
  }
  return trailers;
}
