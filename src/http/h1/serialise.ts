/**
 * Header maps to HTTP/1 heads, chunks and trailers, as latin1 text for one socket write. The
 * connection and framing fields are the caller's alone: those of the map never go out. An entry
 * with
 * bytes that could end a line is left out. Source: RFC 9112.
 * @hot per-request
 */
import type { HeaderMap } from "../header-map.ts";
import { statusText } from "../status-text.ts";
import { parseContentLength } from "./field-facts.ts";
import { LENGTH_LINE, lineStart, WITHHELD } from "./line-starts.ts";
import type { BodyFraming } from "./types.ts";

export { isValidHeaderName, isValidHeaderValue } from "../field-syntax.ts";

export interface ResponseHeadOptions {
  /** The client speaks HTTP/1.0. The status line says 1.1 all the same, as in Envoy. */
  readonly version10: boolean;
  readonly connection: "close" | "keep-alive" | null;
  readonly framing: BodyFraming;
}

export const CHUNK_END = "\r\n";
export const LAST_CHUNK = "0\r\n\r\n";

const CLOSE_END = "\r\nconnection: close\r\n\r\n";
const KEEP_ALIVE_END = "\r\nconnection: keep-alive\r\n\r\n";

const ABSENT = -1;
const INVALID = -2;

/** Content-Length of `headers`: -1 when absent, -2 when malformed or given twice. */
export function contentLengthOf(headers: HeaderMap): number {
  const index = headers.indexOf("content-length", 0);
  if (index < 0) return ABSENT;
  if (headers.indexOf("content-length", index + 1) >= 0) return INVALID;
  const length = parseContentLength(headers.valueAt(index));
  return length < 0 ? INVALID : length;
}

/**
 * Framing of a request: `length` where the map has a content-length, or where the method usually
 * brings a body and none follows; `chunked` when a body of unknown length follows.
 */
export function requestFraming(headers: HeaderMap, endStream: boolean): BodyFraming {
  if (headers.has("content-length")) return "length";
  if (!endStream) return "chunked";
  const method = headers.get(":method");
  return method === "GET" || method === "HEAD" || method === "CONNECT" ? "none" : "length";
}

export interface ResponseFramingFacts {
  readonly requestMethodIsHead: boolean;
  readonly version10: boolean;
  readonly endStream: boolean;
}

/** Framing of a response with `status` and `headers`. Source: RFC 9112 section 6.3. */
export function responseFraming(
  status: number,
  headers: HeaderMap,
  facts: ResponseFramingFacts,
): BodyFraming {
  if (facts.requestMethodIsHead || status < 200 || status === 204 || status === 304) return "none";
  if (facts.endStream || headers.has("content-length")) return "length";
  return facts.version10 ? "close" : "chunked";
}

/**
 * Request line, `host` and fields.
 * @param framing `length`: the map's content-length goes out, 0 when it has none (or a bad one);
 *   `chunked`: transfer-encoding instead; `none`: the map's content-length if it is good
 */
export function serialiseRequestHead(headers: HeaderMap, framing: BodyFraming): string {
  const method = headers.get(":method") ?? "GET";
  const authority = headers.get(":authority") ?? "";
  const target = method === "CONNECT" ? authority : (headers.get(":path") ?? "/");
  const line = startLinePart(method) + " " + startLinePart(target);
  const host = isOneLine(authority) ? authority : "";
  return fieldLines(line + " HTTP/1.1\r\nhost: " + host, headers, framing) + "\r\n\r\n";
}

/**
 * Status line and fields of a final or interim response. See {@link serialiseRequestHead}. 1xx and
 * 204
 * have no framing fields at all (RFC 9110 section 8.6).
 */
export function serialiseResponseHead(headers: HeaderMap, options: ResponseHeadOptions): string {
  const status = headers.get(":status") ?? "200";
  const bare = status === "204" || status.charCodeAt(0) === 0x31;
  const text = fieldLines(statusLine(status), headers, bare ? "close" : options.framing);
  const { connection } = options;
  if (connection === null) return text + "\r\n\r\n";
  return text + (connection === "close" ? CLOSE_END : KEEP_ALIVE_END);
}

/** The line before chunk data of `byteLength` > 0 bytes; CHUNK_END goes behind them. */
export function chunkHead(byteLength: number): string {
  return byteLength.toString(16) + "\r\n";
}

/** The last chunk with the trailer section. */
export function serialiseTrailers(trailers: HeaderMap): string {
  return fieldLines("0", trailers, "close") + "\r\n\r\n";
}

function statusLine(status: string): string {
  if (status === "200") return "HTTP/1.1 200 OK";
  const code = Number(status);
  const valid = Number.isInteger(code) && code >= 100 && code <= 999;
  return valid ? "HTTP/1.1 " + code + " " + statusText(code) : statusLine("500");
}

/**
 * A method or target; blanks and line ends, which would shift the parts of the line, are escaped.
 */
function startLinePart(part: string): string {
  for (let i = 0; i < part.length; i++) {
    const byte = part.charCodeAt(i);
    if (byte <= 0x20 || byte === 0x7f || byte > 0xff) return escaped(part);
  }
  return part;
}

function escaped(part: string): string {
  let text = "";
  for (let i = 0; i < part.length; i++) {
    const byte = part.charCodeAt(i);
    if (byte > 0xff) text += "%3F";
    else if (byte > 0x20 && byte !== 0x7f) text += part.charAt(i);
    else text += "%" + byte.toString(16).toUpperCase().padStart(2, "0");
  }
  return text;
}

/** `start` and a line for each field; every line brings the CR LF before it. */
function fieldLines(start: string, headers: HeaderMap, framing: BodyFraming): string {
  let text = start;
  let length: string | null = null;
  const count = headers.count;
  for (let i = 0; i < count; i++) {
    const line = lineStart(headers.nameAt(i));
    if (line === WITHHELD) continue;
    const value = headers.valueAt(i);
    if (line === LENGTH_LINE) length ??= value;
    else if (isOneLine(value)) text += line + value;
  }
  return text + framingLine(framing, length);
}

function framingLine(framing: BodyFraming, length: string | null): string {
  if (framing === "chunked") return "\r\ntransfer-encoding: chunked";
  if (framing === "close") return "";
  if (length !== null && parseContentLength(length) >= 0) return LENGTH_LINE + length;
  return framing === "length" ? "\r\ncontent-length: 0" : "";
}

/**
 * No byte of `value` ends a line or is NUL: the last line of defence. What writers of header maps
 * may put in is said by `isValidHeaderValue`.
 */
function isOneLine(value: string): boolean {
  const { length } = value;
  // Three searches of the engine cost as much as looking at some sixty characters.
  if (length > 64) return !value.includes("\n") && !value.includes("\r") && !value.includes("\0");
  for (let i = 0; i < length; i++) {
    const byte = value.charCodeAt(i);
    if (byte < 0x0e && (byte === 0x0a || byte === 0x0d || byte === 0)) return false;
  }
  return true;
}
