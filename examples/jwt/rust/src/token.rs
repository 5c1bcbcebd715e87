//! One token: its parts, its signature, its claims.

use crate::keys;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use proxy_wasm::hostcalls;
use serde_json::Value;
use std::time::SystemTime;

pub struct Expected<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub now: SystemTime,
}

/// The token's subject, or why it is refused.
pub fn check(token: &str, jwks: &[u8], expected: &Expected) -> Result<String, &'static str> {
    const MALFORMED: &str = "the token is malformed";
    let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
    let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
    let header = json(header).ok_or(MALFORMED)?;
    // The algorithm is ours to choose, not the token's.
    if header["alg"] != "RS256" {
        return Err("the token's algorithm is not RS256");
    }
    let key = keys::find(jwks, header["kid"].as_str().unwrap_or_default())
        .ok_or("the token's key is unknown")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| MALFORMED)?;
    if !is_signed(&key, signed.as_bytes(), &signature) {
        return Err("the token's signature is wrong");
    }
    let claims = json(claims).ok_or(MALFORMED)?;
    let seconds = expected.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if claims["exp"].as_u64().unwrap_or(0) <= seconds {
        return Err("the token has expired");
    }
    if claims["nbf"].as_u64().unwrap_or(0) > seconds {
        return Err("the token is not valid yet");
    }
    let audience = &claims["aud"];
    let is_for_us = audience == expected.audience
        || audience.as_array().is_some_and(|all| all.iter().any(|one| one == expected.audience));
    if claims["iss"] != expected.issuer || !is_for_us {
        return Err("the token is not for this service");
    }
    claims["sub"].as_str().map(String::from).ok_or(MALFORMED)
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The host's foreign function `verify_signature`: it takes and gives small protobuf messages
/// (arguments 1 hash_function, 2 public_key, 3 signature, 4 text; result 1 whether it is right).
fn is_signed(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    let arguments =
        [field(1, b"sha256"), field(2, key), field(3, signature), field(4, text)].concat();
    let answer = hostcalls::call_foreign_function("verify_signature", Some(&arguments));
    matches!(answer, Ok(Some(result)) if result.starts_with(&[0x08, 0x01]))
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut result = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        result.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    result.push(length as u8);
    result.extend_from_slice(bytes);
    result
}
