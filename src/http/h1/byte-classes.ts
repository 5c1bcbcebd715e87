/**
 * 256-entry tables that classify bytes of HTTP/1 messages; one load replaces a chain of
 * comparisons.
 * @hot per-request
 */

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

const TOKEN_CHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";

function table(fill: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => fill(byte));
}

function member(chars: string): (byte: number) => number {
  return (byte) => (byte < 0x80 && chars.includes(String.fromCharCode(byte)) ? 1 : 0);
}

/** The byte in lower case for `tchar`, 0 for every other byte. Source: RFC 9110 section 5.6.2. */
export const TOKEN_LOWER = table((byte) => {
  const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
  return lower < 0x80 && TOKEN_CHARS.includes(String.fromCharCode(lower)) ? lower : 0;
});

/** 1 for bytes of a field value: HTAB, SP, VCHAR, obs-text. Source: RFC 9110 section 5.5. */
export const FIELD_VALUE = table((byte) =>
  byte === HTAB || (byte >= 0x20 && byte !== 0x7f) ? 1 : 0,
);

/** 1 for bytes of a request target: visible ASCII without "#". */
export const TARGET = table((byte) => (byte > 0x20 && byte < 0x7f && byte !== 0x23 ? 1 : 0));

/**
 * 1 for bytes of a reg-name or IPv4 address: unreserved, sub-delims, "%". Source: RFC 3986 section
 * 3.2.2.
 */
export const REG_NAME = table(
  member("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=%"),
);

/** 1 for bytes between the brackets of an IP literal. */
export const IP_LITERAL = table(member("0123456789abcdefABCDEFvV:.%-_~"));

/** Value of a hex digit, 255 for other bytes. */
export const HEX = table((byte) => {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 255;
});

/**
 * Is `[start, end)` a host with an optional port, and no user info? Empty is allowed.
 * Source: RFC 9112 section 3.2, RFC 3986 section 3.2.
 */
export function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (at < end && bytes[at] === 0x5b) {
    at++;
    const literal = at;
    while (at < end && IP_LITERAL[bytes[at] as number] === 1) at++;
    if (at === literal || at === end || bytes[at] !== 0x5d) return false;
    at++;
  } else {
    while (at < end && REG_NAME[bytes[at] as number] === 1) at++;
    if (at === start && at < end) return false;
  }
  if (at === end) return true;
  if (bytes[at] !== COLON || end - at > 6) return false;
  for (at++; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x30 || byte > 0x39) return false;
  }
  return true;
}
