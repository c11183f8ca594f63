//! Making a client: address of the service, the key, time limits.
use std::time::Duration;

use consign_http::{ClientBuilder, Error, Token};

use crate::read_error;

/// Where the public service is.
pub const PRODUCTION: &str = "https://nuextract.ai";
/// The environment variables that may hold the key, the first that is set counts: that of the provider's own client,
/// and that of its examples for other programs.
pub const TOKEN_VARIABLES: [&str; 2] = ["NUMIND_API_KEY", "NUEXTRACT_API_KEY"];
/// The environment variables that may name another address of the service, the first that is set counts.
pub const BASE_URL_VARIABLES: [&str; 2] = ["NUMIND_BASE_URL", "NUEXTRACT_BASE_URL"];

/// Three pings of the event stream, which come every 30 s.
const IDLE: Duration = Duration::from_secs(90);
/// For calls that carry a whole document, one way or the other.
const LARGE: Duration = Duration::from_secs(300);

/// Answers with tokens and keys in them.
const SECRET: [&str; 4] =
    ["post_api_auth_token", "get_api_auth_api_keys", "post_api_auth_api_keys", "put_api_auth_api_keys_apikeyid"];

/// The settings of a client of the service at `base_url`, without a key yet. `from_http` of [`v0_2::Client`] and
/// [`v0_4::Client`] takes what they build; one built client can serve both.
///
/// A call may take 30 s, one that sends a file or lists jobs with all they hold 5 minutes;
/// [`CallOptions::timeout`](consign_http::CallOptions::timeout) sets another limit for one call. A stream may stay
/// silent for 90 s, also before its first byte.
///
/// # Errors
/// [`Config`](consign_http::ErrorKind::Config) if the URL is not `http` or `https` with a host, or has a path, a query
/// or a password.
///
/// [`v0_2::Client`]: crate::v0_2::Client
/// [`v0_4::Client`]: crate::v0_4::Client
pub fn builder(base_url: &str) -> Result<ClientBuilder, Error> {
    let builder = consign_http::Client::builder(base_url)?
        .error_reader(read_error)
        .secret_answers(&SECRET)
        .idle_timeout(IDLE)
        // A server may keep the head back until the first ping.
        .operation_timeout("get_api_jobs_jobid_stream", IDLE);
    let large = [
        "get_api_jobs",
        "post_api_structured_extraction_jobs",
        "post_api_structured_extraction_structuredextractionprojectid_jobs",
        "post_api_structured_extraction_structuredprojectid_jobs",
        "post_api_template_generation_jobs",
        "post_api_content_extraction_jobs",
        "post_api_files",
    ];
    Ok(large.into_iter().fold(builder, |builder, operation| builder.operation_timeout(operation, LARGE)))
}

/// A client of the public service with this key.
fn with_key(key: impl Into<String>) -> Result<consign_http::Client, Error> {
    builder(PRODUCTION)?.token(Token::new(key)?).build()
}

/// A client with key and address from the environment.
fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<consign_http::Client, Error> {
    let first = |names: [&str; 2]| names.into_iter().find_map(|name| read(name).filter(|text| !text.trim().is_empty()));
    let [ours, other] = TOKEN_VARIABLES;
    let key = first(TOKEN_VARIABLES)
        .ok_or_else(|| Error::config(format!("neither of the environment variables {ours} and {other} is set")))?;
    let base_url = first(BASE_URL_VARIABLES);
    builder(base_url.as_deref().unwrap_or(PRODUCTION))?.token(Token::new(key)?).build()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(feature = "v0_2")]
impl crate::v0_2::Client {
    /// A client of the public service with this API key. For a login with OAuth there is [`OAuth`](crate::OAuth).
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the key is blank or cannot stand in a header.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        with_key(key).map(Self::from_http)
    }
    /// A client with the key from one of [`TOKEN_VARIABLES`], of the public service unless one of
    /// [`BASE_URL_VARIABLES`] names another address.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if no key is set, or one of the two cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        from_variables(variable).map(Self::from_http)
    }
}

#[cfg(feature = "v0_4")]
impl crate::v0_4::Client {
    /// A client of the public service with this API key. For a login with OAuth there is [`OAuth`](crate::OAuth).
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if the key is blank or cannot stand in a header.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        with_key(key).map(Self::from_http)
    }
    /// A client with the key from one of [`TOKEN_VARIABLES`], of the public service unless one of
    /// [`BASE_URL_VARIABLES`] names another address.
    ///
    /// # Errors
    /// [`Config`](consign_http::ErrorKind::Config) if no key is set, or one of the two cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        from_variables(variable).map(Self::from_http)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consign_http::ErrorKind;

    fn from(variables: &[(&str, &str)]) -> Result<consign_http::Client, Error> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        from_variables(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_key_is_taken_from_the_first_variable_that_is_set() {
        for variables in [
            &[("NUMIND_API_KEY", "a.b.c")][..],
            &[("NUEXTRACT_API_KEY", "a.b.c")],
            &[("NUMIND_API_KEY", "a.b.c"), ("NUEXTRACT_API_KEY", "not\nused")],
            &[("NUMIND_API_KEY", "  "), ("NUEXTRACT_API_KEY", "a.b.c")],
        ] {
            assert_eq!(from(variables).unwrap().base_url(), PRODUCTION);
        }
        let error = from(&[("NUMIND_API_KEY", "")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("NUMIND_API_KEY") && error.message().contains("NUEXTRACT_API_KEY"));
        assert_eq!(from(&[("NUMIND_API_KEY", "bad\nkey")]).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn the_address_can_be_another() {
        let key = ("NUMIND_API_KEY", "a.b.c");
        let there = from(&[key, ("NUEXTRACT_BASE_URL", "https://numind.example.com/")]).unwrap();
        assert_eq!(there.base_url(), "https://numind.example.com");
        let there =
            from(&[key, ("NUMIND_BASE_URL", "http://localhost:1"), ("NUEXTRACT_BASE_URL", "http://b")]).unwrap();
        assert_eq!(there.base_url(), "http://localhost:1");
        for bad in ["numind.example.com", "https://a/api", "https://u:sesame@a"] {
            let error = from(&[key, ("NUMIND_BASE_URL", bad)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
            assert!(!error.to_string().contains("sesame"));
        }
    }
}
