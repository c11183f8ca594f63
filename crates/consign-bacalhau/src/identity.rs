//! Who a client is to the requester interface: an RSA key, the identifier made from it, and its signatures.
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_http::{Delivery, Error, ErrorKind};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};

#[cfg(feature = "keygen")]
mod keygen;
mod pem;

/// Name of the file that holds the key, in the configuration folder of the provider's own clients.
pub const KEY_FILE: &str = "user_id.pem";
/// No key is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A client's RSA key. The key shows itself nowhere. Clones are cheap.
///
/// It reads the file of the provider's own clients: PEM with PKCS#1 (`RSA PRIVATE KEY`), which is what they write, or
/// PKCS#8 (`PRIVATE KEY`), which the provider's Go client does not read. 2048 to 4096 bits.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    key: KeyPair,
    public: PublicKey,
}

/// A public RSA key as it stands in signed requests: PKCS#1 in base64.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    text: String,
    der: Vec<u8>,
    client_id: String,
}

impl Identity {
    /// The key in [`Identity::default_path`].
    ///
    /// # Errors
    /// As [`Identity::default_path`] and [`Identity::from_file`].
    pub fn load() -> Result<Self, Error> {
        Self::from_file(Self::default_path()?)
    }
    /// The key in a file.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the file cannot be read; [`ErrorKind::Config`] if others than its owner may read or write
    /// it (not checked on Windows; [`Identity::from_pem`] takes a key from anywhere else), or for what it holds. The
    /// message names the file and says what to do; it repeats nothing of its content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |error: std::io::Error| unreadable(path, error);
        let file = File::open(path).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if !facts.is_file() {
            return Err(Error::config(format!("{} is no file", path.display())));
        }
        private(path, &facts)?;
        let mut text = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > LONGEST {
            return Err(Error::config(format!("{} is too long for a key", path.display())));
        }
        let text = String::from_utf8(text).map_err(|_| Error::config(format!("{} is no text", path.display())))?;
        Self::from_pem(&text).map_err(|error| {
            let message = format!("{}: {}", path.display(), error.message());
            error.with_message(message)
        })
    }
    /// The key in a PEM text.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if there is no private RSA key in it, it is protected by a passphrase, or it has less
    /// than 2048 or more than 4096 bits. The message repeats nothing of the text.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let block = pem::private_key(text).map_err(Error::config)?;
        let key = match block.label {
            pem::PKCS1 => KeyPair::from_der(&block.der),
            _ => KeyPair::from_pkcs8(&block.der),
        };
        let refused = |error| {
            let what = "the RSA key cannot be used (2048 to 4096 bits and a public exponent of 65537 are needed)";
            Error::config(format!("{what}: {error}"))
        };
        let key = key.map_err(refused)?;
        let public = PublicKey::of(key.public());
        Ok(Self(Arc::new(Inner { key, public })))
    }
    /// Where the provider's own clients have their key: [`KEY_FILE`] in the folder `$BACALHAU_DIR` if that is set, in
    /// `$ROOT_DIR` if instead `$FIL_WALLET_ADDRESS` is, else in `~/.bacalhau`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `$BACALHAU_DIR` is no folder, or none of them is known.
    pub fn default_path() -> Result<PathBuf, Error> {
        Ok(folder(|name| std::env::var_os(name), std::env::home_dir())?.join(KEY_FILE))
    }

    /// The client's identifier: 64 hexadecimal digits.
    pub fn client_id(&self) -> &str {
        self.0.public.client_id()
    }
    /// The public key, which goes with every signature.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }
    /// The signature over these bytes, in base64. The same key and bytes always give the same.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the system gives no random numbers, which protect the key while it is used.
    pub fn sign(&self, bytes: &[u8]) -> Result<String, Error> {
        let mut signature = vec![0; self.0.key.public().modulus_len()];
        let signed = self.0.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature);
        signed.map_err(|_| Error::config("signing failed: the system gives no random numbers"))?;
        Ok(BASE64_STANDARD.encode(signature))
    }
}

impl PublicKey {
    fn of(key: &ring::rsa::PublicKey) -> Self {
        let modulus = PublicKeyComponents::<Vec<u8>>::from(key).n;
        let der = key.as_ref().to_vec();
        Self { text: BASE64_STANDARD.encode(&der), client_id: client_id(&modulus), der }
    }
    /// A public key from its text in a request.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if it is not the standard base64 of a PKCS#1 `RSAPublicKey`; the longer
    /// SubjectPublicKeyInfo is none.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let bad = || Error::invalid_member("client_public_key", text, "an RSA public key: PKCS#1 DER in base64");
        let der = BASE64_STANDARD.decode(text).map_err(|_| bad())?;
        let modulus = pem::modulus(&der).ok_or_else(bad)?;
        Ok(Self { text: text.to_owned(), client_id: client_id(modulus), der })
    }
    /// The text in requests: PKCS#1 DER in base64, in one line.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The identifier of the client that has this key: SHA-256 over the modulus, as 64 lower-case hexadecimal digits.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
    /// Whether this key's owner signed these bytes. `signature` is standard base64 with padding.
    pub fn verifies(&self, bytes: &[u8], signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.der);
        BASE64_STANDARD.decode(signature).is_ok_and(|signature| key.verify(bytes, &signature).is_ok())
    }
}

/// SHA-256 over a modulus without leading zero bytes, in hexadecimal.
fn client_id(modulus: &[u8]) -> String {
    let start = modulus.iter().position(|byte| *byte != 0).unwrap_or(modulus.len());
    digest(&SHA256, &modulus[start..]).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The configuration folder of the provider's own clients.
fn folder(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Result<PathBuf, Error> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("BACALHAU_DIR") {
        if !folder.is_dir() {
            return Err(Error::config(format!("BACALHAU_DIR is {}, which is no folder", folder.display())));
        }
        return Ok(folder);
    }
    if variable("FIL_WALLET_ADDRESS").is_some()
        && let Some(folder) = variable("ROOT_DIR")
    {
        return Ok(folder);
    }
    let home = home.filter(|home| !home.as_os_str().is_empty());
    let home =
        home.ok_or_else(|| Error::config("there is no home folder; set BACALHAU_DIR to the folder of the key"))?;
    Ok(home.join(".bacalhau"))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => {
            "; there is no key yet (Identity::load_or_create, behind a feature, makes one), or BACALHAU_DIR names \
             another folder"
        }
        std::io::ErrorKind::PermissionDenied => "; check the permissions of the file and of its folder (600 and 700)",
        _ => "",
    };
    let what = format!("the key {} cannot be read: {error}{hint}", path.display());
    Error::new(ErrorKind::Io, Delivery::NotSent, what).with_source(error)
}

/// Refuses a key that others may read or change.
#[cfg(unix)]
fn private(path: &Path, facts: &std::fs::Metadata) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Error::config(format!("{path} can be used by others than its owner (mode {mode:03o}); run: chmod 600 {path}")))
}
#[cfg(not(unix))]
fn private(_: &Path, _: &std::fs::Metadata) -> Result<(), Error> {
    Ok(())
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("client_id", &self.client_id()).finish_non_exhaustive()
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::test_identity;
