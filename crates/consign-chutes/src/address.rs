//! Addresses of hotkeys: SS58 texts, read and made.
use std::fmt;
use std::str::FromStr;

use blake2::{Blake2b512, Digest as _};
use consign_http::Error;

/// The type of address that the service knows: `5…`, 48 characters.
const BITTENSOR: u16 = 42;
const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The address of a public key in SS58: the key, a number for the network, and a checksum, in base 58.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    network: u16,
    key: [u8; 32],
}

impl Address {
    /// The address of a key in the form that accounts are registered under.
    pub fn of_key(key: [u8; 32]) -> Self {
        let mut bytes = vec![BITTENSOR as u8];
        bytes.extend_from_slice(&key);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        Self { text: encode(&bytes), network: BITTENSOR, key }
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The public key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.key
    }
    /// The number of the network; 42 for accounts of the service.
    pub fn network(&self) -> u16 {
        self.network
    }
    /// Whether an account of the service can be registered under it. The service verifies signatures under any
    /// network's address, but looks up accounts by this form only.
    pub fn is_registrable(&self) -> bool {
        self.network == BITTENSOR
    }
}

impl FromStr for Address {
    type Err = Error;
    /// # Errors
    /// [`InvalidRequest`](consign_http::ErrorKind::InvalidRequest) if the text is not base 58, has another length,
    /// or its checksum is wrong.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |allowed: &str| Error::invalid_member("address", text, allowed);
        // The longest has 50 digits; what is longer need not be computed.
        let bytes = if text.len() > 64 { None } else { decode(text) };
        let bytes = bytes.ok_or_else(|| bad("an SS58 address: base 58, such as 5GNn…"))?;
        let (network, prefix) = match bytes.as_slice() {
            [a @ 0..64, ..] => (u16::from(*a), 1),
            [a @ 64..128, b, ..] => {
                let (a, b) = (u16::from(*a), u16::from(*b));
                (((a & 0x3f) << 2) | (b >> 6) | ((b & 0x3f) << 8), 2)
            }
            _ => return Err(bad("an SS58 address of a known form")),
        };
        if bytes.len() != prefix + 32 + 2 {
            return Err(bad("an SS58 address of a 32-byte key"));
        }
        let (body, sum) = bytes.split_at(prefix + 32);
        if checksum(body) != sum {
            return Err(bad("an SS58 address without a slip: its checksum is wrong"));
        }
        let mut key = [0; 32];
        key.copy_from_slice(&body[prefix..]);
        Ok(Self { text: text.to_owned(), network, key })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first two bytes of the hash of what stands before them.
fn checksum(body: &[u8]) -> [u8; 2] {
    let hash = Blake2b512::new().chain_update(b"SS58PRE").chain_update(body).finalize();
    [hash[0], hash[1]]
}

fn encode(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).map(|_| 0);
    zeros.chain(digits.into_iter().rev()).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes of a text in base 58; `None` if it is empty or has another character.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::new();
    for character in text.bytes() {
        let mut carry = DIGITS.iter().position(|digit| *digit == character)? as u32;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    bytes.extend(text.bytes().take_while(|character| *character == b'1').map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_58_keeps_every_byte_and_leading_zeros() {
        for bytes in [vec![0], vec![0, 0, 1], vec![255; 40], (0..=255).collect()] {
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
        assert_eq!(encode(b"hello"), "Cn8eVZg");
        assert_eq!((decode(""), decode("0"), decode("é")), (None, None, None));
    }

    #[test]
    fn an_address_is_read_with_its_network_and_refused_with_a_slip() {
        let made = Address::of_key([7; 32]);
        assert_eq!(made.as_str().len(), 48);
        assert_eq!(made.as_str().parse::<Address>().unwrap(), made);
        let polkadot: Address = "15QRzXoZJaUuqFd7ccds9Sv3QvZgkieW1fZwHrbK51tvhRUg".parse().unwrap();
        assert_eq!((polkadot.network(), polkadot.is_registrable()), (0, false));
        assert_eq!(
            Address::of_key(*polkadot.public_key()).as_str(),
            "5GU8rCYVSoDSPicbeyas1J5tZJa34R6MwAqT8ZbxWvsQX1fM"
        );
        let slip = made.as_str().replacen('5', "4", 1);
        for bad in ["", "5", "0x12", slip.as_str(), &"5".repeat(4000)] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
