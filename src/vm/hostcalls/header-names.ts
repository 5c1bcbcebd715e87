/**
 * What guests may call a header and put into it. Names are compared and stored lower-case; an entry
 * that could break the framing of a message (CR, LF, NUL, a name that is no token) is dropped.
 * Source: ABI 3.5; RFC 9110 section 5.6.2.
 * @hot per-hostcall
 */

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
