/**
 * Strict HTTP/1 requests: request line, Host and target rules, framing. Source: RFC 9112 sections 3
 * and 6.
 * @hot per-request
 */
import { HeaderMap } from "../header-map.ts";
import { CR, isAuthority, LF, SP, TARGET, TOKEN_LOWER } from "./byte-classes.ts";
import {
  collectFields,
  FieldFacts,
  type FieldSink,
  framingFault,
  isPersistent,
  parseContentLength,
  upgradeOf,
} from "./field-facts.ts";
import { FAILED, type HeadScanner, INCOMPLETE } from "./head-scanner.ts";
import { type H1Dialect, H1Parser } from "./parser.ts";
import { type RequestTarget, readTarget } from "./request-target.ts";
import type { BodyFraming, H1Limits, MessageEvents, RequestHead } from "./types.ts";

const DIALECT: H1Dialect = { emptyLine: "tolerated", startLineTooLong: "targetTooLong" };
/** "HTTP/1.1" as bytes; index 5 and 7 are the digits. */
const VERSION = Buffer.from("HTTP/1.1", "latin1");
const DIGIT_1 = 0x31;

/** Reused by every request of the thread: parsing is synchronous and the values are copied out. */
const facts = new FieldFacts();
const sink: FieldSink = { text: "", headers: new HeaderMap(), facts, hostAside: true };
const target: RequestTarget = { authority: null, path: "", scheme: "" };

export class RequestParser extends H1Parser<RequestHead> {
  readonly #scheme: "http" | "https";
  /** Ends of the method and the target, from the start of the head; the version, 10 or 11. */
  #methodEnd = 0;
  #targetEnd = 0;
  #version = 11;

  /** @param scheme of the connection; a target in absolute form brings its own */
  constructor(limits: H1Limits, events: MessageEvents<RequestHead>, scheme: "http" | "https") {
    super(limits, events, DIALECT);
    this.#scheme = scheme;
  }

  protected override scanStartLine(bytes: Uint8Array, base: number, end: number): number {
    let at = base;
    while (at < end && TOKEN_LOWER[bytes[at] as number] !== 0) at++;
    if (at === end) return INCOMPLETE;
    if (at === base || bytes[at] !== SP) return this.fault("methodInvalid");
    this.#methodEnd = at++ - base;
    while (at < end && TARGET[bytes[at] as number] !== 0) at++;
    if (at === end) return INCOMPLETE;
    this.#targetEnd = at - base;
    if (bytes[at] !== SP) return this.#targetFault(bytes[at] as number);
    if (this.#targetEnd === this.#methodEnd + 1) return this.fault("requestLineInvalid");
    return this.#scanVersion(bytes, at + 1, end);
  }

  #targetFault(byte: number): number {
    if (byte === 0x23) return this.fault("fragmentInTarget");
    return this.fault(byte === CR || byte === LF ? "requestLineInvalid" : "targetInvalid");
  }

  #scanVersion(bytes: Uint8Array, start: number, end: number): number {
    const stop = Math.min(end, start + 8);
    for (let at = start; at < stop; at++) {
      const byte = bytes[at] as number;
      const index = at - start;
      if (byte === VERSION[index]) continue;
      const digit = byte >= 0x30 && byte <= 0x39;
      if (index === 5 && digit) return this.fault("versionUnsupported");
      if (index === 7 && byte === 0x30) continue;
      return this.fault("versionInvalid");
    }
    if (end < start + 10) {
      if (end > start + 8 && bytes[start + 8] !== CR) return this.fault("requestLineInvalid");
      return INCOMPLETE;
    }
    if (bytes[start + 8] !== CR || bytes[start + 9] !== LF) return this.fault("requestLineInvalid");
    this.#version = bytes[start + 7] === DIGIT_1 ? 11 : 10;
    return start + 10;
  }

  protected override emitHead(
    scanner: HeadScanner,
    bytes: Uint8Array,
    base: number,
    text: string,
  ): BodyFraming | null {
    const headers = new HeaderMap();
    const method = methodOf(bytes, base, text, this.#methodEnd);
    const connect = method === "CONNECT";
    const raw = text.substring(this.#methodEnd + 1, this.#targetEnd);
    const fault = readTarget(raw, method, this.#scheme, target);
    if (fault !== null) return this.#refuse(fault);
    headers.append(":authority", target.authority ?? "");
    headers.append(":path", target.path);
    headers.append(":method", method);
    headers.append(":scheme", target.scheme);
    sink.text = text;
    sink.headers = headers;
    facts.clear();
    collectFields(scanner, bytes, base, sink);
    if (!this.#host(bytes, base, text, headers)) return null;
    return this.#framing(headers, connect);
  }

  #refuse(code: Parameters<H1Parser<RequestHead>["fault"]>[0]): null {
    this.fault(code);
    return null;
  }

  /** Source: RFC 9112 section 3.2: exactly one Host in 1.1, and the target's authority wins. */
  #host(bytes: Uint8Array, base: number, text: string, headers: HeaderMap): boolean {
    if (facts.hostCount === 0) {
      return this.#version === 10 || this.fault("hostMissing") !== FAILED;
    }
    if (facts.hostCount > 1) return this.fault("hostRepeated") !== FAILED;
    if (!isAuthority(bytes, base + facts.hostAt, base + facts.hostEnd)) {
      return this.fault("hostInvalid") !== FAILED;
    }
    if (target.authority === null) {
      headers.setValueAt(0, text.substring(facts.hostAt, facts.hostEnd));
    }
    return true;
  }

  #framing(headers: HeaderMap, connect: boolean): BodyFraming | null {
    const version = this.#version;
    const fault = framingFault(facts, version);
    if (fault !== null) return this.#refuse(fault);
    let framing: BodyFraming = "none";
    let contentLength = -1;
    if (facts.transferEncoding !== null) {
      framing = "chunked";
    } else if (facts.contentLength !== null) {
      contentLength = parseContentLength(facts.contentLength);
      if (contentLength < 0) return this.#refuse("contentLengthInvalid");
      framing = "length";
    }
    if (connect && (framing === "chunked" || contentLength > 0)) {
      return this.#refuse("bodyNotAllowed");
    }
    this.bodyBytes = contentLength;
    this.events.onHead({
      headers,
      version,
      framing,
      contentLength,
      keepAlive: isPersistent(version, facts.connection),
      expectContinue:
        facts.expect !== null && version === 11 && facts.expect.toLowerCase() === "100-continue",
      upgrade: connect ? "connect" : upgradeOf(facts),
    });
    return framing;
  }
}

/** The method as a shared string where it is a common one. */
function methodOf(bytes: Uint8Array, base: number, text: string, end: number): string {
  if (end === 3 && bytes[base] === 0x47 && bytes[base + 1] === 0x45 && bytes[base + 2] === 0x54) {
    return "GET";
  }
  return text.substring(0, end);
}
