//! Credentials: a token that never shows itself, and a source that can renew it.
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::{BoxFuture, Error};

/// A bearer token. Its text appears in no `Debug` output, error or log. Clones are cheap.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    secret: SecretString,
    header: HeaderValue,
}

impl Token {
    /// A token from its text.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the text is blank, or holds a blank, a line
    /// break or anything else that cannot stand in a header. The message does not repeat the text.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text: String = text.into();
        if text.trim().is_empty() {
            return Err(Error::config("the token is blank"));
        }
        if let Some(at) = text.bytes().position(|b| !b.is_ascii_graphic()) {
            let what = match text.as_bytes()[at] {
                b'\n' | b'\r' => "a line break",
                b' ' | b'\t' => "a blank",
                _ => "a character that is not printable ASCII",
            };
            return Err(Error::config(format!("the token has {what} at position {at} of {}", text.len())));
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| Error::config("the token cannot stand in a header"))?;
        header.set_sensitive(true);
        Ok(Self(Arc::new(Inner { secret: text.into(), header })))
    }
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.header.clone()
    }
    pub(crate) fn expose(&self) -> &str {
        self.0.secret.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Two tokens are equal if their texts are.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}
impl Eq for Token {}

/// Where tokens come from. A plain [`Token`] is a source that cannot renew itself.
pub trait Credentials: fmt::Debug + Send + Sync + 'static {
    /// The token for the next request. Called for each one, so keep it cheap.
    ///
    /// # Errors
    /// Whatever keeps the token from being had; the request is then not sent, and the error says so.
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>>;
    /// Called once when the server answered 401 to `refused`: a newer token, or `None` if there is
    /// none. With a newer one the request is sent again, once.
    ///
    /// # Errors
    /// Whatever keeps the token from being renewed; the caller then sees this error.
    fn renew<'a>(&'a self, refused: &'a Token) -> BoxFuture<'a, Result<Option<Token>, Error>> {
        let _ = refused;
        Box::pin(std::future::ready(Ok(None)))
    }
}

impl Credentials for Token {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_without_being_repeated() {
        for bad in ["", "  ", "abc\ndef", "abc\r\n", "ab yz", "tök-3n"] {
            let error = Token::new(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(bad.trim().is_empty() || !format!("{error} {error:?}").contains(bad), "{error}");
        }
        assert!(Token::new("abc\ndef").unwrap_err().to_string().contains("a line break at position 3"));
    }

    #[test]
    fn a_token_never_shows_itself() {
        let token = Token::new("civ-secret-1").unwrap();
        assert!(!format!("{token:?} {:?}", token.header()).contains("secret"));
    }
}
