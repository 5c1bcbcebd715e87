//! A JSON Web Key Set, and its RSA keys as the DER that the host's `verify_signature` takes.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::Value;

/// How many RSA keys `jwks` has.
pub fn count(jwks: &[u8]) -> usize {
    entries(jwks).iter().filter(|key| key["kty"] == "RSA").count()
}

/// The key `kid` as a SubjectPublicKeyInfo.
pub fn find(jwks: &[u8], kid: &str) -> Option<Vec<u8>> {
    let keys = entries(jwks);
    let key = keys.iter().find(|key| key["kty"] == "RSA" && key["kid"] == kid)?;
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
    Some(public_key(&part("n")?, &part("e")?))
}

fn entries(jwks: &[u8]) -> Vec<Value> {
    let set: Value = serde_json::from_slice(jwks).unwrap_or_default();
    set["keys"].as_array().cloned().unwrap_or_default()
}

/// SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { n, e } } }.
fn public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: &[u8] =
        &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let numbers = [integer(modulus), integer(exponent)].concat();
    let bits = [vec![0], element(0x30, &numbers)].concat();
    let parts = [element(0x30, RSA_ENCRYPTION), element(0x03, &bits)].concat();
    element(0x30, &parts)
}

/// A positive INTEGER: a leading zero keeps the sign bit clear.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    element(0x02, &[sign, bytes].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut result = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    result.extend_from_slice(content);
    result
}
