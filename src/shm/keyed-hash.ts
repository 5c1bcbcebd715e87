/**
 * HalfSipHash-1-3 over bytes, keyed: clients choose keys of shared data (addresses, tokens), and
 * must not be able to choose them so that all fall into one bucket. Source: J.-P. Aumasson,
 * D. J. Bernstein, "SipHash: a fast short-input PRF", and its 32-bit variant.
 * @hot per-hostcall
 */

/** Rounds after the last word. */
const FINAL_ROUNDS = 3;

export interface HashKey {
  readonly k0: number;
  readonly k1: number;
}

/** The bytes from `at` on as a little-endian word; `count` 0..4 of them exist. */
function wordAt(bytes: Uint8Array, at: number, count: number): number {
  let word = 0;
  for (let i = 0; i < count; i++) word |= (bytes[at + i] as number) << (8 * i);
  return word;
}

/**
 * @param space 24 bits that change the secret, so that equal keys of two spaces hash apart
 * @returns an unsigned 32-bit number
 */
export function keyedHash(key: HashKey, space: number, bytes: Uint8Array): number {
  const length = bytes.byteLength;
  const words = length >>> 2;
  const k1 = key.k1 ^ space;
  let v0 = key.k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ key.k0;
  let v3 = 0x74656462 ^ k1;
  for (let i = 0; i <= words + FINAL_ROUNDS; i++) {
    let word = 0;
    if (i < words) {
      const at = i << 2;
      word =
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24);
    } else if (i === words) word = wordAt(bytes, i << 2, length & 3) | (length << 24);
    else if (i === words + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
