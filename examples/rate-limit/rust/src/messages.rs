//! The two messages of the rate-limit service, as far as they are used, in protobuf's wire format.
//! A field is a tag (number * 8 + wire type) and its value.

const VARINT: u8 = 0;
const BYTES: u8 = 2;

/// `RateLimitRequest { domain: 1, descriptors: 2 [{ entries: 1 [{ key: 1, value: 2 }] }] }`.
pub fn request(domain: &str, key: &str, value: &str) -> Vec<u8> {
    let entry = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
    let descriptor = field(1, &entry);
    [field(1, domain.as_bytes()), field(2, &descriptor)].concat()
}

/// Whether `RateLimitResponse { overall_code: 1 }` is OVER_LIMIT.
pub fn is_over_limit(message: &[u8]) -> bool {
    const OVER_LIMIT: u8 = 2;
    message.starts_with(&[1 << 3 | VARINT, OVER_LIMIT])
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut result = vec![number << 3 | BYTES];
    let mut length = bytes.len();
    while length > 0x7f {
        result.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    result.push(length as u8);
    result.extend_from_slice(bytes);
    result
}
