/**
 * Pure functions over authorities and paths. Strings are latin1. Source: RFC 3986.
 */
import { isAuthority } from "./h1/byte-classes.ts";

/** Is `text` a host with an optional port and no user info? The empty string is. */
export function isValidAuthority(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return isAuthority(Buffer.from(text, "latin1"), 0, text.length);
}

/** Index of the colon before the port, or the length when there is none. */
function portColon(authority: string): number {
  const colon = authority.lastIndexOf(":");
  if (colon < 0 || authority.endsWith("]")) return authority.length;
  return authority.indexOf(":") === colon || authority.charCodeAt(0) === 0x5b
    ? colon
    : authority.length;
}

/** The host of `host[:port]`, brackets of an IPv6 literal included. */
export function hostOf(authority: string): string {
  return authority.substring(0, portColon(authority));
}

/** The port of `host[:port]`, or -1 when it has none. */
export function portOf(authority: string): number {
  const port = authority.substring(portColon(authority) + 1);
  if (port.length === 0 || port.length > 5) return -1;
  const value = Number(port);
  return Number.isInteger(value) && value <= 65_535 ? value : -1;
}

/** The path of `:path` without its query. */
export function pathOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? target : target.substring(0, mark);
}

/** The query of `:path` without "?", or null when there is none. */
export function queryOf(target: string): string | null {
  const mark = target.indexOf("?");
  return mark < 0 ? null : target.substring(mark + 1);
}

/** Names and values of a query as they stand, escapes included; "" for a missing value. */
export function queryParameters(query: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (const part of query.split("&")) {
    if (part.length === 0) continue;
    const mark = part.indexOf("=");
    pairs.push(mark < 0 ? [part, ""] : [part.substring(0, mark), part.substring(mark + 1)]);
  }
  return pairs;
}

/**
 * `:path` with runs of "/" in the path made one; the query stays. Source: Envoy `merge_slashes`.
 */
export function mergeSlashes(target: string): string {
  const path = pathOf(target);
  if (!path.includes("//")) return target;
  return path.replace(/\/{2,}/g, "/") + target.substring(path.length);
}

const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
/** Printable characters that the normal form escapes. Source: WHATWG URL, path encode set. */
const ESCAPED = /["<>^`{|}]/g;

/**
 * `:path` normalised: escapes of unreserved characters decoded, other escapes left as they are,
 * even malformed ones, dot segments removed, backslashes turned into slashes; the query stays.
 * Returns null when an escape stands for NUL. Source: Envoy `normalize_path`, tried with 1.40.
 */
export function normalizePath(target: string): string | null {
  const path = pathOf(target);
  if (path.charCodeAt(0) !== 0x2f) return target;
  if (path.includes("%00")) return null;
  const decoded = path
    .replaceAll("\\", "/")
    .replace(/%[0-9A-Fa-f]{2}/g, (triplet) => {
      const char = String.fromCharCode(Number.parseInt(triplet.substring(1), 16));
      return UNRESERVED.test(char) ? char : triplet;
    })
    .replace(ESCAPED, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return removeDotSegments(decoded) + target.substring(path.length);
}

/** `:path` with `%2F` and `%5C` decoded before the query; the same text when there is none. */
export function unescapeSlashes(target: string): string {
  const path = pathOf(target);
  const plain = path.replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
  return plain === path ? target : plain + target.substring(path.length);
}

/** Source: RFC 3986 section 5.2.4. */
function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.substring(1).split("/");
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
    if (last && (segment === "." || segment === "..")) kept.push("");
  });
  return `/${kept.join("/")}`;
}
