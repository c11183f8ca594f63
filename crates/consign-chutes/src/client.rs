//! Making a client of the user's side: address of the service, API key, session token or hotkey.
use std::sync::Arc;

use consign_http::{ClientBuilder, Error, Token};

use crate::{ApiKey, Client, Hotkey, api_key, read_error};

/// Where the service is.
pub const PRODUCTION: &str = "https://api.chutes.ai";
/// The environment variable that holds an API key or a session token.
pub const API_KEY_VARIABLE: &str = "CHUTES_API_KEY";
/// The environment variable that may name another address of the service, the same as for the provider's own client.
pub const BASE_URL_VARIABLE: &str = "CHUTES_API_URL";

impl Client {
    /// A client of the production service with an API key (`cpk_…`) or a session token. For jobs the key has to be
    /// one made with `admin`.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the service would refuse the text unseen: a key of another
    /// shape, or something that cannot stand in a header.
    pub fn new(credential: impl Into<String>) -> Result<Self, Error> {
        Self::builder(PRODUCTION)?.token(token(credential.into())?).build().map(Self::from_http)
    }
    /// A client of the production service that signs with a hotkey. It can create jobs, but not read them: see
    /// [`Hotkey`].
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the network cannot be set up.
    pub fn with_hotkey(hotkey: Hotkey) -> Result<Self, Error> {
        Self::builder(PRODUCTION)?.signer(Arc::new(hotkey)).build().map(Self::from_http)
    }
    /// A client with the API key or session token from [`API_KEY_VARIABLE`], of the production service unless
    /// [`BASE_URL_VARIABLE`] names another address.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the key is not set, or one of the two cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let credential = read(API_KEY_VARIABLE)
            .ok_or_else(|| Error::config(format!("the environment variable {API_KEY_VARIABLE} is not set")))?;
        let base_url = read(BASE_URL_VARIABLE);
        let builder = Self::builder(base_url.as_deref().unwrap_or(PRODUCTION))?;
        builder.token(token(credential)?).build().map(Self::from_http)
    }
    /// The settings of a client of the service at `base_url`, without a credential yet; [`Client::from_http`] takes
    /// what they build. [`ClientBuilder::token`] takes an API key or a session token, [`ClientBuilder::signer`] a
    /// [`Hotkey`]. A call may take 30 s; a download may take longer, but not stay silent for 60 s.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the URL is not `http` or `https` with a host, or has a path, a
    /// query or a password.
    pub fn builder(base_url: &str) -> Result<ClientBuilder, Error> {
        Ok(consign_http::Client::builder(base_url)?.error_reader(read_error).secret_answers(&["create_api_key"]))
    }
}

/// A credential that the service tells apart by its beginning.
fn token(text: String) -> Result<Token, Error> {
    if text.starts_with(api_key::PREFIX) { ApiKey::new(text)?.token() } else { Token::new(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_http::ErrorKind;

    #[test]
    fn what_cannot_be_an_address_or_a_credential_is_refused_before_anything_is_sent() {
        for base_url in ["", "api.chutes.ai", "https://a/v1", "https://u:secret@a", "https://a?b"] {
            let error = Client::builder(base_url).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{base_url}");
            assert!(!error.to_string().contains("secret"));
        }
        for credential in ["", "  ", "line\nbreak", "cpk_secret", "cpk_854d4189baa65d29aeb9fcda2eab890a.39e4.secret"] {
            let error = Client::new(credential).map(|_| ()).unwrap_err();
            assert!(error.kind() == ErrorKind::Config && !format!("{error:?}").contains("secret"), "{credential}");
        }
        let client = Client::new("eyJhbGciOiJIUzI1NiJ9.e30.sesame").unwrap();
        assert_eq!(client.http().base_url(), PRODUCTION);
        assert!(!format!("{client:?}").contains("sesame"));
    }
}
