//! Signatures of clients: RSA over the text of a payload, and ids made from keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

/// Verifies a signature. An error is what the server says about it.
pub(crate) fn verify(message: &[u8], signature: &str, key: &str) -> Result<(), String> {
    let broken = |why| format!("failed to decode public key: {why}");
    let key = decode(key).map_err(broken)?;
    modulus(&key).map_err(broken)?;
    let signature = decode(signature).map_err(|why| format!("failed to decode signature: {why}"))?;
    let verified = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key).verify(message, &signature);
    verified.map_err(|_| "crypto/rsa: verification error".to_owned())
}

/// The client id that belongs to a key: the hash of its modulus.
pub(crate) fn client_id(key: &str) -> Result<String, String> {
    let key = decode(key)?;
    let hash = digest(&SHA256, modulus(&key)?);
    Ok(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64.decode(text).map_err(|error| {
        let place = match error {
            base64::DecodeError::InvalidByte(place, _) => place,
            _ => text.len(),
        };
        format!("illegal base64 data at input byte {place}")
    })
}

/// The modulus of a key in the form of PKCS#1, without leading zeros.
fn modulus(key: &[u8]) -> Result<&[u8], String> {
    let broken = || "asn1: syntax error: sequence truncated".to_owned();
    let (0x30, inner, _) = element(key).ok_or_else(broken)? else {
        return Err("asn1: structure error: tags don't match".to_owned());
    };
    match element(inner).ok_or_else(broken)? {
        (0x02, number, _) => Ok(&number[number.iter().take_while(|byte| **byte == 0).count()..]),
        (0x30, ..) => {
            let hint = "use ParsePKIXPublicKey instead for this key type";
            Err(format!("x509: failed to parse public key ({hint})"))
        }
        _ => Err("asn1: structure error: tags don't match".to_owned()),
    }
}

/// The first element of a DER text: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let digits;
        (digits, rest) = rest.split_at_checked(length & 0x7F)?;
        length = digits.iter().take(5).fold(0, |all, digit| all << 8 | usize::from(*digit));
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_keys_are_told_apart() {
        let spki = BASE64.encode([0x30, 0x04, 0x30, 0x02, 0x05, 0x00]);
        assert!(client_id(&spki).unwrap_err().contains("ParsePKIXPublicKey"));
        assert_eq!(client_id("!").unwrap_err(), "illegal base64 data at input byte 0");
        assert!(client_id(&BASE64.encode([0x30, 0x80])).unwrap_err().contains("truncated"));
        assert!(client_id(&BASE64.encode([0x30, 0xFF, 0, 0])).unwrap_err().contains("truncated"));
        assert!(client_id(&BASE64.encode([0x02, 0x00])).unwrap_err().contains("tags"));
    }
}
