//! Credentials: a token that never shows itself, and a source that can renew it.
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::{BoxFuture, Error};

/// A bearer token, or a user name and password. Its text appears in no `Debug` output, error or log. Clones are cheap.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    /// What has to stay out of every text: the token, or the password and what is sent for it.
    secrets: Vec<SecretString>,
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
        Self::sent_as("Bearer", &text, vec![text.clone().into()])
    }
    /// A user name and password, sent as `Authorization: Basic`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if one of them is empty or has a control character in it, or
    /// the name has a colon, which would end it. The message does not repeat them.
    pub fn basic(user: &str, password: &str) -> Result<Self, Error> {
        for (what, text) in [("user name", user), ("password", password)] {
            if text.is_empty() {
                return Err(Error::config(format!("the {what} is empty")));
            }
            if text.contains(char::is_control) {
                return Err(Error::config(format!("the {what} has a control character in it, such as a line break")));
            }
        }
        if user.contains(':') {
            return Err(Error::config("the user name has a colon in it"));
        }
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self::sent_as("Basic", &pair, vec![password.into(), pair.clone().into()])
    }
    fn sent_as(scheme: &str, text: &str, secrets: Vec<SecretString>) -> Result<Self, Error> {
        let mut header = HeaderValue::from_str(&format!("{scheme} {text}"))
            .map_err(|_| Error::config("the token cannot stand in a header"))?;
        header.set_sensitive(true);
        Ok(Self(Arc::new(Inner { secrets, header })))
    }
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.header.clone()
    }
    /// The error without anything of this token.
    pub(crate) fn redact(&self, error: Error) -> Error {
        self.0.secrets.iter().fold(error, |error, secret| error.redacted(secret.expose_secret()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Two tokens are equal if they are sent as the same text.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.header == other.0.header
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

    #[test]
    fn a_user_name_and_password_are_sent_as_basic_and_never_show_themselves() {
        let token = Token::basic("Aladdin", "open sesame").unwrap();
        assert_eq!(token.header(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{token:?} {:?}", token.header()).contains("sesame"));
        let error = Error::config("got open sesame in QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(token.redact(error).message(), "got [redacted] in [redacted]");
        assert_ne!(token, Token::new("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap());
        for (user, password) in [("", "p"), ("u", ""), ("a:b", "p"), ("a\n", "p"), ("u", "p\r\n")] {
            assert_eq!(Token::basic(user, password).unwrap_err().kind(), crate::ErrorKind::Config, "{user:?}");
        }
    }
}
