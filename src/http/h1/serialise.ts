/**
 * Header maps to HTTP/1 heads, chunks and trailers, as latin1 text for one socket write. The
 * connection and framing fields are the caller's alone: those of the map never go out. An entry with
 * bytes that could end a line is left out. Source: RFC 9112.
 * @hot per-request
 */
import { isValidHeaderName } from "../field-syntax.ts";
import type { HeaderMap } from "../header-map.ts";
import { statusText } from "../status-text.ts";
import { parseContentLength } from "./field-facts.ts";
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
 *   `chunked`: transfer-encoding instead; `none`: neither
 */
export function serialiseRequestHead(headers: HeaderMap, framing: BodyFraming): string {
  const method = headers.get(":method") ?? "GET";
  const authority = headers.get(":authority") ?? "";
  const target = method === "CONNECT" ? authority : (headers.get(":path") ?? "/");
  const line = safeTarget(method) + " " + safeTarget(target) + " HTTP/1.1\r\n";
  const host = isOneLine(authority) ? authority : "";
  return fieldLines(line + "host: " + host + "\r\n", headers, framing) + "\r\n";
}

/** Status line and fields of a final or interim response. See {@link serialiseRequestHead}. */
export function serialiseResponseHead(headers: HeaderMap, options: ResponseHeadOptions): string {
  const status = headers.get(":status") ?? "200";
  let text = fieldLines(statusLine(status), headers, options.framing);
  if (options.connection === "close") text += "connection: close\r\n";
  else if (options.connection === "keep-alive") text += "connection: keep-alive\r\n";
  return text + "\r\n";
}

/** The line before chunk data of `byteLength` > 0 bytes; CHUNK_END goes behind them. */
export function chunkHead(byteLength: number): string {
  return byteLength.toString(16) + "\r\n";
}

/** The last chunk with the trailer section. */
export function serialiseTrailers(trailers: HeaderMap): string {
  return fieldLines("0\r\n", trailers, "none") + "\r\n";
}

function statusLine(status: string): string {
  if (status === "200") return "HTTP/1.1 200 OK\r\n";
  const code = Number(status);
  const valid = Number.isInteger(code) && code >= 100 && code <= 999;
  return valid ? "HTTP/1.1 " + code + " " + statusText(code) + "\r\n" : statusLine("500");
}

/** Spaces and line ends would shift the parts of a request line. */
function safeTarget(part: string): string {
  for (let i = 0; i < part.length; i++) {
    const byte = part.charCodeAt(i);
    if (byte <= 0x20 || byte === 0x7f || byte > 0xff) return encodeURI(part);
  }
  return part;
}

function fieldLines(start: string, headers: HeaderMap, framing: BodyFraming): string {
  let text = start;
  let length: string | null = null;
  const count = headers.count;
  for (let i = 0; i < count; i++) {
    const name = headers.nameAt(i);
    if (name === "content-length") length ??= headers.valueAt(i);
    else if (!isWithheld(name)) {
      const value = headers.valueAt(i);
      if (isOneLine(value) && isValidHeaderName(name)) text += name + ": " + value + "\r\n";
    }
  }
  return text + framingLine(framing, length);
}

function framingLine(framing: BodyFraming, length: string | null): string {
  if (framing === "chunked") return "transfer-encoding: chunked\r\n";
  const valid = length !== null && parseContentLength(length) >= 0;
  if (framing === "length") return "content-length: " + (valid ? length : "0") + "\r\n";
  return framing === "none" && valid ? "content-length: " + length + "\r\n" : "";
}

/** Pseudo-headers, and fields that describe this connection instead of the message. */
function isWithheld(name: string): boolean {
  if (name.charCodeAt(0) === 0x3a) return true;
  switch (name.length) {
    case 4:
      return name === "host";
    case 7:
      return name === "upgrade";
    case 10:
      return name === "connection" || name === "keep-alive";
    case 16:
      return name === "proxy-connection";
    case 17:
      return name === "transfer-encoding";
    default:
      return false;
  }
}

/** No byte of `value` ends a line or is NUL, and each is one byte on the wire. */
function isOneLine(value: string): boolean {
  return !value.includes("\n") && !value.includes("\r") && !value.includes("\0");
}
