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

/**
 * @param space 24 bits that change the secret, so that equal keys of two spaces hash apart
 * @returns an unsigned 32-bit number
 */
export function keyedHash(key: HashKey, space: number, bytes: Uint8Array): number {
  const length = bytes.length;
  const whole = length & ~3;
  // As signed words: the sums below are cheap only where no operand is beyond 31 bits.
  const k0 = key.k0 | 0;
  const k1 = (key.k1 ^ space) | 0;
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  // The rounds stand here twice: tests of where in the message one is would cost as much as they.
  for (let at = 0; at < whole; at += 4) {
    const word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
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
  let word = length << 24;
  for (let i = whole; i < length; i++) word |= (bytes[i] as number) << ((i & 3) << 3);
  for (let round = 0; round <= FINAL_ROUNDS; round++) {
    if (round === 1) {
      word = 0;
      v2 ^= 0xff;
    }
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
