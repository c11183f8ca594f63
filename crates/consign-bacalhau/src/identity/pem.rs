//! The little of PEM and DER that key files need.
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Label of a PKCS#1 private key.
pub(super) const PKCS1: &str = "RSA PRIVATE KEY";
/// Label of a PKCS#8 private key.
const PKCS8: &str = "PRIVATE KEY";

/// A private key.
pub(super) struct Block {
    /// [`PKCS1`], or the label of PKCS#8.
    pub label: &'static str,
    pub der: Vec<u8>,
}

/// The first private key in a PEM text; what keeps it from being had, for a person.
pub(super) fn private_key(text: &str) -> Result<Block, String> {
    let mut others = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----").ok_or("the PEM text is cut off")?;
        let Some((body, after)) = after.split_once(&format!("-----END {label}-----")) else {
            return Err("the PEM text is cut off: its last line is missing".to_owned());
        };
        match [PKCS1, PKCS8].into_iter().find(|known| *known == label) {
            Some(label) => return Ok(Block { label, der: decode(body)? }),
            None => others.push(label),
        }
        rest = after;
    }
    Err(match others.first().copied() {
        None => "there is no PEM text in it; a key begins with -----BEGIN RSA PRIVATE KEY-----".to_owned(),
        Some("ENCRYPTED PRIVATE KEY") => PROTECTED.to_owned(),
        Some("OPENSSH PRIVATE KEY") => {
            "it is a key of OpenSSH; a copy of it becomes PEM with: ssh-keygen -p -m PEM -N '' -f COPY".to_owned()
        }
        Some(label) if label.ends_with("PUBLIC KEY") => "it is a public key; the private key is needed".to_owned(),
        Some(label) => format!("it holds {label:?} and no RSA private key"),
    })
}

const PROTECTED: &str =
    "the key is protected by a passphrase, which is not supported; openssl rsa -in KEY -out COPY takes it away";

fn decode(body: &str) -> Result<Vec<u8>, String> {
    if body.contains("ENCRYPTED") {
        return Err(PROTECTED.to_owned());
    }
    let text: String = body.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(text).map_err(|_| "the PEM text is not base64".to_owned())
}

/// The modulus in the DER of a PKCS#1 `RSAPublicKey`: a sequence of two integers and nothing else.
pub(super) fn modulus(der: &[u8]) -> Option<&[u8]> {
    let (sequence, rest) = element(der, 0x30)?;
    let (modulus, exponent) = element(sequence, 0x02)?;
    let (_, end) = element(exponent, 0x02)?;
    (rest.is_empty() && end.is_empty() && !modulus.is_empty()).then_some(modulus)
}

/// The content of the element with this tag at the beginning, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(a, rest)| (usize::from(*a), rest))?,
        0x82 => rest.split_first_chunk().map(|(&[a, b], rest)| (usize::from(u16::from_be_bytes([a, b])), rest))?,
        _ => return None,
    };
    (found == tag && length <= rest.len()).then(|| rest.split_at(length))
}
