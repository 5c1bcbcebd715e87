/**
 * Looks at every request that uWS parsed once more, because uWS accepts framing by which requests
 * are smuggled: a second or odd Content-Length, any Transfer-Encoding, several Host, bytes that are
 * no header. Makes the same header map as our own codec. Pure. @hot per-request
 */

import { isValidHeaderName } from "../../http/field-syntax.ts";
import { FIELD_VALUE, TARGET } from "../../http/h1/byte-classes.ts";
import type { H1ErrorCode } from "../../http/h1/errors.ts";
import {
  CONNECTION_CLOSE,
  FieldFacts,
  framingFault,
  noteField,
  parseContentLength,
  upgradeOf,
} from "../../http/h1/field-facts.ts";
import { idOfName, KNOWN_NAMES, NAME_ID } from "../../http/h1/header-names.ts";
import { type RequestTarget, readTarget } from "../../http/h1/request-target.ts";
import type { H1Limits } from "../../http/h1/types.ts";
import { HeaderMap } from "../../http/header-map.ts";
import { isValidAuthority } from "../../http/uri.ts";
import type { UwsRequest } from "./uws-library.ts";

/** uWS decodes bytes that are no UTF-8 to this: what they were is lost. */
const REPLACEMENT = "\ufffd";
const CLOSE_LETTERS = 5;

/** What one look found; valid until the next one. One object per listener. */
export class UwsGuard {
  headers = new HeaderMap();
  /** Content-Length; 0 without body, -1 for a chunked one. */
  bodyBytes = 0;
  /** The client wants the connection closed after the response. */
  wantsClose = false;
  /** uWS closes after the response by itself: it takes any five letters for "close". */
  uwsCloses = false;
  expectContinue = false;
  upgrade: string | null = null;
  readonly #limits: H1Limits;
  readonly #scheme: string;
  readonly #facts = new FieldFacts();
  readonly #target: RequestTarget = { authority: null, path: "", scheme: "" };
  #host = "";
  /** The last one that was valid: most requests name the same. */
  #hostValid = "";
  #connectionSeen = false;
  #fault: H1ErrorCode | null = null;
  readonly #visit = (name: string, value: string): void => this.#field(name, value);

  constructor(limits: H1Limits, scheme: "http" | "https") {
    this.#limits = limits;
    this.#scheme = scheme;
  }

  /** Reads `request`; @returns why it must be refused (then only `headers` is set), or null. */
  look(request: UwsRequest): H1ErrorCode | null {
    const headers = new HeaderMap();
    this.headers = headers;
    this.#facts.clear();
    this.#connectionSeen = false;
    this.uwsCloses = false;
    this.#fault = this.#startLine(request, headers);
    if (this.#fault === null) request.forEach(this.#visit);
    if (this.#fault === null) this.#fault = this.#whole(headers);
    if (this.#fault !== null) {
      this.uwsCloses = request.getHeader("connection").length === CLOSE_LETTERS;
    }
    return this.#fault;
  }

  #startLine(request: UwsRequest, headers: HeaderMap): H1ErrorCode | null {
    const method = request.getCaseSensitiveMethod();
    const query = request.getQuery();
    const url = request.getUrl();
    const raw = query === undefined ? url : `${url}?${query}`;
    if (method !== "GET" && !isValidHeaderName(method.toLowerCase())) return "methodInvalid";
    for (let i = 0; i < raw.length; i++) {
      const byte = raw.charCodeAt(i);
      if (byte === 0x23) return "fragmentInTarget";
      if (byte > 0xff || TARGET[byte] === 0) return "targetInvalid";
    }
    const target = this.#target;
    const fault = readTarget(raw, method, this.#scheme, target);
    if (fault !== null) return fault;
    headers.append(":authority", target.authority ?? "");
    headers.append(":path", target.path);
    headers.append(":method", method);
    headers.append(":scheme", target.scheme);
    return null;
  }

  #field(name: string, decoded: string): void {
    if (this.#fault !== null) return;
    const id = idOfName(name);
    if (id === NAME_ID.unknown && !isValidHeaderName(name)) {
      this.#fault = name === "" ? "nameEmpty" : "nameInvalid";
      return;
    }
    const value = latin1Of(decoded);
    if (value === null) {
      this.#fault = "valueInvalid";
      return;
    }
    if (id === NAME_ID.host) {
      this.#facts.hostCount++;
      this.#host = value;
      return;
    }
    if (id === NAME_ID.connection && !this.#connectionSeen) {
      this.#connectionSeen = true;
      this.uwsCloses = decoded.length === CLOSE_LETTERS;
    }
    noteField(this.#facts, id, value);
    // A shared string is compared by its pointer.
    this.headers.append(id === NAME_ID.unknown ? name : (KNOWN_NAMES[id] as string), value);
  }

  #whole(headers: HeaderMap): H1ErrorCode | null {
    const { hostCount, connection, expect, contentLength } = this.#facts;
    if (headers.count - 4 + hostCount > this.#limits.headersCountMax) return "headersTooMany";
    if (headers.byteSize > this.#limits.headBytesMax) return "headersTooLarge";
    if (hostCount !== 1) return hostCount === 0 ? "hostMissing" : "hostRepeated";
    if (this.#host !== this.#hostValid) {
      if (this.#host !== "" && !isValidAuthority(this.#host)) return "hostInvalid";
      this.#hostValid = this.#host;
    }
    if (this.#target.authority === null) headers.setValueAt(0, this.#host);
    const fault = framingFault(this.#facts, 11);
    if (fault !== null) return fault;
    this.bodyBytes = 0;
    if (this.#facts.transferEncoding !== null) {
      this.bodyBytes = -1;
    } else if (contentLength !== null) {
      this.bodyBytes = parseContentLength(contentLength);
      if (this.bodyBytes < 0) return "contentLengthInvalid";
    }
    this.wantsClose = this.uwsCloses || (connection & CONNECTION_CLOSE) !== 0;
    this.upgrade = upgradeOf(this.#facts);
    this.expectContinue = expect !== null && expect.toLowerCase() === "100-continue";
    return null;
  }
}

/** `decoded` (UTF-8 read by uWS) as the bytes of the wire in latin1; null when it is no value. */
function latin1Of(decoded: string): string | null {
  let ascii = true;
  for (let i = 0; i < decoded.length; i++) {
    const code = decoded.charCodeAt(i);
    if (code > 0x7f) ascii = false;
    else if (FIELD_VALUE[code] === 0) return null;
  }
  if (ascii) return decoded;
  if (decoded.includes(REPLACEMENT)) return null;
  return Buffer.from(decoded, "utf8").toString("latin1");
}
