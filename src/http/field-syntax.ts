/**
 * Which strings may go out as field names and values. Everything that a filter or a configuration
 * puts into a header map is checked with these. Source: RFC 9110 sections 5.1 and 5.5.
 * @hot per-request
 */
import { FIELD_VALUE, TOKEN_LOWER } from "./h1/byte-classes.ts";

/** Is `name` a token in lower case? Pseudo-headers are not. */
export function isValidHeaderName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = name.charCodeAt(i);
    if (byte === 0 || byte > 0xff || TOKEN_LOWER[byte] !== byte) return false;
  }
  return name.length > 0;
}

/** Is `value` made of HTAB, SP, visible ASCII and obs-text only, as latin1? */
export function isValidHeaderValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const byte = value.charCodeAt(i);
    if (byte > 0xff || FIELD_VALUE[byte] === 0) return false;
  }
  return true;
}
