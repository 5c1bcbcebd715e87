/**
 * Header maps to and from the shapes of `node:http2`: flat lists come in, objects go out. Names and
 * values are latin1 strings on both sides. Source: RFC 9113 section 8.2, 8.3.
 * @hot per-request
 */
import { HeaderMap } from "../header-map.ts";

/** Fields that HTTP/2 forbids (RFC 9113 section 8.2.2); `te` may say "trailers" only. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
]);

/** Fields of which Node sends one value only: it throws where there are several. */
const SINGLE: ReadonlySet<string> = new Set([
  "access-control-allow-credentials",
  "access-control-max-age",
  "access-control-request-method",
  "age",
  "authorization",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-md5",
  "content-range",
  "content-type",
  "date",
  "dnt",
  "etag",
  "expires",
  "from",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "proxy-authorization",
  "range",
  "referer",
  "retry-after",
  "tk",
  "upgrade-insecure-requests",
  "user-agent",
  "x-content-type-options",
]);

export type OutgoingFields = Record<string, string | string[]>;

/** A map of Node's flat list `[name, value, name, value, ...]`. */
export function mapOfRaw(raw: readonly string[]): HeaderMap {
  const map = new HeaderMap();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    map.append(raw[i] as string, raw[i + 1] as string);
  }
  return map;
}

/**
 * The object that `node:http2` sends. A field that occurs several times becomes a list, or one
 * joined value where Node takes only one.
 */
export function fieldsOf(map: HeaderMap): OutgoingFields {
  // No prototype: a field may be called like one of its members.
  const fields: OutgoingFields = Object.create(null);
  for (let i = 0; i < map.count; i++) {
    const name = map.nameAt(i);
    const value = map.valueAt(i);
    if (FORBIDDEN.has(name) || (name === "te" && value !== "trailers")) continue;
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else if (isSingle(name)) fields[name] = String(before).concat(",", value);
    else fields[name] = append(before, value);
  }
  return fields;
}

/** Trailers: no pseudo-headers. */
export function trailerFieldsOf(map: HeaderMap): OutgoingFields {
  const fields = fieldsOf(map);
  for (const name of Object.keys(fields)) if (name.startsWith(":")) delete fields[name];
  return fields;
}

function isSingle(name: string): boolean {
  return name.charCodeAt(0) === 0x3a || SINGLE.has(name);
}

function append(before: string | string[], value: string): string[] {
  return typeof before === "string" ? [before, value] : [...before, value];
}
