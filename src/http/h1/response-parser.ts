/**
 * Strict HTTP/1 responses: status line, interim responses, the body rules that depend on status and
 * request method. Source: RFC 9112 sections 4 and 6.3.
 * @hot per-request
 */
import { HeaderMap } from "../header-map.ts";
import { CR, FIELD_VALUE, LF, SP } from "./byte-classes.ts";
import type { H1ErrorCode } from "./errors.ts";
import {
  collectFields,
  FieldFacts,
  type FieldSink,
  framingFault,
  isPersistent,
  parseContentLength,
} from "./field-facts.ts";
import { type HeadScanner, INCOMPLETE } from "./head-scanner.ts";
import { type H1Dialect, H1Parser } from "./parser.ts";
import type { BodyFraming, H1Limits, MessageEvents, ResponseHead } from "./types.ts";

const DIALECT: H1Dialect = { emptyLine: "refused", startLineTooLong: "headersTooLarge" };
/** "HTTP/1.1 " as bytes; index 7 is the minor version. */
const PREFIX = Buffer.from("HTTP/1.1 ", "latin1");
const DIGIT_1 = 0x31;

/** Reused by every response of the thread: parsing is synchronous and the values are copied out. */
const facts = new FieldFacts();
const sink: FieldSink = { text: "", headers: new HeaderMap(), facts, hostAside: false };

export class ResponseParser extends H1Parser<ResponseHead> {
  #requestMethodIsHead = false;
  #status = 0;
  #version = 11;

  constructor(limits: H1Limits, events: MessageEvents<ResponseHead>) {
    super(limits, events, DIALECT);
  }

  /**
   * Says which request the next final response answers; holds until it is said again. Call before
   * the first byte of that response, beside `startMessage()`.
   */
  expect(requestMethodIsHead: boolean): void {
    this.#requestMethodIsHead = requestMethodIsHead;
  }

  protected override scanStartLine(bytes: Uint8Array, base: number, end: number): number {
    const prefixEnd = Math.min(end, base + PREFIX.length);
    for (let at = base; at < prefixEnd; at++) {
      const byte = bytes[at] as number;
      const index = at - base;
      if (byte === PREFIX[index] || (index === 7 && byte === 0x30)) continue;
      return this.fault(index === 5 || index === 7 ? "versionInvalid" : "statusLineInvalid");
    }
    if (prefixEnd === end) return INCOMPLETE;
    let status = 0;
    let at = prefixEnd;
    for (; at < prefixEnd + 3; at++) {
      if (at === end) return INCOMPLETE;
      const digit = (bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) return this.fault("statusLineInvalid");
      status = status * 10 + digit;
    }
    if (status < 100 || status > 599) return this.fault("statusLineInvalid");
    this.#status = status;
    this.#version = bytes[base + 7] === DIGIT_1 ? 11 : 10;
    return this.#scanReason(bytes, at, end);
  }

  /** The reason phrase is checked and dropped; without one its space may be missing too. */
  #scanReason(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    if (at < end && bytes[at] !== SP && bytes[at] !== CR) return this.fault("statusLineInvalid");
    while (at < end && FIELD_VALUE[bytes[at] as number] !== 0) at++;
    if (at === end) return INCOMPLETE;
    if (bytes[at] !== CR) return this.fault("statusLineInvalid");
    if (at + 1 === end) return INCOMPLETE;
    return bytes[at + 1] === LF ? at + 2 : this.fault("lineEndInvalid");
  }

  protected override emitHead(
    scanner: HeadScanner,
    bytes: Uint8Array,
    base: number,
    text: string,
  ): BodyFraming | "head" | null {
    const headers = new HeaderMap();
    const status = this.#status;
    headers.append(":status", status === 200 ? "200" : text.substring(9, 12));
    sink.text = text;
    sink.headers = headers;
    facts.clear();
    collectFields(scanner, bytes, base, sink);
    const fault = framingFault(facts, this.#version);
    if (fault !== null) return this.#refuse(fault);
    const length = facts.contentLength === null ? -1 : parseContentLength(facts.contentLength);
    if (facts.contentLength !== null && length < 0) return this.#refuse("contentLengthInvalid");
    if (status === 101) return this.#refuse("switchingUnasked");
    const interim = status < 200;
    if (interim || status === 204) {
      if (facts.transferEncoding !== null) return this.#refuse("transferEncodingNotAllowed");
      if (length > 0) return this.#refuse("contentLengthNotAllowed");
    }
    return this.#emit(headers, length, interim);
  }

  #emit(headers: HeaderMap, length: number, interim: boolean): BodyFraming | "head" {
    const framing = interim ? "none" : this.#framingOf(length);
    const contentLength = framing === "length" ? length : -1;
    this.bodyBytes = contentLength;
    this.events.onHead({
      headers,
      status: this.#status,
      version: this.#version,
      framing,
      contentLength,
      keepAlive: framing !== "close" && isPersistent(this.#version, facts.connection),
    });
    return interim ? "head" : framing;
  }

  /** Source: RFC 9112 section 6.3. */
  #framingOf(length: number): BodyFraming {
    const status = this.#status;
    if (this.#requestMethodIsHead || status === 204 || status === 304) return "none";
    if (facts.transferEncoding !== null) return "chunked";
    return length >= 0 ? "length" : "close";
  }

  #refuse(code: H1ErrorCode): null {
    this.fault(code);
    return null;
  }
}
