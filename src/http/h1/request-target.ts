/**
 * The four forms of a request target. Source: RFC 9112 section 3.2.
 * @hot per-request
 */
import { isValidAuthority } from "../uri.ts";
import type { H1ErrorCode } from "./errors.ts";

/** What a target says; filled by {@link readTarget}. */
export interface RequestTarget {
  /** null: the Host field says it. */
  authority: string | null;
  /** Path with query; "*" for the server itself, "" for CONNECT. */
  path: string;
  scheme: string;
}

/**
 * Reads `raw` (visible ASCII without "#") into `into`.
 * @param scheme of the connection, for targets that bring none
 * @returns why the target is refused, or null
 */
export function readTarget(
  raw: string,
  method: string,
  scheme: string,
  into: RequestTarget,
): H1ErrorCode | null {
  into.authority = null;
  into.scheme = scheme;
  into.path = raw;
  if (method === "CONNECT") return readAuthorityForm(raw, into);
  if (raw.charCodeAt(0) === 0x2f) return null;
  if (raw === "*") return method === "OPTIONS" ? null : "targetFormInvalid";
  return readAbsoluteForm(raw, method, into);
}

/** "host:port"; the port is required. Source: RFC 9112 section 3.2.3. */
function readAuthorityForm(raw: string, into: RequestTarget): H1ErrorCode | null {
  into.authority = raw;
  into.path = "";
  const colon = raw.lastIndexOf(":");
  const port = raw.substring(colon + 1);
  const digits = colon > 0 && port.length > 0 && !port.endsWith("]");
  return digits && isValidAuthority(raw) ? null : "targetFormInvalid";
}

function readAbsoluteForm(raw: string, method: string, into: RequestTarget): H1ErrorCode | null {
  const mark = raw.indexOf("://");
  if (mark <= 0) return "targetFormInvalid";
  const scheme = raw.substring(0, mark).toLowerCase();
  if (scheme !== "http" && scheme !== "https") return "schemeInvalid";
  const start = mark + 3;
  let end = start;
  while (end < raw.length && raw.charCodeAt(end) !== 0x2f && raw.charCodeAt(end) !== 0x3f) end++;
  const authority = raw.substring(start, end);
  if (authority.length === 0 || authority.startsWith(":") || !isValidAuthority(authority)) {
    return "targetFormInvalid";
  }
  into.authority = authority;
  into.scheme = scheme;
  into.path = absolutePath(raw.substring(end), method);
  return null;
}

/** An empty path is "/", or "*" for OPTIONS. Source: RFC 9112 sections 3.2.1 and 3.2.4. */
function absolutePath(rest: string, method: string): string {
  if (rest.length === 0) return method === "OPTIONS" ? "*" : "/";
  return rest.charCodeAt(0) === 0x2f ? rest : "/" + rest;
}
