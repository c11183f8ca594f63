//! API keys: their shape, and the ids in them.
use std::fmt;

use consign_http::{Error, Token};
use secrecy::{ExposeSecret, SecretString};

/// What every API key begins with.
pub(crate) const PREFIX: &str = "cpk_";

/// An API key of the right shape: `cpk_`, the key's id, the user's id, and a secret. It shows itself nowhere.
///
/// Only keys made with `admin` can be used for jobs; whether one is cannot be seen in it.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// A key from its text.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the service would refuse the text unseen: it has to be `cpk_`,
    /// twice 32 lower-case hexadecimal digits, and 32 letters or digits, with dots between. The message does not
    /// repeat the text.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text: String = text.into();
        let hex =
            |part: &str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let parts: Vec<&str> = text.strip_prefix(PREFIX).map(|rest| rest.split('.').collect()).unwrap_or_default();
        match parts.as_slice() {
            [id, user, secret]
                if hex(id) && hex(user) && secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(Error::config(format!(
                "the API key is not of the form cpk_<32 hex>.<32 hex>.<32 letters or digits>, 102 characters; it has {}",
                text.chars().count()
            ))),
        }
    }
    /// The key's id, as [`get_api_key`](crate::Client::get_api_key) takes it.
    pub fn id(&self) -> String {
        uuid(&self.expose()[PREFIX.len()..][..32])
    }
    /// The id of the user it belongs to.
    pub fn user_id(&self) -> String {
        uuid(&self.expose()[PREFIX.len() + 33..][..32])
    }
    /// The key as a client's credential.
    ///
    /// # Errors
    /// None that is known: what is in a key can always stand in a header.
    pub fn token(&self) -> Result<Token, Error> {
        Token::new(self.expose())
    }
    /// The text, for a place that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

/// 32 hexadecimal digits with the dashes of a UUID.
pub(crate) fn uuid(hex: &str) -> String {
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "cpk_854d4189baa65d29aeb9fcda2eab890a.39e40833dec8509db8e0a0a531ea6390.UTJGQ2ABPQGM77RO7ZIJaZ09bY18cX27";

    #[test]
    fn a_key_tells_its_ids_and_not_itself() {
        let key = ApiKey::new(KEY).unwrap();
        assert_eq!(key.id(), "854d4189-baa6-5d29-aeb9-fcda2eab890a");
        assert_eq!(key.user_id(), "39e40833-dec8-509d-b8e0-a0a531ea6390");
        assert_eq!(format!("{key:?}"), "ApiKey([redacted])");
        assert_eq!(key.token().unwrap(), Token::new(KEY).unwrap());
    }

    #[test]
    fn another_shape_is_refused_without_being_repeated() {
        let bad = [
            "",
            "cpk_",
            &KEY[..101],
            &format!("{KEY}a"),
            &KEY.replace('.', "-"),
            &KEY.to_uppercase(),
            &KEY.replace("27", "2_"),
            &KEY.replace("854d", "é54"),
        ];
        for text in bad {
            let error = ApiKey::new(text).unwrap_err();
            assert!(text.len() < 5 || !format!("{error:?}").contains(text), "{error:?}");
        }
    }
}
