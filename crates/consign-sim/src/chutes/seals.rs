//! What the service's credentials are made of: addresses, hotkey signatures, signed tokens, hashes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use blake2::{Blake2b512, Digest as _};
use ring::{digest, hmac};
use schnorrkel::{PublicKey, Signature};
use serde_json::Value;

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The public key of an SS58 address of any network.
pub(super) fn public_key(address: &str) -> Option<[u8; 32]> {
    if address.len() > 64 {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::new();
    for letter in address.bytes() {
        let mut carry = BASE58.iter().position(|b| *b == letter)?;
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.insert(0, carry as u8);
        }
    }
    let zeros = address.bytes().take_while(|b| *b == b'1').count();
    bytes.splice(0..0, std::iter::repeat_n(0, zeros));
    let prefix = match bytes.first()? {
        0..64 => 1,
        64..128 => 2,
        _ => return None,
    };
    if bytes.len() != prefix + 34 {
        return None;
    }
    let (body, sum) = bytes.split_at(prefix + 32);
    let hash = Blake2b512::new().chain_update(b"SS58PRE").chain_update(body).finalize();
    if hash[..2] != *sum {
        return None;
    }
    body[prefix..].try_into().ok()
}

/// Whether the key of an address signed a message, as it is or in the frame that browser wallets add.
pub(super) fn signed_by(address: &str, message: &str, signature: &[u8]) -> bool {
    let Some(key) = public_key(address).and_then(|bytes| PublicKey::from_bytes(&bytes).ok()) else { return false };
    let Ok(signature) = Signature::from_bytes(signature) else { return false };
    let verifies = |text: &[u8]| key.verify_simple(b"substrate", text, &signature).is_ok();
    verifies(message.as_bytes()) || verifies(format!("<Bytes>{message}</Bytes>").as_bytes())
}

/// Reads hexadecimal digits; blanks between bytes are allowed. Fails with the place of the first wrong character.
pub(super) fn from_hex(text: &str) -> Result<Vec<u8>, usize> {
    let letters: Vec<char> = text.chars().collect();
    let digit = |at: usize| letters.get(at).and_then(|c| c.to_digit(16)).ok_or(at);
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < letters.len() {
        if letters[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        bytes.push((digit(at)? * 16 + digit(at + 1)?) as u8);
        at += 2;
    }
    Ok(bytes)
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts the dashes of a UUID into 32 hexadecimal digits.
pub(super) fn dashed(hex: &str) -> String {
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// The UUID of version 5 of a name in the namespace of another UUID.
pub(super) fn uuid5(namespace: &str, name: &str) -> String {
    let plain: String = namespace.chars().filter(|c| *c != '-').collect();
    let mut bytes = from_hex(&plain).unwrap_or_default();
    bytes.extend_from_slice(name.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes).as_ref()[..16]);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    dashed(&hex(&id))
}

/// Signs claims, given as the text of their JSON, with HS256.
pub(super) fn sign_token(claims: &str, secret: &str) -> String {
    let head = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", BASE64.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(tag))
}

/// The claims of a token whose signature nobody has looked at.
pub(super) fn unverified_claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (head, claims) = (parts.next()?, parts.next()?);
    if parts.next().is_none() || parts.next().is_some() {
        return None;
    }
    let read = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).ok()?).ok();
    (read(head)?["alg"] == "HS256").then(|| read(claims)).flatten().filter(Value::is_object)
}

/// The claims of a token that this secret signed.
pub(super) fn claims(token: &str, secret: &str) -> Option<Value> {
    let claims = unverified_claims(token)?;
    let (signed, tag) = token.rsplit_once('.')?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &BASE64.decode(tag).ok()?).ok()?;
    Some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_networks_are_read_and_typing_mistakes_found() {
        let key = public_key("5GU8rCYVSoDSPicbeyas1J5tZJa34R6MwAqT8ZbxWvsQX1fM").unwrap();
        assert_eq!(hex(&key), "c2cfb5599615495db6d1a377cd4e15ef96854fb89731b096dc7fb1e919e2d470");
        for same in
            ["15QRzXoZJaUuqFd7ccds9Sv3QvZgkieW1fZwHrbK51tvhRUg", "GykWWtN5AEN9NS3RgPuuFSthtrGs5uYPYgCXDsuzj5uFyY7"]
        {
            assert_eq!(public_key(same), Some(key), "{same}");
        }
        for bad in
            ["", "1", "5GU8rCYVSoDSPicbeyas1J5tZJa34R6MwAqT8ZbxWvsQX1fN", "0x00", "5GU8rCYVSoDSPicbeyas1J5tZJa34R6M"]
        {
            assert_eq!(public_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_read_as_python_does() {
        assert_eq!(from_hex("0aFF 01"), Ok(vec![10, 255, 1]));
        assert_eq!(from_hex("0x00"), Err(1));
        assert_eq!(from_hex("abc"), Err(3));
        assert_eq!(from_hex("a b"), Err(1));
    }

    #[test]
    fn file_ids_and_tokens_are_the_known_ones() {
        let job = "0b8e6c0e-7a53-4c64-9d57-5a1f6f1f0a01";
        assert_eq!(uuid5(job, "model.bin"), "295d1372-fdbb-5650-9130-4a2527f63aa1");
        let token = sign_token(r#"{"sub":"a"}"#, "secret");
        assert_eq!(claims(&token, "secret").unwrap()["sub"], "a");
        assert_eq!(claims(&token, "other"), None);
        assert_eq!(claims("a.b", "secret"), None);
        assert_eq!(claims("eyJhbGciOiJub25lIn0.e30.", "secret"), None);
    }
}
