//! Making a client: addresses of the service, the token, time limits.
use std::time::Duration;

use consign_http::{ClientBuilder, Error, Token};

use crate::{Client, read_error};

/// Where the service is.
pub const PRODUCTION: &str = "https://orchestration.civitai.com";
/// Where the provider's development service is.
pub const DEVELOPMENT: &str = "https://orchestration-dev.civitai.com";
/// The environment variable that holds the token, the same as for the provider's own clients.
pub const TOKEN_VARIABLE: &str = "CIVITAI_API_TOKEN";
/// The environment variable that may name another address of the service.
pub const BASE_URL_VARIABLE: &str = "CIVITAI_BASE_URL";

/// Longer than the server holds an answer back with `wait`: about ten minutes at most.
const HELD: Duration = Duration::from_secs(660);

impl Client {
    /// A client of the production service.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the token is blank or cannot stand in a header.
    pub fn new(token: impl Into<String>) -> Result<Self, Error> {
        Self::builder(PRODUCTION)?.token(Token::new(token)?).build().map(Self::from_http)
    }
    /// A client with the token from [`TOKEN_VARIABLE`], of the production service unless [`BASE_URL_VARIABLE`]
    /// names another address.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the token is not set, or one of the two cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let token = read(TOKEN_VARIABLE)
            .ok_or_else(|| Error::config(format!("the environment variable {TOKEN_VARIABLE} is not set")))?;
        let base_url = read(BASE_URL_VARIABLE);
        let builder = Self::builder(base_url.as_deref().unwrap_or(PRODUCTION))?;
        builder.token(Token::new(token)?).build().map(Self::from_http)
    }
    /// The settings of a client of the service at `base_url`, without a token yet; [`Client::from_http`] takes
    /// what they build. A call may take 30 s; submitting and reading by token, which can be told to wait, 11
    /// minutes. [`CallOptions::timeout`](consign_http::CallOptions::timeout) sets another limit for one call.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the URL is not `http` or `https` with a host, or has a
    /// path, a query or a password.
    pub fn builder(base_url: &str) -> Result<ClientBuilder, Error> {
        Ok(consign_http::Client::builder(base_url)?
            .error_reader(read_error)
            .operation_timeout("v1_consumer_jobs_post", HELD)
            .operation_timeout("v1_consumer_jobs_get", HELD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_http::ErrorKind;

    #[test]
    fn what_cannot_be_an_address_or_a_token_is_refused_before_anything_is_sent() {
        for base_url in
            ["", "orchestration.civitai.com", "ftp://a", "https://a/v1", "https://u:secret@a", "https://a?b"]
        {
            let error = Client::builder(base_url).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{base_url}");
            assert!(!error.to_string().contains("secret"));
        }
        for token in ["", "  ", "line\nbreak"] {
            assert_eq!(Client::new(token).map(|_| ()).unwrap_err().kind(), ErrorKind::Config);
        }
        let builder = Client::builder("https://a.example/").unwrap().token(Token::new("sesame-123").unwrap());
        let client = Client::from_http(builder.build().unwrap());
        assert_eq!(client.http().base_url(), "https://a.example");
        assert!(!format!("{client:?}").contains("sesame"));
    }
}
