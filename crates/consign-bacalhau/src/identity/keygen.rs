//! Making a key. Only this uses the `rsa` crate; signing never does.
use std::fs;
use std::io::{ErrorKind as Io, Write as _};
use std::path::Path;

use consign_http::{Delivery, Error, ErrorKind};
use getrandom::SysRng;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};

use super::Identity;

/// Bits of a new key.
const BITS: usize = 2048;

impl Identity {
    /// A new key, and its PEM text (PKCS#1, with a final newline) to be stored. This takes a fraction of a second to
    /// a few seconds.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the system gives no random numbers.
    pub fn generate() -> Result<(Self, String), Error> {
        let key = rsa::PrivateKey::new(&mut SysRng, BITS);
        let key = key.map_err(|error| Error::config(format!("a key cannot be made: {error}")))?;
        let text = key.to_pkcs1_pem(LineEnding::LF);
        let text = text.map_err(|error| Error::config(format!("a key cannot be written as PEM: {error}")))?;
        Ok((Self::from_pem(&text)?, text.as_str().to_owned()))
    }
    /// The key in [`Identity::default_path`]; a new one is made and stored there if there is none. The folder
    /// `~/.bacalhau` is made too (mode 700), another is not.
    ///
    /// # Errors
    /// As [`Identity::default_path`] and [`Identity::load_or_create_in`].
    pub fn load_or_create() -> Result<Self, Error> {
        let path = Self::default_path()?;
        let home = std::env::home_dir().map(|home| home.join(".bacalhau"));
        if let Some(folder) = path.parent().filter(|folder| home.as_deref() == Some(*folder)) {
            make_folder(folder)?;
        }
        Self::load_or_create_in(path)
    }
    /// The key in a file; a new one is made and stored there if there is no such file. Its mode is 600. Of several
    /// programs that do so at once, all get the key of the first; none ever sees a part of one.
    ///
    /// # Errors
    /// As [`Identity::from_file`]; [`ErrorKind::Io`] if the file cannot be written.
    pub fn load_or_create_in(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if fs::symlink_metadata(path).is_ok() {
            return Self::from_file(path);
        }
        let (identity, text) = Self::generate()?;
        let failed = |error: std::io::Error| unwritable(path, error);
        // Whole before it has its name, and its name is given only if nobody has it.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{}.new", std::process::id(), &identity.client_id()[..16]));
        let new = path.with_file_name(name);
        let written = write_private(&new, &text).and_then(|()| fs::hard_link(&new, path));
        let removed = fs::remove_file(&new);
        match written {
            Ok(()) => removed.map(|()| identity).map_err(failed),
            Err(error) if error.kind() == Io::AlreadyExists => Self::from_file(path),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A new file that only its owner may read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The folder, which only its owner may use if it is made here.
fn make_folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != Io::AlreadyExists => Err(unwritable(path, error)),
        _ => Ok(()),
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let what = format!("{} cannot be written: {error}", path.display());
    Error::new(ErrorKind::Io, Delivery::NotSent, what).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_stored_for_its_owner_only_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user_id.pem");
        let made = Identity::load_or_create_in(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----\n") && text.ends_with("-----\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = Identity::load_or_create_in(&path).unwrap();
        assert_eq!(made.client_id(), again.client_id());
        assert_eq!(made.0.key.public().modulus_len(), 256);
        let signature = made.sign(b"x").unwrap();
        assert!(again.public_key().verifies(b"x", &signature));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["user_id.pem"]);
    }

    #[test]
    fn what_stands_there_already_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user_id.pem");
        fs::write(&path, "not a key").unwrap();
        assert!(Identity::load_or_create_in(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
        let missing = folder.path().join("no folder").join("user_id.pem");
        assert_eq!(Identity::load_or_create_in(missing).unwrap_err().kind(), ErrorKind::Io);
    }
}
