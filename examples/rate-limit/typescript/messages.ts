/**
 * The two messages of the rate-limit service, as far as they are used, in protobuf's wire format. A
 * field is a tag (number * 8 + wire type) and its value.
 */
const VARINT = 0;
const BYTES = 2;
const OVER_LIMIT = 2;

/** `RateLimitRequest { domain: 1, descriptors: 2 [{ entries: 1 [{ key: 1, value: 2 }] }] }`. */
export function encodeRequest(domain: string, key: string, value: string): Uint8Array {
  const entry = Buffer.concat([field(1, Buffer.from(key)), field(2, Buffer.from(value))]);
  return Buffer.concat([field(1, Buffer.from(domain)), field(2, field(1, entry))]);
}

/** Whether `RateLimitResponse { overall_code: 1 }` is OVER_LIMIT. */
export function isOverLimit(message: Uint8Array): boolean {
  return message[0] === ((1 << 3) | VARINT) && message[1] === OVER_LIMIT;
}

function field(number: number, bytes: Uint8Array): Uint8Array {
  const head = [(number << 3) | BYTES];
  let { length } = bytes;
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Uint8Array.from(head), bytes]);
}
