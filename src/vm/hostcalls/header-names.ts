/**
 * What guests may call a header and put into it. Names are compared and stored lower-case; an entry
 * that could break the framing of a message (CR, LF, NUL, a name that is no token) is dropped.
 * Source: ABI 3.5; RFC 9110 section 5.6.2.
 * @hot per-hostcall
 */
import { ByteCache, internedText } from "../../abi/byte-cache.ts";
import { isSingleValued } from "../../http/header-map.ts";

const TOKEN_CHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
const IS_NAME_CHAR = new Uint8Array(256);
for (let i = 0; i < TOKEN_CHARS.length; i++) IS_NAME_CHAR[TOKEN_CHARS.charCodeAt(i)] = 1;

const COLON = 0x3a;

/** The name in lower case (ASCII only); the same string when it is already. */
export function lowerCaseName(name: string): string {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return lowerAscii(name);
  }
  return name;
}

function lowerAscii(name: string): string {
  let lower = "";
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    lower += code >= 0x41 && code <= 0x5a ? String.fromCharCode(code + 32) : name.charAt(i);
  }
  return lower;
}

/** Whether `name` (lower-case) is a token, or a pseudo-header's name. */
export function isHeaderName(name: string): boolean {
  const start = name.charCodeAt(0) === COLON ? 1 : 0;
  if (name.length <= start) return false;
  for (let i = start; i < name.length; i++) {
    if (IS_NAME_CHAR[name.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

/** Whether `value` has no CR, LF or NUL. */
export function isHeaderValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 0 || code === 10 || code === 13) return false;
  }
  return true;
}

export function isPseudoName(name: string): boolean {
  return name.charCodeAt(0) === COLON;
}

/** Whether a second value would be a different message: adding replaces instead. */
export function isSingular(name: string): boolean {
  return isPseudoName(name) || name === "content-length";
}

/** What there is to know of a name that guests pass. */
export interface HeaderName {
  /** Lower-case. */
  readonly text: string;
  /** The name of the same header in request headers, where `host` is `:authority`. */
  readonly inRequest: HeaderName;
  readonly isValid: boolean;
  /** A second value replaces the first. */
  readonly isSingular: boolean;
  /** A second value is joined to the first. */
  readonly isJoined: boolean;
}

/** A value that guests pass. */
export interface HeaderValue {
  readonly text: string;
  readonly isValid: boolean;
}

class KnownName implements HeaderName {
  readonly text: string;
  readonly inRequest: HeaderName;
  readonly isValid: boolean;
  readonly isSingular: boolean;
  readonly isJoined: boolean;
  constructor(text: string) {
    this.text = text;
    this.inRequest = text === "host" ? AUTHORITY : this;
    this.isValid = isHeaderName(text);
    this.isSingular = isSingular(text);
    this.isJoined = isSingleValued(text);
  }
}

const AUTHORITY = new KnownName(":authority");

export function headerName(text: string): HeaderName {
  return new KnownName(internedText(lowerCaseName(text)));
}

export function headerValue(text: string): HeaderValue {
  return { text, isValid: isHeaderValue(text) };
}

/** Names by their bytes, of all VMs of the thread: plugins use the same. */
export const headerNames = new ByteCache(headerName);
/** Short values by their bytes. */
export const headerValues = new ByteCache(headerValue);
