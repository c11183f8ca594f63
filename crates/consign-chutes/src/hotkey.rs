//! Hotkey signatures: sr25519 over address, time, and either the body's hash or the purpose of the route.
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use consign_http::{Error, Operation, Signer, Unsigned};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rand_core::{CryptoRng, RngCore};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use schnorrkel::context::{attach_rng, signing_context};
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, PublicKey, Signature};

use crate::Address;

const CONTEXT: &[u8] = b"substrate";
/// The service accepts a nonce while it is less than this away from its own clock.
const WINDOW: Duration = Duration::from_secs(600);

/// A hotkey: a key pair that signs requests in place of an API key. Clones are cheap; the secret shows itself nowhere.
///
/// It works for [`create_job`](crate::Client::create_job) and for the operations beside jobs. The service has no form
/// of signature for reading, deleting and downloading from jobs: those calls are refused here before anything is sent.
///
/// Every request is signed anew, with the client's clock. A clock that is 10 minutes off or more makes the service
/// refuse all of them; the error then says by how much, where the answer tells the service's time.
#[derive(Clone)]
pub struct Hotkey(Arc<Inner>);

struct Inner {
    pair: Keypair,
    address: Address,
}

impl Hotkey {
    /// The key of a seed: 32 secret bytes, as wallets keep them.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if it has another length.
    pub fn from_seed(seed: &[u8]) -> Result<Self, Error> {
        let secret = MiniSecretKey::from_bytes(seed)
            .map_err(|_| Error::config(format!("a hotkey's seed has 32 bytes, this one has {}", seed.len())))?;
        let pair = secret.expand_to_keypair(ExpansionMode::Ed25519);
        let address = Address::of_key(pair.public.to_bytes());
        Ok(Self(Arc::new(Inner { pair, address })))
    }
    /// The key of a seed in 64 hexadecimal digits, as `hotkey_seed` in the configuration of the provider's client.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if it is something else. The message does not repeat it.
    pub fn from_seed_hex(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let seed = from_hex(text.strip_prefix("0x").unwrap_or(text));
        let seed = seed.ok_or_else(|| Error::config("a hotkey's seed is written in 64 hexadecimal digits"))?;
        Self::from_seed(&seed)
    }
    /// The address, as it is sent.
    pub fn address(&self) -> &Address {
        &self.0.address
    }
    /// Signs a message. Signatures are randomised: two of one message differ.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the system gives no random numbers.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| Error::config("the system gives no random numbers"))?;
        let transcript = attach_rng(signing_context(CONTEXT).bytes(message), Seeded { seed, used: 0 });
        Ok(self.0.pair.sign(transcript).to_bytes())
    }
}

/// Whether `signature` is one of `message` under this public key.
pub fn verify(public_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let signature = Signature::from_bytes(signature);
    let key = PublicKey::from_bytes(public_key);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify_simple(CONTEXT, message, &signature).is_ok())
}

/// What a signature covers beside address and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Covers {
    /// The body, by its hash.
    Body,
    /// The purpose of the route, by this word; the body is not protected.
    Purpose(&'static str),
    /// The operation needs no credential and is sent without one.
    Unsigned,
    /// The service takes no signature on this route.
    Nothing,
}

impl Covers {
    /// What a signature of this operation covers, fixed by the service for each route.
    pub fn of(operation: &Operation) -> Self {
        let first = operation.path.split('/').nth(1).unwrap_or_default();
        match (first, &operation.method) {
            ("ping", _) => Self::Unsigned,
            ("miner", _) => Self::Purpose("miner"),
            (_, method) if *method == Method::POST => Self::Body,
            ("chutes", _) => Self::Purpose("chutes"),
            ("api_keys", _) => Self::Purpose("api_keys"),
            ("users", _) => Self::Purpose("me"),
            _ => Self::Nothing,
        }
    }
}

/// The text that is signed: `address:nonce:` and the hash of the body in hexadecimal digits, or a purpose.
pub fn message(address: &str, nonce: &str, third: &str) -> String {
    format!("{address}:{nonce}:{third}")
}

/// The third part of the message where the body is covered.
pub fn body_hash(body: &[u8]) -> String {
    to_hex(digest(&SHA256, body).as_ref())
}

impl Signer for Hotkey {
    fn sign(&self, request: &Unsigned<'_>) -> Result<HeaderMap, Error> {
        let id = request.operation.id;
        let third = match Covers::of(request.operation) {
            Covers::Body => match request.body {
                Some(body) => body_hash(body),
                None => return Err(Error::config(format!("a streamed body of {id} cannot be signed"))),
            },
            Covers::Purpose(word) => word.to_owned(),
            Covers::Unsigned => return Ok(HeaderMap::new()),
            Covers::Nothing => {
                let what = format!("{id} cannot be authorized by a hotkey; use an API key made with admin rights");
                return Err(Error::config(what).with_advice(""));
            }
        };
        let seconds = request.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (address, nonce) = (self.0.address.as_str(), seconds.to_string());
        let signature = to_hex(&Hotkey::sign(self, message(address, &nonce, &third).as_bytes())?);
        let mut headers = HeaderMap::with_capacity(3);
        for (name, value) in [
            (HeaderName::from_static("x-chutes-hotkey"), address),
            (HeaderName::from_static("x-chutes-nonce"), &nonce),
            (HeaderName::from_static("x-chutes-signature"), &signature),
        ] {
            let mut value = HeaderValue::try_from(value).map_err(|_| Error::config("the signature cannot be sent"))?;
            // Good for 20 minutes in anybody's hands.
            value.set_sensitive(name == "x-chutes-signature");
            headers.insert(name, value);
        }
        Ok(headers)
    }
    fn refused(&self, error: Error, signed: SystemTime) -> Error {
        if error.message() != "Invalid nonce!" {
            return error;
        }
        let theirs = error.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        let theirs = theirs.and_then(|date| httpdate::parse_http_date(date).ok());
        let (off, way) = match theirs.map(|theirs| signed.duration_since(theirs)) {
            Some(Ok(ahead)) => (ahead, "ahead of"),
            Some(Err(behind)) => (behind.duration(), "behind"),
            None => (Duration::ZERO, ""),
        };
        let what = match off {
            // The round trip is in it, so a little under the window may have been over it.
            off if off + Duration::from_secs(60) < WINDOW => "Invalid nonce!".to_owned(),
            off => format!("Invalid nonce!: the clock here is {} s {way} the service's", off.as_secs_f64().round()),
        };
        error
            .with_message(what)
            .with_advice("set the clock: signatures are good for 10 minutes around the service's time")
    }
}

impl fmt::Debug for Hotkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hotkey({})", self.0.address)
    }
}

/// Random bytes from a random seed. Filling cannot fail, which the signing code asks for.
struct Seeded {
    seed: [u8; 32],
    used: u64,
}

impl RngCore for Seeded {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, to: &mut [u8]) {
        for chunk in to.chunks_mut(32) {
            self.used += 1;
            let block = digest(&SHA256, &[&self.seed[..], &self.used.to_le_bytes()].concat());
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(to);
        Ok(())
    }
}
impl CryptoRng for Seeded {}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|n| n as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| <[u8; 2]>::try_from(pair).ok().and_then(|[a, b]| Some(digit(a)? << 4 | digit(b)?))).collect()
}

#[cfg(test)]
#[path = "hotkey/tests.rs"]
mod tests;
