/**
 * Random UUIDs for `x-request-id`. Source: RFC 9562 section 5.4. Written into one buffer from a
 * pool of random bytes, without the checks and options of Node's general function.
 * @hot per-request
 */
import { randomFillSync } from "node:crypto";
import { latin1 } from "../http/h1/latin1.ts";

const UUID_BYTES = 16;
const POOL_BYTES = UUID_BYTES * 256;
const DASH = 0x2d;
const HEX = "0123456789abcdef";
const HIGH = new Uint8Array(256);
const LOW = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  HIGH[byte] = HEX.charCodeAt(byte >> 4);
  LOW[byte] = HEX.charCodeAt(byte & 15);
}

const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;
const text = Buffer.alloc(36, DASH);

/** A new version 4 UUID, e.g. "6b1f0f3e-3f5c-4d5a-9d3b-2f0c5b1d7a11". Thread: any. */
export function requestId(): string {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  let at = 0;
  for (let i = 0; i < UUID_BYTES; i++) {
    let byte = pool[used + i] as number;
    if (i === 6) byte = (byte & 0x0f) | 0x40;
    else if (i === 8) byte = (byte & 0x3f) | 0x80;
    if (i === 4 || i === 6 || i === 8 || i === 10) at++;
    text[at++] = HIGH[byte] as number;
    text[at++] = LOW[byte] as number;
  }
  used += UUID_BYTES;
  return latin1(text, 0, text.length);
}
