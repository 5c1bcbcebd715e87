/**
 * Requests as HTTP/2 brings them, in the form that everything behind the codec knows: `:authority`
 * instead of `host`, one `cookie`. What HTTP/1.1 would refuse is refused here too, because the
 * request may go on over HTTP/1.1. nghttp2 has checked names, values and pseudo-headers before.
 * Source: RFC 9113 section 8.3. @hot per-request
 */

import type { HeaderMap } from "../../../http/header-map.ts";
import { isValidAuthority } from "../../../http/uri.ts";

/** Why a request is malformed, as `%RESPONSE_CODE_DETAILS%` says it; null when it is not. */
export function normaliseRequest(headers: HeaderMap): string | null {
  const host = headers.get("host");
  if (!headers.has(":authority") && host !== null) headers.append(":authority", host);
  if (host !== null) headers.remove("host");
  joinCookies(headers);
  if (headers.get(":method") === "CONNECT") return null;
  const path = headers.get(":path");
  if (path === null || !isPath(path)) return "http2.invalid_path";
  const authority = headers.get(":authority");
  if (authority === null || authority === "") return "missing_host_header";
  return isValidAuthority(authority) ? null : "http2.invalid_authority";
}

/**
 * Clients send cookies in crumbs, HTTP/1.1 knows one field (RFC 9113 section 8.2.3). As in Envoy it
 * is the last one.
 */
function joinCookies(headers: HeaderMap): void {
  const first = headers.indexOf("cookie", 0);
  if (first < 0) return;
  let joined = headers.valueAt(first);
  for (let i = headers.indexOf("cookie", first + 1); i >= 0; ) {
    joined = joined.concat("; ", headers.valueAt(i));
    i = headers.indexOf("cookie", i + 1);
  }
  headers.remove("cookie");
  headers.append("cookie", joined);
}

function isPath(path: string): boolean {
  if (path !== "*" && path.charCodeAt(0) !== 0x2f) return false;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return false;
  }
  return true;
}
